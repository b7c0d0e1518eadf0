"""The report: a table per workload for reading, and the same figures as JSON for keeping."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .columns import WALL, Column
from .rounds import Outcome, Series, median, scatter

PACKAGES = (
    "nano-graphrag-redis",
    "redis",
    "hiredis",
    "orjson",
    "valkey-glide",
    "coredis",
    "uvloop",
    "nano-graphrag",
)
NAME_WIDTH = 30


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Its name, where the system tells."""
    found = re.search(r"^model name\s*: (.*)$", read("/proc/cpuinfo"), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def environment(**options: object) -> dict[str, Any]:
    """Where the figures come from: without it they mean nothing."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": processor(),
        "python": platform.python_version(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),  # before the run
        "packages": {name: package_version(name) for name in PACKAGES},
        **options,
    }


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cells(series: Series, columns: Iterable[Column]) -> list[str]:
    out = []
    for column in columns:
        values = series.column(column)
        out.append(f"{number(median(values)):>11} {f'±{scatter(values):.0%}':>6}")
    return out


def rate(series: Series, column: Column) -> str:
    return f"{column.scale / median(series.column(column)):>12,.0f}"


def print_outcome(outcome: Outcome, ours: str) -> None:
    workload = outcome.workload
    columns = workload.columns
    has_rate = columns[0] == WALL
    heads = [f"{workload.unit}s/s".rjust(12)] if has_rate else []
    heads += [f"{c.name}, {c.unit}".rjust(18) for c in columns]
    rounds = max(len(series.figures) for series in outcome.series.values())
    print(f"\n{workload.title} ({rounds} rounds)\n  {'':{NAME_WIDTH}}{''.join(heads)}{'times ours':>22}")
    for name, series in outcome.series.items():
        if series.failure:
            print(f"  {name:{NAME_WIDTH}}  out: {series.failure[:90]}")
            continue
        row = "".join(cells(series, columns))
        first = rate(series, columns[0]) if has_rate else ""
        print(f"  {name:{NAME_WIDTH}}{first}{row}{times(outcome, name, ours):>22}")


def times(outcome: Outcome, name: str, ours: str) -> str:
    """The median ratio and its range."""
    if name == ours or ours not in outcome.series or outcome.series[ours].failure:
        return ""
    ratios = outcome.ratio(name, ours)
    return f"{median(ratios):.2f} ({min(ratios):.1f}-{max(ratios):.1f})"


def print_environment(where: dict[str, Any]) -> None:
    packages = ", ".join(f"{name} {found}" for name, found in where["packages"].items() if found)
    loop = "uvloop" if where["uvloop"] else "asyncio"
    print(
        f"\nPython {where['python']}, {loop}, {where['transport']}, redis-server {where['server']}, "
        f"{where['processors']} processors (load {where['load']:.1f})\n{packages}"
    )


class Progress:
    """One line on stderr that says what is being measured; on a terminal it overwrites itself."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._last = ""

    def __call__(self, line: str) -> None:
        if self._is_terminal:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        elif line.split(":")[0] != self._last:
            print(f"measuring {line.split(':')[0]}", file=sys.stderr, flush=True)
        self._last = line.split(":")[0]

    def clear(self) -> None:
        if self._is_terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
