"""Figures that need a process of their own: how long a client takes to import, what an idle storage occupies,
and what 1,000 calls occupy that wait for a server which does not answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from contestants.base import Contestant

from . import records
from .columns import KIB, Column, Figures
from .rounds import Outcome, Progress, Series
from .server import Server

BENCH = Path(__file__).resolve().parents[1]
IMPORT = Column("import", "ms", 1e3)
IDLE = Column("idle", "KiB", 1 / 1024)
CALLS = Column("pending", "KiB", 1 / 1024)

TIME_IMPORT = (
    "import asyncio, json, sys, time\n"
    "start = time.perf_counter()\n"
    "{imports}\n"
    "print(time.perf_counter() - start)\n"
)


class ImportTime:
    name: ClassVar[str] = "import"
    title: ClassVar[str] = "importing the client, in a fresh process that has asyncio and json already"
    unit: ClassVar[str] = "import"
    columns: ClassVar[tuple[Column, ...]] = (IMPORT,)

    def measure(self, kind: type[Contestant], server: Server) -> Figures:
        code = TIME_IMPORT.format(imports=kind.imports)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return {IMPORT.name: float(done.stdout)}


class Memory:
    name: ClassVar[str] = "memory"
    title: ClassVar[str] = (
        "resident memory: an idle storage with its client's code; 1,000 pending get_by_id with their tasks"
    )
    unit: ClassVar[str] = "process"
    columns: ClassVar[tuple[Column, ...]] = (IDLE, CALLS)

    def measure(self, kind: type[Contestant], server: Server) -> Figures:
        at = server.endpoint
        arguments = [kind.name, str(at.port), at.socket or "", str(server.pid)]
        command = [sys.executable, "-m", "harness.occupied", *arguments]
        try:
            done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=True)
        finally:
            server.thaw()
        figures: Figures = json.loads(done.stdout)
        return figures


FreshWorkload = ImportTime | Memory

ALL: tuple[FreshWorkload, ...] = (ImportTime(), Memory())


def race(
    workload: FreshWorkload, kinds: Sequence[type[Contestant]], server: Server, count: int, progress: Progress
) -> Outcome:
    """As rounds.race(), with one process per figure."""
    outcome = Outcome(workload)
    runners = [(kind, Series()) for kind in kinds if kind.takes_part_in(workload.name)]
    server.load("llm_response_cache", records.answers(1))
    for kind, series in runners:
        outcome.series[kind.name] = series
    for number in range(count):
        for kind, series in runners:
            progress(f"{workload.name}: round {number + 1} of {count}: {kind.name}")
            if series.failure:
                continue
            try:
                series.figures.append(workload.measure(kind, server))
            except subprocess.CalledProcessError as error:
                series.failure = (error.stderr.strip().splitlines() or ["no message"])[-1]
                series.figures.clear()
    return outcome
