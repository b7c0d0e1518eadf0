"""The numbers in README.md and docs/benchmarks.md are those that were measured, and the gate can fail."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "bench"))

import kv  # noqa: E402 - bench/kv.py
from harness import gate, pages  # noqa: E402

PAGE = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def figures(parts: dict[str, Any]) -> dict[str, Any]:
    """A copy of the main part's figures, to be changed."""
    copied: dict[str, Any] = json.loads(json.dumps(parts["main"]["workloads"]))
    return copied


def test_the_page_shows_the_figures_that_were_measured(parts: dict[str, Any]) -> None:
    assert pages.benchmarks(parts) == PAGE


def test_the_readme_shows_the_figures_that_were_measured(parts: dict[str, Any]) -> None:
    assert pages.BEGIN in README
    assert pages.readme(README, parts) == README


def test_every_plot_exists() -> None:
    plots = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    assert len(plots) >= 4
    for name in plots:
        assert (DOCS / name).read_bytes().startswith(b"\x89PNG"), name


def test_every_command_beside_a_number_is_understood() -> None:
    found = set(re.findall(r'`make bench ARGS="([^"]+)"`', README + PAGE))
    assert len(found) > 15
    for words in found:
        assert kv.parse(shlex.split(words.replace("NAME", "get_gather")))


def test_every_target_was_measured(figures: dict[str, Any]) -> None:
    assert [verdict.reached for verdict in gate.verdicts(figures)].count(None) == 0
    assert len(gate.verdicts(figures)) == len(gate.TABLE)


def names(row: gate.Row) -> str:
    return f"{row.subject}-{row.against}"


@pytest.mark.parametrize("row", gate.TABLE, ids=names)
def test_a_storage_a_hundred_times_slower_is_below_each_floor(figures: dict[str, Any], row: gate.Row) -> None:
    for name in row.workloads:
        ours = figures[name]["contestants"][gate.OURS]
        for column in ours:
            ours[column] = [value * 100 for value in ours[column]]
    reached = row.calmest(figures)
    assert reached is not None
    assert not row.holds(reached, row.floor, gate.TOLERANCE)


@pytest.mark.parametrize("row", gate.TABLE, ids=names)
def test_the_tolerance_of_a_floor_is_what_it_says(row: gate.Row) -> None:
    worse = -1 if isinstance(row, gate.Ratio) else 1
    assert row.holds(row.floor * (1 + worse * 0.24), row.floor, gate.TOLERANCE)
    assert not row.holds(row.floor * (1 + worse * 0.26), row.floor, gate.TOLERANCE)
    assert not row.holds(row.floor * (1 + worse * 0.01), row.floor)


def test_what_was_not_measured_is_missed(figures: dict[str, Any]) -> None:
    del figures["get_gather"]
    assert {row.subject for row in gate.missed(figures)} >= {"get_gather"}
