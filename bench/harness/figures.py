"""The figures of a run as plain JSON, and what is computed from them. Whatever shows figures later takes them
from here, so that a page and a terminal cannot say different things."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .rounds import Outcome, Series, median

DIGITS = 5  # of each single figure
Workloads = dict[str, dict[str, Any]]


def shortened(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def as_json(outcome: Outcome) -> dict[str, Any]:
    workload = outcome.workload
    return {
        "title": " ".join(workload.title.split()),
        "unit": workload.unit,
        "columns": {column.name: column.unit for column in workload.columns},
        "contestants": {name: _rounds(series, outcome) for name, series in outcome.series.items()},
    }


def _rounds(series: Series, outcome: Outcome) -> dict[str, Any]:
    if series.failure:
        return {"failure": series.failure}
    return {column.name: [*map(shortened, series.column(column))] for column in outcome.workload.columns}


def write(path: Path, what: object) -> None:
    """One line for each list of numbers, so that a difference can be read."""
    text = json.dumps(what, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[-\d.,e\s]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    path.write_text(text + "\n", encoding="utf-8")


def rounds_of(workload: dict[str, Any], name: str, column: str = "") -> list[float]:
    """The figures of a contestant, round by round, in the first column unless another is named; none when it
    has not taken part, or failed."""
    found: list[float] = workload["contestants"].get(name, {}).get(column or next(iter(workload["columns"])), [])
    return found


def middle(workload: dict[str, Any], name: str, column: str = "") -> float | None:
    found = rounds_of(workload, name, column)
    return median(found) if found else None


def times(workload: dict[str, Any], name: str, to: str) -> float | None:
    """How many times longer `name` takes than `to`: the median of the ratios within each round."""
    pairs = list(zip(rounds_of(workload, name), rounds_of(workload, to), strict=False))
    ratios = [theirs / ours for theirs, ours in pairs if ours]
    return median(ratios) if ratios else None
