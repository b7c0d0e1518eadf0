"""Figures that need a process of their own: how long a client takes to import, and the memory it occupies."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import ClassVar

from contestants import JsonFile, Native
from contestants.base import Contestant

from . import records
from .columns import KIB, Column, Figures
from .limits import FUTURES
from .rounds import Outcome, Progress, Series
from .server import Server

BENCH = Path(__file__).resolve().parents[1]

TIME_IMPORT = """import asyncio, time
wall, cpu = time.perf_counter(), time.process_time()
{imports}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


class FreshWorkload(ABC):
    """Measured once per round in a process that has done nothing else."""

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    limit: ClassVar[str | None] = None  # takes its turn as if it were a contestant
    only: ClassVar[frozenset[str] | None] = None  # the contestants; None: all

    def admits(self, kind: type[Contestant]) -> bool:
        return kind.takes_part_in(self.name) and (self.only is None or kind.name in self.only)

    def prepare(self, server: Server) -> None:  # noqa: B027 - some read nothing
        """Stores what it reads."""

    @abstractmethod
    def measure(self, name: str, imports: str, server: Server) -> Figures: ...


class ImportTime(FreshWorkload):
    name = "import"
    title = "importing the client, in a fresh process that has asyncio already"
    unit = "import"
    columns = (Column("import", "ms", 1e3), Column("cpu", "ms", 1e3))

    def measure(self, name: str, imports: str, server: Server) -> Figures:
        code = TIME_IMPORT.format(imports=imports)
        # From elsewhere: in a clone, `python -c` would import its sources instead of what is installed.
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=True)
        wall, cpu = done.stdout.split()
        return {"import": float(wall), "cpu": float(cpu)}


class _Memory(FreshWorkload):
    unit = "process"
    folder = ""

    def measure(self, name: str, imports: str, server: Server) -> Figures:
        at = server.endpoint
        arguments = [str(at.port), at.socket or "", at.authority or "", self.folder, str(server.pid)]
        command = [sys.executable, "-m", "harness.occupied", self.name, name, *arguments]
        try:
            done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=True)
        finally:
            server.thaw()
        figures: Figures = json.loads(done.stdout)
        return figures


class Memory(_Memory):
    name = "memory"
    title = "memory: one idle storage; its peak while 1,000 chunks of 5 KB are read; the client's code, imported"
    columns = (Column("idle", "KiB", KIB), Column("peak", "KiB", KIB), Column("code", "KiB", KIB))

    def prepare(self, server: Server) -> None:
        server.load("text_chunks", records.chunks(1000))


class PendingCalls(_Memory):
    name = "pending"
    title = "memory of 1,000 pending get_by_id with their asyncio tasks"
    columns = (Column("whole", "KiB", KIB),)
    limit = FUTURES

    def prepare(self, server: Server) -> None:
        server.load("llm_response_cache", records.answers(1))


class Worker(_Memory):
    """The file and the rows on the server are the same 100,000 chunks; making them takes half a minute."""

    name = "worker"
    title = "a worker that opens a storage of 100,000 chunks of 5 KB and reads 1,000 of them"
    columns = (Column("memory", "MiB", KIB / 1024), Column("peak", "MiB", KIB / 1024), Column("start", "s"))
    only = frozenset({Native.name, JsonFile.name})

    def prepare(self, server: Server) -> None:
        documents = [records.encoded(row) for row in records.chunks(1000).values()]
        rows = list(zip(records.chunk_ids(100_000), cycle(documents), strict=False))
        self._folder = tempfile.TemporaryDirectory(prefix="ngr-bench-")
        self.folder = self._folder.name
        with Path(self.folder, "kv_store_text_chunks.json").open("wb") as file:
            before = b"{"
            for id, document in rows:
                file.write(b'%b"%b":%b' % (before, id.encode(), document))
                before = b","
            file.write(b"}")
        server.load_encoded("text_chunks", rows)


ALL: tuple[FreshWorkload, ...] = (ImportTime(), Memory(), PendingCalls())
WORKER = Worker()


def race(
    workload: FreshWorkload, kinds: Sequence[type[Contestant]], server: Server, count: int, progress: Progress
) -> Outcome:
    """As rounds.race(), with one process per figure."""
    outcome = Outcome(workload)
    runners = {kind.name: kind.imports for kind in kinds if workload.admits(kind)}
    if workload.limit:
        runners[workload.limit] = "import asyncio"
    outcome.series = {name: Series() for name in runners}
    progress(f"{workload.name}: preparing")
    workload.prepare(server)
    for number in range(count):
        for name, imports in runners.items():
            progress(f"{workload.name}: round {number + 1} of {count}: {name}")
            series = outcome.series[name]
            if series.failure:
                continue
            try:
                series.figures.append(workload.measure(name, imports, server))
            except subprocess.CalledProcessError as error:
                series.failure = (error.stderr.strip().splitlines() or ["no message"])[-1]
                series.figures.clear()
    return outcome
