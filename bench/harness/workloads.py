"""What is measured. A workload prepares its arguments, runs, and says whether the answer was right; only the
running is timed. Every workload is checked once with every contestant before anything of it is timed: a fast
wrong answer is no answer."""

from __future__ import annotations

import asyncio
import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any, ClassVar

from contestants.base import only_fields

from . import records
from .arena import Arena
from .columns import CPU, WALL, Column, Figures
from .endpoint import key
from .limits import EXISTS, RECEIVER, SENDER, BareFutures, Exchange, Limit, RedisBenchmark, array_size
from .records import Record, encoded

TASKS = 64
A_TURN = 0.1  # seconds, for what may be repeated because it only reads


class WrongAnswer(Exception):
    """A contestant answered something else than what is stored."""


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise WrongAnswer(f"{what}: got {str(got)[:300]}, wanted {str(wanted)[:300]}")


class Workload(ABC):
    name: str
    title: str
    unit: ClassVar[str] = "call"  # of what `operations` counts
    operations: int
    columns: ClassVar[tuple[Column, ...]] = (WALL, CPU)
    at_least: ClassVar[float] = 0.0  # seconds that a turn lasts; a run that takes less is repeated

    def count(self, arena: Arena) -> int:
        return max(1, int(self.operations * arena.contestant.share))

    async def prepare(self, arena: Arena) -> Any:
        """The arguments of one run; none unless a workload says so."""
        return None

    @abstractmethod
    async def run(self, arena: Arena, argument: Any) -> Any: ...

    @abstractmethod
    def check(self, arena: Arena, argument: Any, result: Any) -> None:
        """Raises WrongAnswer."""

    async def measure(self, arena: Arena) -> Figures:
        """Seconds per operation, of the wall clock and of this process's CPU, all its threads together. The mean
        of a turn's runs: one interruption by the machine should not decide over a client that needs 20 ms."""
        argument = await self.prepare(arena)
        gc.collect()
        count, wall, cpu = 0, 0.0, 0.0
        while not count or wall < self.at_least:
            before = time.perf_counter(), time.process_time()
            await self.run(arena, argument)
            wall, cpu = wall + time.perf_counter() - before[0], cpu + time.process_time() - before[1]
            count += self.count(arena)
        return {"wall": wall / count, "cpu": cpu / count}

    def limits(self, arena: Arena) -> list[Limit]:
        """What no client can beat; none where there is nothing of the kind."""
        return []


def first(rows: Mapping[str, Record], count: int) -> list[str]:
    """`count` ids, from the beginning again when there are not so many."""
    return list(islice(cycle(rows), count))


# --- single reads -----------------------------------------------------------------------------------------


class _SingleReads(Workload):
    at_least = A_TURN

    async def prepare(self, arena: Arena) -> list[str]:
        return first(arena.stock.answers, self.count(arena))

    def check(self, arena: Arena, argument: list[str], result: list[Any]) -> None:
        expect(self.name, result, [arena.stock.answers[id] for id in argument])

    def _key(self, arena: Arena) -> str:
        return key("llm_response_cache", next(iter(arena.stock.answers)))


class Sequential(_SingleReads):
    name = "get_sequential"
    title = "get_by_id, one after another, answers of 1.5 KB"
    operations = 1000

    async def run(self, arena: Arena, argument: list[str]) -> list[Any]:
        get = arena.answers.get_by_id
        return [await get(id) for id in argument]

    def limits(self, arena: Arena) -> list[Limit]:
        return [RedisBenchmark("-c", "1", "-P", "1", "-n", "5000", "GET", self._key(arena))]


class ManyTasks(_SingleReads):
    def __init__(self, name: str, tasks: int, operations: int) -> None:
        self.name = name
        self.title = f"get_by_id, {tasks:,} tasks, answers of 1.5 KB"
        self.tasks, self.operations = tasks, operations

    async def run(self, arena: Arena, argument: list[str]) -> list[Any]:
        get = arena.answers.get_by_id
        result: list[Any] = [None] * len(argument)

        async def work(task: int) -> None:
            for i in range(task, len(argument), self.tasks):
                result[i] = await get(argument[i])

        await asyncio.gather(*(work(task) for task in range(self.tasks)))
        return result

    def limits(self, arena: Arena) -> list[Limit]:
        pipelined = ["-c", "1", "-P", str(self.tasks), "-n", "40000"]
        return [RedisBenchmark(*pipelined, "GET", self._key(arena))]


class Gather(_SingleReads):
    name = "get_gather"
    title = "gather of 1,000 get_by_id, answers of 1.5 KB"
    operations = 2000

    async def run(self, arena: Arena, argument: list[str]) -> list[Any]:
        get = arena.answers.get_by_id
        result: list[Any] = []
        for start in range(0, len(argument), 1000):
            result += await asyncio.gather(*(get(id) for id in argument[start : start + 1000]))
        return result

    def limits(self, arena: Arena) -> list[Limit]:
        many = RedisBenchmark("-c", "1", "-P", "1000", "-n", "40000", "GET", self._key(arena))
        return [BareFutures(calls=1000, times=4), many]


# --- writes -----------------------------------------------------------------------------------------------


def check_stored(arena: Arena, namespace: str, rows: Mapping[str, Record]) -> None:
    stored = arena.contestant.stored(arena.server, namespace, list(rows))
    expect(namespace, stored, list(rows.values()))


class Upsert(Workload):
    name = "upsert_64_tasks"
    title = f"upsert of one answer of 1.5 KB with a TTL, {TASKS} tasks"
    operations = 30 * TASKS

    async def prepare(self, arena: Arena) -> list[tuple[str, Record]]:
        return list(records.fresh(lambda: records.answers(self.count(arena), "written")).items())

    async def run(self, arena: Arena, argument: list[tuple[str, Record]]) -> None:
        upsert = arena.answers.upsert

        async def work(task: int) -> None:
            for id, row in argument[task::TASKS]:
                await upsert({id: row})

        await asyncio.gather(*(work(task) for task in range(TASKS)))

    def check(self, arena: Arena, argument: list[tuple[str, Record]], result: None) -> None:
        check_stored(arena, "llm_response_cache", dict(argument))
        expect("a TTL", arena.server.admin.ttl(key("llm_response_cache", argument[0][0])) > 43100, True)

    def limits(self, arena: Arena) -> list[Limit]:
        command = ["SETEX", "nano_graphrag:limit", "43200", "x" * len(encoded(records.answer(0)))]
        return [RedisBenchmark("-c", "1", "-P", str(TASKS), "-n", "20000", *command)]


class LLMCall(Workload):
    name = "llm_call"
    title = "an uncached LLM call: get_by_id (a miss), upsert, index_done_callback"
    operations = 250

    async def prepare(self, arena: Arena) -> dict[str, Record]:
        rows = records.fresh(lambda: records.answers(self.count(arena), "paid"))
        arena.contestant.forget(arena.server, "llm_response_cache", list(rows))
        arena.server.settle()
        return rows

    async def run(self, arena: Arena, argument: dict[str, Record]) -> list[Any]:
        kv = arena.answers
        seen = []
        for id, row in argument.items():
            seen.append(await kv.get_by_id(id))
            await kv.upsert({id: row})
            await kv.index_done_callback()
        return seen

    def check(self, arena: Arena, argument: dict[str, Record], result: list[Any]) -> None:
        expect(self.name, result, [None] * len(argument))
        check_stored(arena, "llm_response_cache", argument)

    async def measure(self, arena: Arena) -> Figures:
        figures = await super().measure(arena)
        arena.server.settle()
        return figures


class UpsertChunks(Workload):
    name = "upsert_1000"
    title = "upsert of 1,000 chunks of 5 KB in one call"
    operations = 1

    async def prepare(self, arena: Arena) -> dict[str, Record]:
        return records.fresh(lambda: records.chunks(1000, "written"))

    async def run(self, arena: Arena, argument: dict[str, Record]) -> None:
        await arena.chunks.upsert(argument)

    def check(self, arena: Arena, argument: dict[str, Record], result: None) -> None:
        check_stored(arena, "text_chunks", argument)

    def limits(self, arena: Arena) -> list[Limit]:
        words: list[str | bytes] = ["MSET"]
        for id, row in records.chunks(1000, "written").items():
            words += [key("text_chunks", id), encoded(row)]
        return [Exchange(SENDER, [words], size=len("+OK\r\n"), times=4)]


# --- batches of reads -------------------------------------------------------------------------------------


def receiver(namespace: str, rows: Mapping[str, Record], part: int = 256 * 1024) -> Exchange:
    """A client that asks for these rows as ours does, with an MGET for each `part` bytes of them, and decodes
    nothing."""
    sizes = [len(encoded(row)) for row in rows.values()]
    keys = [key(namespace, id) for id in rows]
    step = max(1, part * len(sizes) // sum(sizes))
    starts = range(0, len(keys), step)
    size = sum(array_size(sizes[start : start + step]) for start in starts)
    return Exchange(
        RECEIVER, (["MGET", *keys[start : start + step]] for start in starts), size=size, times=20
    )


class ReadChunks(Workload):
    name = "get_1000_chunks"
    title = "get_by_ids of 1,000 chunks of 5 KB"
    operations = 1
    at_least = A_TURN

    async def run(self, arena: Arena, argument: None) -> list[Any]:
        return await arena.chunks.get_by_ids(first(arena.stock.chunks, 1000))

    def check(self, arena: Arena, argument: None, result: list[Any]) -> None:
        expect(self.name, result, list(islice(arena.stock.chunks.values(), 1000)))

    def limits(self, arena: Arena) -> list[Limit]:
        return [receiver("text_chunks", dict(islice(arena.stock.chunks.items(), 1000)))]


class ReadReports(Workload):
    operations = 1
    at_least = A_TURN

    def __init__(self, name: str, title: str, fields: set[str] | None) -> None:
        self.name, self.title, self.fields = name, title, fields

    async def run(self, arena: Arena, argument: None) -> list[Any]:
        return await arena.reports.get_by_ids(list(arena.stock.reports), fields=self.fields)

    def check(self, arena: Arena, argument: None, result: list[Any]) -> None:
        expect(self.name, result, [only_fields(row, self.fields) for row in arena.stock.reports.values()])

    def limits(self, arena: Arena) -> list[Limit]:
        return [receiver("community_reports", arena.stock.reports)]


class FilterKeys(Workload):
    name = "filter_10000"
    title = "filter_keys of 10,000 ids, half of them there"
    operations = 1
    at_least = A_TURN

    def _ids(self, arena: Arena) -> list[str]:
        there = first(arena.stock.answers, 5000)
        return [id for i, known in enumerate(there) for id in (known, records.digest("absent", i))]

    async def prepare(self, arena: Arena) -> list[str]:
        return self._ids(arena)

    async def run(self, arena: Arena, argument: list[str]) -> set[str]:
        return await arena.answers.filter_keys(argument)

    def check(self, arena: Arena, argument: list[str], result: set[str]) -> None:
        expect(self.name, result, set(argument[1::2]))

    def limits(self, arena: Arena) -> list[Limit]:
        keys = [key("llm_response_cache", id) for id in self._ids(arena)]
        commands = (["EXISTS", name] for name in keys)
        return [Exchange(EXISTS, commands, lines=len(keys), times=4)]


class FilterNewKeys(FilterKeys):
    name = "filter_10000_new"
    title = "filter_keys of 10,000 ids, none of them there"

    def _ids(self, arena: Arena) -> list[str]:
        return [records.digest("absent", i) for i in range(10_000)]

    def check(self, arena: Arena, argument: list[str], result: set[str]) -> None:
        expect(self.name, result, set(argument))


# --- what others notice -----------------------------------------------------------------------------------


class SmallAmongLarge(Workload):
    name = "latency"
    title = "latency of a small get_by_id while another task fetches 16 MB of chunks"
    columns = (Column("p99", "ms", 1e3), Column("p50", "ms", 1e3))
    operations = 3  # fetches of 16 MB

    async def run(self, arena: Arena, argument: None) -> tuple[list[float], list[Any]]:
        ids = list(arena.stock.chunks)
        small = next(iter(arena.stock.answers))
        latencies: list[float] = []
        seen: list[Any] = []

        async def fetch() -> None:
            for _ in range(self.count(arena)):
                seen[:] = await arena.chunks.get_by_ids(ids)

        fetching = asyncio.ensure_future(fetch())
        while not fetching.done():
            start = time.perf_counter()
            row = await arena.answers.get_by_id(small)
            latencies.append(time.perf_counter() - start)
            expect(self.name, row, arena.stock.answers[small])
            await asyncio.sleep(0.001)
        await fetching
        return latencies, seen

    def check(self, arena: Arena, argument: None, result: tuple[list[float], list[Any]]) -> None:
        expect(self.name, result[1], list(arena.stock.chunks.values()))

    async def measure(self, arena: Arena) -> Figures:
        gc.collect()
        latencies, _ = await self.run(arena, None)
        latencies.sort()
        return {"p50": latencies[len(latencies) // 2], "p99": latencies[int(len(latencies) * 0.99)]}


class LongestBlock(Workload):
    name = "longest_block"
    title = "longest turn of the event loop while get_by_ids of 20,000 answers (31 MB) is under way"
    columns = (Column("cpu", "ms", 1e3), Column("wall", "ms", 1e3), Column("whole", "ms", 1e3))
    operations = 1

    async def run(self, arena: Arena, argument: None) -> tuple[Figures, list[Any]]:
        """CPU and wall time of the longest turn, of which a busy machine lengthens the second; the values."""
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        wall, cpu, last_wall, last_cpu = 0.0, 0.0, start, time.thread_time()
        is_over = False

        def turn() -> None:
            nonlocal wall, cpu, last_wall, last_cpu
            now_wall, now_cpu = time.perf_counter(), time.thread_time()
            wall, last_wall = max(wall, now_wall - last_wall), now_wall
            cpu, last_cpu = max(cpu, now_cpu - last_cpu), now_cpu
            if not is_over:
                loop.call_soon(turn)

        loop.call_soon(turn)
        try:
            values = await arena.answers.get_by_ids(list(arena.stock.answers))
        finally:
            is_over = True
        turn()
        return {"cpu": cpu, "wall": wall, "whole": last_wall - start}, values

    def check(self, arena: Arena, argument: None, result: tuple[Figures, list[Any]]) -> None:
        expect(self.name, result[1], list(arena.stock.answers.values()))

    async def measure(self, arena: Arena) -> Figures:
        gc.collect()
        figures, _ = await self.run(arena, None)
        return figures


ALL: tuple[Workload, ...] = (
    Sequential(),
    ManyTasks("get_64_tasks", TASKS, operations=50 * TASKS),
    Gather(),
    Upsert(),
    LLMCall(),
    UpsertChunks(),
    ReadChunks(),
    ReadReports("get_200_reports", "get_by_ids of 200 reports of 14 KB", None),
    ReadReports("get_200_titles", 'get_by_ids of 200 reports of 14 KB, fields={"title"}', {"title"}),
    FilterKeys(),
    FilterNewKeys(),
    SmallAmongLarge(),
    LongestBlock(),
)

SCALES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
SCALING: tuple[Workload, ...] = tuple(
    ManyTasks(f"scaling_{tasks}", tasks, operations=max(500, 2 * tasks)) for tasks in SCALES
)


def by_name(name: str) -> Workload:
    return next(workload for workload in (*ALL, *SCALING) if workload.name == name)
