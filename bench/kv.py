"""nano-graphrag's key-value storage on Redis: this project against other clients, in one run on one machine.

    python bench/kv.py                       all workloads, some minutes
    python bench/kv.py --only latency        one of them
    python bench/kv.py --gate                under a minute; exit status 1 when the storage is too slow

It starts a redis-server of its own and stops it. The contestants take turns, each in a process of its own and with
the only open connections; before a turn is timed, the answers of the same calls are compared with what is stored.
Figures are medians over the rounds, with half the distance between the quartiles; "times ours" is the median (and
the range) of the ratios within each round. CPU is that of the client's process with all its threads, per operation."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contestants
from contestants import Contestant, Native
from harness import figures, fresh, gate, growth, report, workloads
from harness.arena import Arena, Stock
from harness.report import Progress
from harness.rounds import Outcome, Plan, race
from harness.seat import Seat, runner
from harness.server import Server
from harness.workloads import Workload

OURS = Native.name
TRANSPORTS = {"tcp": "loopback TCP", "unix": "a Unix socket", "tls": "TLS on loopback TCP"}
USUAL = [*(workload.name for workload in workloads.ALL), *(subject.name for subject in fresh.ALL)]
UPON_REQUEST = ["codec", "scaling", "growth", "worker"]  # some measure more than one thing


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    names = [*USUAL, *UPON_REQUEST]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--gate", action="store_true", help="only the floors; exit status 1 when one is missed"
    )
    parser.add_argument("--only", action="append", choices=names, metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument(
        "--peer", action="append", metavar="TEXT", help="only contestants whose name contains this"
    )
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--transport", choices=TRANSPORTS, default="tcp", help="default tcp, on loopback")
    parser.add_argument("--uvloop", action="store_true", help="uvloop instead of asyncio's own event loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def chosen_contestants(options: argparse.Namespace) -> list[type[Contestant]]:
    wanted = options.peer or [""]
    kinds = contestants.ALL
    if options.gate:
        kinds = tuple(k for k in kinds if any(gate.needs(name, k.name) for name in gate.WORKLOADS))
    return [kind for kind in kinds if kind is Native or any(text in kind.name for text in wanted)]


def chosen_names(options: argparse.Namespace) -> frozenset[str]:
    return gate.WORKLOADS if options.gate else frozenset(options.only or USUAL)


def compare(
    chosen: list[Workload],
    kinds: list[type[Contestant]],
    server: Server,
    options: argparse.Namespace,
    progress: Progress,
) -> list[Outcome]:
    names = frozenset(workload.name for workload in chosen)
    progress(f"{len(names)} workloads: preparing")
    arena = Arena(Native(), server, Stock.of(names))
    arena.stock.load_into(server)
    gc.collect()
    gc.freeze()  # as in the other processes
    seats = {k: Seat(k.name, server, names, uvloop=options.uvloop) for k in kinds if any(map(k.takes_part_in, names))}
    run = runner(uvloop=options.uvloop)
    outcomes = []
    for workload in chosen:
        taking_part = [seat for kind, seat in seats.items() if kind.takes_part_in(workload.name)]
        plan = Plan(options.rounds)
        if options.gate:
            plan = gate.plan(workload.name)
            taking_part = [seat for seat in taking_part if gate.needs(workload.name, seat.name)]
        outcomes.append(race(workload, taking_part, arena, run, plan, progress))
        progress.clear()
        report.print_outcome(outcomes[-1], OURS)
    for seat in seats.values():
        seat.leave()
    return outcomes


class Run:
    """What was chosen, and what has come of it."""

    def __init__(self, options: argparse.Namespace, progress: Progress, names: frozenset[str]) -> None:
        self.options, self.progress, self.names = options, progress, names
        self.kinds = chosen_contestants(options)
        self.outcomes: list[Outcome] = []
        self.server_version = ""

    def go(self) -> None:
        with Server(self.options.transport) as server:
            self.server_version = server.version
            self._compare(server)
            self._fresh(server)
        if "growth" in self.names:
            job = growth.race(Native, self.options.transport, self.options.rounds, self.progress)
            self._add(runner(uvloop=self.options.uvloop)(job))
        if "codec" in self.names or any(name.startswith(("encode_", "decode_")) for name in self.names):
            import codec

            repeats = gate.CODEC_ROUNDS if self.options.gate else 3 * self.options.rounds
            self.outcomes += codec.race_all(repeats, self.progress)

    @property
    def figures(self) -> dict[str, Any]:
        return {outcome.workload.name: figures.as_json(outcome) for outcome in self.outcomes}

    def _compare(self, server: Server) -> None:
        chosen = [workload for workload in workloads.ALL if workload.name in self.names]
        if "scaling" in self.names:
            chosen += workloads.SCALING
        if chosen:
            self.outcomes += compare(chosen, self.kinds, server, self.options, self.progress)

    def _fresh(self, server: Server) -> None:
        kinds = [Native] if self.options.gate else self.kinds
        for subject in (*fresh.ALL, fresh.WORKER):
            if subject.name in self.names:
                rounds = gate.FRESH_ROUNDS if self.options.gate else self.options.rounds
                self._add([fresh.race(subject, kinds, server, rounds, self.progress)])

    def _add(self, outcomes: list[Outcome]) -> None:
        self.progress.clear()
        for outcome in outcomes:
            report.print_outcome(outcome, OURS)
        self.outcomes += outcomes


def once_more(options: argparse.Namespace, measured: dict[str, Any]) -> dict[str, Any]:
    """What was below its floor, measured again: a busy machine does that once, slow code each time."""
    names = frozenset(name for row in gate.missed(measured) for name in row.workloads)
    if not names:
        return {}
    print(f"\nBelow a floor, measured again: {', '.join(sorted(names))}")
    run = Run(options, Progress(), names)
    run.go()
    return run.figures


def main() -> int:
    options = parse()
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    where = report.environment(transport=TRANSPORTS[options.transport], uvloop=options.uvloop)
    start = time.monotonic()
    run = Run(options, Progress(), chosen_names(options))
    run.go()
    where["server"] = run.server_version
    report.print_environment(where)
    measured = run.figures
    if options.gate:
        measured |= once_more(options, measured)
    if options.json:
        figures.write(options.json, {"environment": where, "workloads": measured})
    if options.gate:
        gate.print_floors(measured)
        print(f"{time.monotonic() - start:.0f} seconds")
        return 1 if gate.missed(measured) else 0
    gate.print_verdicts(gate.verdicts(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
