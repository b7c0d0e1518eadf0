"""The table of settings as a document, and the price of importing it."""

from __future__ import annotations

import subprocess
import sys

from nano_graphrag_redis.config import SETTINGS, markdown_table


def test_the_module_prints_the_table() -> None:
    command = [sys.executable, "-m", "nano_graphrag_redis.config"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == markdown_table() + "\n"
    assert result.stderr == ""


def test_the_table_is_one_row_of_four_cells_for_each_setting() -> None:
    head, rule, *rows = markdown_table().splitlines()
    assert head == "| Setting | Default | Allowed | Meaning |"
    assert rule == "| --- | --- | --- | --- |"
    assert len(rows) == len(SETTINGS)
    for row, setting in zip(rows, SETTINGS, strict=True):
        name, _, allowed, meaning = row.strip("| ").split(" | ")
        assert name == f"`{setting.name}`"
        assert allowed
        assert meaning


def test_every_default_is_what_its_own_reader_allows() -> None:
    for setting in SETTINGS:
        if setting.default is not None:
            assert setting.reader(setting.default) == setting.default


def test_a_variable_is_the_name_in_capitals() -> None:
    assert {setting.variable for setting in SETTINGS} >= {
        "REDIS_URL",
        "REDIS_TTL_SLIDING",
        "REDIS_SSL_CA_CERTS",
    }


def test_the_import_brings_nothing_heavy() -> None:
    code = (
        "import asyncio, sys; before = set(sys.modules); import nano_graphrag_redis.config;"
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    foreign = [name for name in result.stdout.split() if not name.startswith("nano_graphrag_redis")]
    assert set(foreign) <= {"__future__"}
