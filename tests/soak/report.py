"""What is said about a run: a line of progress while it goes on, the figures and the verdict at its end."""

from __future__ import annotations

import statistics
from collections import Counter

from .figures import VIOLATIONS, Figures

MEBIBYTE = 1024 * 1024
JUDGED_FROM = 300.0  # seconds: a shorter run is all warming up
GROWTH = 0.05, 4 * MEBIBYTE  # the last third of a run may need so much more memory than the middle one: a share, bytes


def middle_and_last(series: list[int]) -> tuple[float, float]:
    """The median of what is in use between rounds, of the middle and the last third of a run: the first warms up."""
    third = len(series) // 3
    if not third:
        return 0.0, 0.0
    return statistics.median(series[third : 2 * third]), statistics.median(series[-third:])


def is_flat(series: list[int]) -> bool:
    middle, last = middle_and_last(series)
    return last <= middle * (1 + GROWTH[0]) + GROWTH[1]


def progress(elapsed: float, total: float, figures: Figures, faults: Counter[str], memory: list[int]) -> str:
    return (
        f"{elapsed:5.0f} of {total:.0f} s: {sum(figures.calls.values()):,} calls, {figures.checked:,} values checked, "
        f"{sum(faults.values())} faults, {sum(figures.violations.values())} violations, "
        f"memory {' '.join(f'{size / MEBIBYTE:.0f}' for size in memory)} MiB"
    )


def summary(
    figures: Figures, faults: Counter[str], memory: dict[str, tuple[list[int], list[int]]], seconds: float
) -> str:
    lines = [
        _counts("calls", figures.calls),
        _counts("outcomes", figures.outcomes),
        _counts("faults", faults),
        f"values checked: {figures.checked:,}; calls per second: {sum(figures.calls.values()) / seconds:,.0f}",
        _counts("an older write seen after a newer one, as documented", figures.late),
        "longest waits: "
        + ", ".join(f"{method} {wait:.2f} s" for method, wait in sorted(figures.longest.items(), key=_by_wait))
        + f"; at most {figures.bound_used:.0%} of the bound",
        f"log lines: {figures.log_lines}, {figures.log_lines / max(1, faults.total()):.1f} per fault",
        *[_memory(name, *series) for name, series in memory.items()],
        *[f"{kind}: {figures.violations[kind]}" for kind in VIOLATIONS],
    ]
    return "\n".join(lines)


def _by_wait(entry: tuple[str, float]) -> float:
    return -entry[1]


def _counts(title: str, counts: Counter[str]) -> str:
    return f"{title}: {counts.total():,}; " + ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _memory(name: str, series: list[int], at_rest: list[int]) -> str:
    middle, last = middle_and_last(at_rest)
    thirds = f"middle third {middle / MEBIBYTE:.1f}, last third {last / MEBIBYTE:.1f}"
    verdict = "flat" if is_flat(at_rest) else "GROWS"
    resident, in_use = _steps(series), _steps(at_rest)
    return f"memory of {name}: {resident} MiB resident; between rounds {in_use} MiB in use, {thirds}: {verdict}"


def _steps(series: list[int]) -> str:
    return " ".join(f"{size / MEBIBYTE:.0f}" for size in [*series[:: max(1, len(series) // 8)], *series[-1:]])
