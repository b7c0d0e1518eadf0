"""The floor: ratios below which a change has made the storage too slow. Ratios hold on any machine, rates do
not; the tolerance is for what a busy machine does to them."""

from __future__ import annotations

from dataclasses import dataclass

from .rounds import Outcome, Plan, median

TOLERANCE = 0.25


@dataclass(frozen=True)
class Floor:
    workload: str
    peers: tuple[str, ...]  # the fastest of these counts
    times: float

    def reached(self, outcome: Outcome, ours: str) -> float:
        """How many times longer the best peer takes, the median over the rounds."""
        return min(median(outcome.ratio(peer, ours)) for peer in self.peers)


REDIS = ("redis.asyncio, as replaced", "redis.asyncio, MGET + orjson")

FLOORS = (
    Floor("get_64_tasks", REDIS, 5.0),
    Floor("get_64_tasks", ("valkey-glide + orjson",), 2.0),
    Floor("get_1000_chunks", REDIS[1:], 1.5),
)

PLAN = Plan(rounds=15, seconds=20)  # per workload: the gate shall take less than a minute
WORKLOADS = frozenset(floor.workload for floor in FLOORS)
PEERS = frozenset(peer for floor in FLOORS for peer in floor.peers)


def judge(outcomes: list[Outcome], ours: str) -> bool:
    """Prints the verdict on each floor; True when all hold."""
    by_name = {outcome.workload.name: outcome for outcome in outcomes}
    all_hold = True
    print(f"\nThe gate, with a tolerance of {TOLERANCE:.0%}")
    for floor in FLOORS:
        outcome = by_name[floor.workload]
        failures = [outcome.series[name].failure for name in (ours, *floor.peers)]
        who = " / ".join(floor.peers)
        if any(failures):
            print(f"  FAILED  {floor.workload}: cannot compare with {who}: {' '.join(failures).strip()}")
            all_hold = False
            continue
        reached = floor.reached(outcome, ours)
        holds = reached >= floor.times * (1 - TOLERANCE)
        all_hold &= holds
        verdict = "holds " if holds else "FAILED"
        print(f"  {verdict}  {floor.workload}: {reached:.2f} times {who}, floor {floor.times:g}")
    return all_hold
