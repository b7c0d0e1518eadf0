"""The measuring: in each round every contestant has its turn with a workload, one directly after the other
and each round beginning with another one, so that a busy moment of the machine meets all of them. Ratios are
taken within a round and only then put together, for the same reason."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .arena import Arena
from .columns import Column, Figures
from .seat import Failure, Runner, Seat
from .workloads import Workload

Progress = Callable[[str], None]

FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Plan:
    """How long one workload is measured: so many rounds, or fewer when the time is up."""

    rounds: int
    seconds: float = math.inf


@dataclass
class Series:
    """The figures of one contestant in one workload, one per round."""

    figures: list[Figures] = field(default_factory=list)
    failure: str = ""

    def column(self, column: Column) -> list[float]:
        return [figures[column.name] * column.scale for figures in self.figures]


class Subject(Protocol):
    """What the report has to know of a workload."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...


@dataclass
class Outcome:
    """All series of one workload, by contestant."""

    workload: Subject
    series: dict[str, Series] = field(default_factory=dict)

    def ratio(self, name: str, to: str) -> list[float]:
        """How many times longer `name` takes than `to`, round by round."""
        column = self.workload.columns[0]
        pairs = zip(self.series[name].column(column), self.series[to].column(column), strict=True)
        return [theirs / ours for theirs, ours in pairs if ours]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def scatter(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    low, high = quartiles(values)
    return (high - low) / 2 / median(values) if median(values) else 0.0


def attempt(seat: Seat, workload: Workload, series: Series) -> None:
    """A contestant that fails is out of this workload, and the report says why; a wrong answer ends the run."""
    if series.failure:
        return
    try:
        series.figures.append(seat.turn(workload))
    except Failure as failure:
        series.failure = str(failure)
        series.figures.clear()


def race(
    workload: Workload, seats: Sequence[Seat], arena: Arena, run: Runner, plan: Plan, progress: Progress
) -> Outcome:
    """Measures every contestant in turns, each time after a run whose answers are checked. The limits have theirs
    in this process, by `run`; they send what the contestant of `arena` would send."""
    outcome = Outcome(workload)
    seated = [(seat, Series()) for seat in seats]
    outcome.series = {seat.name: series for seat, series in seated}
    limits = [(limit, Series()) for limit in workload.limits(arena)]
    start_time = time.monotonic()
    for number in range(plan.rounds):
        if number >= FEWEST_ROUNDS and time.monotonic() - start_time > plan.seconds:
            break
        start = number % len(seated)
        for seat, series in seated[start:] + seated[:start]:
            progress(f"{workload.name}: round {number + 1} of {plan.rounds}: {seat.name}")
            attempt(seat, workload, series)
        for limit, series in limits:
            progress(f"{workload.name}: round {number + 1} of {plan.rounds}: {limit.name}")
            gc.collect()
            if figures := run(limit.measure(arena.server.endpoint)):
                series.figures.append(figures)
    outcome.series |= {limit.name: series for limit, series in limits if series.figures}
    return outcome
