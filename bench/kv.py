"""nano-graphrag's key-value storage on Redis: this project against other clients, in one run on one machine.

    python bench/kv.py                       all workloads, some minutes
    python bench/kv.py --only latency        one of them
    python bench/kv.py --gate                under a minute; exit status 1 when the storage is too slow

It starts a redis-server of its own and stops it. Every answer is compared with what is stored before anything
is timed. Figures are medians over the rounds, with half the distance between the quartiles; "times ours" is
the median (and the range) of the ratios within each round. CPU is that of this process with all its threads,
per operation."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import contestants
from contestants import Contestant, Native
from harness import fresh, gate, records, report, rounds, workloads
from harness.arena import Arena, Stock
from harness.report import Progress
from harness.rounds import Outcome, Plan
from harness.server import Server
from harness.workloads import Workload

OURS = Native.name
TRANSPORTS = {"tcp": "loopback TCP", "unix": "a Unix socket", "tls": "TLS on loopback TCP"}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    names = [w.name for w in (*workloads.ALL, *fresh.ALL)]
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
    parser.add_argument(
        "--transport", choices=("tcp", "unix", "tls"), default="tcp", help="over loopback TCP (default), a Unix socket, TLS"
    )
    parser.add_argument("--uvloop", action="store_true", help="uvloop instead of asyncio's own event loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def chosen_contestants(options: argparse.Namespace) -> list[type[Contestant]]:
    kinds = [
        kind for kind in contestants.ALL if not options.gate or kind is Native or kind.name in gate.PEERS
    ]
    wanted = options.peer or [""]
    return [kind for kind in kinds if kind is Native or any(text in kind.name for text in wanted)]


def is_chosen(name: str, options: argparse.Namespace) -> bool:
    if options.gate:
        return name in gate.WORKLOADS
    return not options.only or name in options.only


def make_stock(names: set[str]) -> Stock:
    """Only as much as the chosen workloads read."""
    return Stock(
        answers=records.answers(20_000 if names & {"longest_block"} else 5_000),
        chunks=records.chunks(3_200 if "latency" in names else 1_000),
        reports=records.reports(200),
    )


async def compare(
    chosen: list[Workload], kinds: list[type[Contestant]], server: Server, plan: Plan, progress: Progress
) -> list[Outcome]:
    stock = make_stock({workload.name for workload in chosen})
    stock.load_into(server)
    gc.collect()
    gc.freeze()  # the records live as long as the run: no collection should look at them
    outcomes = []
    async with AsyncExitStack() as stack:
        arenas = [Arena(kind(), server, stock) for kind in kinds]
        for arena in arenas:
            await arena.open()
            stack.push_async_callback(arena.close)
        for workload in chosen:
            outcomes.append(await rounds.race(workload, arenas, plan, progress))
            progress.clear()
            report.print_outcome(outcomes[-1], OURS)
    return outcomes


def run(options: argparse.Namespace, progress: Progress) -> tuple[list[Outcome], str]:
    """Everything that was chosen; also the version of the server."""
    kinds = chosen_contestants(options)
    chosen = [workload for workload in workloads.ALL if is_chosen(workload.name, options)]
    outcomes = []
    with Server(options.transport) as server:
        if chosen:
            plan = gate.PLAN if options.gate else Plan(options.rounds)
            job = compare(chosen, kinds, server, plan, progress)
            outcomes = run_loop(job, options.uvloop)
        for subject in fresh.ALL:
            if is_chosen(subject.name, options):
                outcomes.append(fresh.race(subject, kinds, server, options.rounds, progress))
                progress.clear()
                report.print_outcome(outcomes[-1], OURS)
        return outcomes, server.version


def run_loop(job: Coroutine[Any, Any, list[Outcome]], with_uvloop: bool) -> list[Outcome]:
    if not with_uvloop:
        return asyncio.run(job)
    import uvloop

    return uvloop.run(job)


def main() -> int:
    options = parse()
    logging.disable(logging.WARNING)
    progress = Progress()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    outcomes, server_version = run(options, progress)
    where = report.environment(server_version, transport=TRANSPORTS[options.transport], uvloop=options.uvloop)
    report.print_environment(where)
    if options.json:
        figures = {outcome.workload.name: report.as_json(outcome, OURS) for outcome in outcomes}
        options.json.write_text(json.dumps({"environment": where, "workloads": figures}, indent=1))
    return 0 if not options.gate or gate.judge(outcomes, OURS) else 1


if __name__ == "__main__":
    sys.exit(main())
