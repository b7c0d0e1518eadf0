"""What the storage has to reach, as ratios to others in the same run: rates say more about the machine. Each
row has the target, and the floor that a change must not fall below: what has been reached so far, or the
target where that is reached. The gate allows for what a busy machine does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contestants import Coredis, Glide, JsonFile, Native, RedisExpert, RedisReplaced

from .figures import Workloads, middle, rounds_of, times
from .limits import BENCHMARK, EXISTS, FUTURES, RECEIVER, SENDER
from .rounds import Plan

OURS = Native.name
TOLERANCE = 0.25

REDIS = (RedisReplaced.name, RedisExpert.name)  # the faster of the two counts
EXPERT = (RedisExpert.name,)
GLIDE = (Glide.name,)
BEST = (*REDIS, Glide.name, Coredis.name)
JSON_FILE = (JsonFile.name,)
LANGUAGES = ("english", "european", "chinese")


@dataclass(frozen=True)
class Ratio:
    """How many times longer the best of the rivals takes, or a limit; the worst of the workloads counts."""

    workloads: tuple[str, ...]
    rivals: tuple[str, ...]
    against: str
    target: float
    floor: float

    @property
    def subject(self) -> str:
        return self.workloads[0]

    def reached(self, figures: Workloads) -> float | None:
        found = [times(figures[name], rival, OURS) for name in self.workloads for rival in self.rivals]
        ratios = [ratio for ratio in found if ratio is not None]
        return min(ratios) if ratios else None

    calmest = reached  # in-round ratios: what disturbs one disturbs the other

    def holds(self, reached: float, bound: float, tolerance: float = 0.0) -> bool:
        return reached >= bound * (1 - tolerance)

    def share(self, reached: float) -> float:
        return reached / self.target

    def words(self, value: float) -> str:
        return f"{value:.2f} x" if value < 10 else f"{value:.1f} x"

    def wanted(self) -> str:
        return f"at least {self.target:g} x {self.against}"


@dataclass(frozen=True)
class Ceiling:
    """A figure of ours, perhaps what it has above another's."""

    workload: str
    column: str
    unit: str
    target: float
    floor: float
    above: str = ""  # a limit, whose figure is taken off
    calm_column: str = ""  # one that a busy machine disturbs less, for the gate

    @property
    def workloads(self) -> tuple[str, ...]:
        return (self.workload,)

    @property
    def subject(self) -> str:
        return self.workload

    @property
    def rivals(self) -> tuple[str, ...]:
        return ()

    @property
    def against(self) -> str:
        return self.column

    def reached(self, figures: Workloads) -> float | None:
        ours = middle(figures[self.workload], OURS, self.column)
        others = middle(figures[self.workload], self.above, self.column) if self.above else 0.0
        return None if ours is None or others is None else ours - others

    def calmest(self, figures: Workloads) -> float | None:
        """The best round: a busy machine makes times longer, never shorter."""
        rounds = rounds_of(figures[self.workload], OURS, self.calm_column or self.column)
        return self.reached(figures) if self.above or not rounds else min(rounds)

    def holds(self, reached: float, bound: float, tolerance: float = 0.0) -> bool:
        return reached <= bound * (1 + tolerance)

    def share(self, reached: float) -> float:
        return self.target / reached if reached else 1.0

    def words(self, value: float) -> str:
        return f"{value:.3g} {self.unit}" if value < 1000 else f"{value:,.0f} {self.unit}"

    def wanted(self) -> str:
        above = f" above {self.above}" if self.above else ""
        return f"{self.column} at most {self.target:g} {self.unit}{above}"


Row = Ratio | Ceiling


def _codec(direction: str, shape: str, floor: float) -> Ratio:
    form = "_utf8" if direction == "decode" else ""
    names = tuple(f"{direction}_{shape}_{language}{form}" for language in LANGUAGES)
    return Ratio(names, ("orjson",), "orjson", 1.0, floor)


TABLE: tuple[Row, ...] = (
    #      workload, the others, their name                                                   target, floor
    Ratio(("get_sequential",), REDIS, "redis.asyncio", 1.6, 1.6),
    Ratio(("get_sequential",), (BENCHMARK,), "redis-benchmark -c 1 -P 1", 0.65, 0.55),
    Ratio(("get_64_tasks",), GLIDE, "valkey-glide", 6, 4.5),
    Ratio(("get_64_tasks",), REDIS, "redis.asyncio", 15, 12),
    Ceiling("get_64_tasks", "cpu", "us", 4, 8),
    Ratio(("get_gather",), GLIDE, "valkey-glide", 2.5, 2.5),
    Ratio(("get_gather",), (FUTURES,), "a gather of bare futures", 0.6, 0.5),
    Ratio(("upsert_64_tasks",), GLIDE, "valkey-glide", 4, 4),
    Ratio(("llm_call",), REDIS, "redis.asyncio", 1.6, 1.6),
    Ratio(("llm_call",), JSON_FILE, "JsonKVStorage", 50, 50),
    Ratio(("upsert_1000",), BEST, "the best", 1.4, 1.4),
    Ratio(("upsert_1000",), (SENDER,), "the C sender", 0.7, 0.55),
    Ratio(("get_1000_chunks",), EXPERT, "redis.asyncio + orjson", 2.5, 2.4),
    Ratio(("get_1000_chunks",), (RECEIVER,), "the C receiver", 0.45, 0.4),
    Ratio(("get_200_reports",), BEST, "the best", 2.5, 1.3),
    Ratio(("get_200_titles",), BEST, "the best", 5, 2.4),
    Ratio(("filter_10000",), GLIDE, "valkey-glide", 8, 6),
    Ratio(("filter_10000",), (EXISTS,), "C, pipelined EXISTS", 0.35, 0.35),
    _codec("decode", "answer", 1.0),
    _codec("decode", "chunk", 1.0),
    _codec("decode", "report", 1.0),
    _codec("encode", "answer", 1.0),
    _codec("encode", "chunk", 1.0),
    _codec("encode", "report", 1.0),
    Ceiling("latency", "p99", "ms", 5, 7),
    Ceiling("longest_block", "wall", "ms", 20, 20),
    Ceiling("import", "import", "ms", 15, 40, calm_column="cpu"),
    Ceiling("memory", "idle", "KiB", 300, 300),
    Ceiling("pending", "whole", "KiB", 1024, 1024, above=FUTURES),
)

CODEC_ROUNDS = 5
FRESH_ROUNDS = 3
SCATTERED = frozenset({"get_sequential", "upsert_64_tasks", "upsert_1000", "get_1000_chunks"})
WORKLOADS = frozenset(name for row in TABLE for name in row.workloads)


def needs(workload: str, contestant: str) -> bool:
    """Whether some row compares with this contestant there. The best is never coredis, and it is slow."""
    rivals = {rival for row in TABLE if workload in row.workloads for rival in row.rivals}
    return contestant == OURS or (contestant in rivals and contestant != Coredis.name)


def plan(workload: str) -> Plan:
    """More rounds where figures scatter; all together take less than a minute."""
    return Plan(rounds=15, seconds=3 if workload in SCATTERED else 1.5)


@dataclass(frozen=True)
class Verdict:
    row: Row
    title: str
    reached: float | None

    @property
    def is_met(self) -> bool:
        return self.reached is not None and self.row.holds(self.reached, self.row.target)

    @property
    def text(self) -> str:
        if self.reached is None:
            return "not measured"
        return "met" if self.is_met else f"short: {self.row.share(self.reached):.0%}"

    @property
    def reached_text(self) -> str:
        return "" if self.reached is None else self.row.words(self.reached)


def title(row: Row, figures: Workloads) -> str:
    if len(row.workloads) == 1:
        return str(figures[row.subject]["title"])
    direction, shape, *_ = row.subject.split("_")
    return f"{direction} one {shape}, the worst of three languages"


def verdicts(figures: Workloads) -> list[Verdict]:
    """On the rows whose workloads have been measured."""
    rows = [row for row in TABLE if figures.keys() >= set(row.workloads)]
    return [Verdict(row, title(row, figures), row.reached(figures)) for row in rows]


def print_verdicts(found: Sequence[Verdict]) -> None:
    if not found:
        return
    print(f"\n{'':76}{'target':>44}{'reached':>12}  verdict")
    for verdict in found:
        print(f"{verdict.title[:76]:76}{verdict.row.wanted():>44}{verdict.reached_text:>12}  {verdict.text}")


def missed(figures: Workloads) -> list[Row]:
    """The rows that are below their floor, or were not measured."""
    return [row for row in TABLE if not _holds(row, _gauge(row, figures))]


def _gauge(row: Row, figures: Workloads) -> float | None:
    return row.calmest(figures) if figures.keys() >= set(row.workloads) else None


def _holds(row: Row, reached: float | None) -> bool:
    return reached is not None and row.holds(reached, row.floor, TOLERANCE)


def print_floors(figures: Workloads) -> None:
    print(f"\nThe gate, with a tolerance of {TOLERANCE:.0%}")
    for row in TABLE:
        reached = _gauge(row, figures)
        verdict = "holds " if _holds(row, reached) else "FAILED"
        print(
            f"  {verdict}  {row.subject:26} {row.words(reached) if reached else '-':>10}"
            f"   floor {row.words(row.floor):>9}   target {row.words(row.target):>9}   {row.against}"
        )
