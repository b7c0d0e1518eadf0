"""The house plan in force: who may include whom, and that Python stays out of the core.

A file of src/core may include only files that stand above its own in ORDER; src/ext sees the core through
its three public headers.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE, EXT = ROOT / "src" / "core", ROOT / "src" / "ext"

ORDER = [  # the rooms of src/core and their files, each .h, .c or both; the first knows nobody
    ("status", ["status"]),
    ("mem", ["mem"]),
    ("list", ["list"]),
    ("buf", ["buf"]),
    ("utf8", ["utf8"]),
    ("simd", ["simd"]),
    ("address", ["address"]),
    ("loop", ["loop"]),
    ("json powers", ["json_powers"]),
    ("json number", ["json_number", "json_number_read", "json_number_write"]),
    ("json blocks", ["json_scan", "json_triples"]),
    ("json mixed", ["json_mixed", "json_mixed_table", "json_mixed_read", "json_mixed_write"]),
    ("json", ["json", "json_read", "json_write"]),
    ("url", ["url"]),
    ("settings", ["settings"]),
    ("answer", ["answer"]),
    ("cmd", ["cmd"]),
    ("reply", ["reply"]),
    ("ngr", ["ngr"]),
    ("req", ["req"]),
    ("heap", ["heap"]),
    ("tls", ["tls"]),
    ("transport", ["transport"]),
    ("conn", ["conn", "conn_int", "conn_open"]),
    ("pool", ["pool"]),
    ("call", ["call"]),
    ("topology", ["topology"]),
    ("batch", ["batch", "batch_exec", "batch_read", "batch_scan", "batch_write"]),
    ("client", ["client"]),
    ("control", ["control"]),
]
PUBLIC = {"ngr.h", "json.h", "loop.h"}
LIBRARIES = {"hiredis": "reply", "cjson": "control", "openssl": "tls"}  # each in one room only

RANK = {stem: rank for rank, (_, stems) in enumerate(ORDER) for stem in stems}
ROOM = {stem: room for room, stems in ORDER for stem in stems}


def files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.h"), *folder.glob("*.c")])


def own_includes(file: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read_text(), re.MULTILINE)


def library_includes(file: Path) -> list[str]:
    return re.findall(r"^\s*#\s*include\s+<([^>]+)>", file.read_text(), re.MULTILINE)


def test_the_table_lists_the_files_that_exist() -> None:
    assert set(RANK) == {file.stem for file in files(CORE)}


@pytest.mark.parametrize("file", files(CORE), ids=lambda file: file.name)
def test_a_file_of_the_core_includes_only_what_stands_above_it(file: Path) -> None:
    wrong = [name for name in own_includes(file) if RANK[Path(name).stem] > RANK[file.stem]]
    assert not wrong, f"{file.name} includes {wrong}, which stand below it: the function is in the wrong file"


@pytest.mark.parametrize("file", files(CORE), ids=lambda file: file.name)
def test_a_library_is_known_in_one_room_only(file: Path) -> None:
    for name in library_includes(file):
        room = LIBRARIES.get(name.partition("/")[0])
        assert room in (None, ROOM[file.stem]), f"{file.name} includes <{name}>, which belongs to {room}"


@pytest.mark.parametrize("file", files(CORE), ids=lambda file: file.name)
def test_no_file_of_the_core_knows_python(file: Path) -> None:
    assert not re.search(r"\bPy[A-Z_]\w*|\bPython\.h", file.read_text())


@pytest.mark.parametrize("file", files(EXT), ids=lambda file: file.name)
def test_the_extension_sees_the_core_through_its_public_headers(file: Path) -> None:
    core = {header.name for header in CORE.glob("*.h")}
    assert {name for name in own_includes(file) if name in core} <= PUBLIC


def test_no_header_of_the_extension_hides_one_of_the_core() -> None:
    assert not {file.name for file in CORE.glob("*.h")} & {file.name for file in EXT.glob("*.h")}


def explained() -> list[Path]:
    """Headers, and the sources that have no header of their own to speak for them."""
    every = [*files(CORE), *files(EXT)]
    return [file for file in every if file.suffix == ".h" or not file.with_suffix(".h").exists()]


@pytest.mark.parametrize("file", explained(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_file_opens_by_saying_what_it_is_for(file: Path) -> None:
    assert file.read_text().startswith("/* ")
