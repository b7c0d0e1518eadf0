"""What is built: a core that needs no Python, and an extension that exports nothing but its entry point."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ["hiredis", "libcjson", "openssl"]


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout


def pkg_config(what: str) -> list[str]:
    return run("pkg-config", what, *PACKAGES).split()


def compiler() -> str:
    found = shutil.which("cc")
    assert found, "the tests need a C compiler: apt-get install -y build-essential"
    return found


@pytest.fixture(scope="module")
def core_flags() -> list[str]:
    parents = [f"-I{run('pkg-config', '--variable=includedir', name).strip()}" for name in PACKAGES]
    return ["-std=c11", "-D_GNU_SOURCE", "-Isrc/core", *parents, *pkg_config("--cflags")]


def core_sources() -> list[str]:
    return sorted(str(file.relative_to(ROOT)) for file in (ROOT / "src" / "core").glob("*.c"))


def test_the_core_builds_and_links_without_python(core_flags: list[str], tmp_path: Path) -> None:
    """-z defs: every symbol must come from the core itself or from its libraries."""
    strict = [] if sys.platform == "darwin" else ["-Wl,-z,defs"]
    library = str(tmp_path / "core.so")
    run(
        compiler(),
        "-shared",
        "-fPIC",
        *core_flags,
        *core_sources(),
        *strict,
        *pkg_config("--libs"),
        "-o",
        library,
    )


def test_no_header_that_the_core_reaches_is_pythons(core_flags: list[str]) -> None:
    reached = run(compiler(), "-M", *core_flags, *core_sources())
    assert "ngr.h" in reached
    assert "Python.h" not in reached


def test_the_extension_exports_only_its_entry_point() -> None:
    extension = importlib.util.find_spec("nano_graphrag_redis._native")
    assert extension is not None, "the extension is not built: pip install -e ."
    assert extension.origin is not None
    options = ["-gU"] if sys.platform == "darwin" else ["-D", "--defined-only"]
    symbols = [line.split()[-1].lstrip("_") for line in run("nm", *options, extension.origin).splitlines()]
    assert symbols == ["PyInit__native"]
