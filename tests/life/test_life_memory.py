"""Memory stays flat, whatever was called how often; and the event loop stays free while much is written or read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from figures import Figure
from fresh import run
from servers import Server
from storages import storage

MEASURE = """
    import asyncio, gc, json, os, sys
    from storages import storage

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    record = {"content": "x" * 300, "tokens": 75, "list": [1.5, None, True], "name": "é"}
    batch = {f"id-{n}": {**record, "n": n} for n in range(100)}
    ids = list(batch)

    async def gets(kv, count):
        for _ in range(count // 1000):
            await asyncio.gather(*[kv.get_by_id(ids[n % 100]) for n in range(500)])
            await kv.get_by_ids(ids * 5)

    async def upserts(kv, count):
        for _ in range(count // 100):
            await kv.upsert(batch)

    async def others(kv, count):
        for n in range(count // 10):
            await kv.upsert({f"other-{n}": [n, "text"] * 20})
            await kv.filter_keys(ids[:5])
            await kv.get_by_ids(ids[:3], {"n"})
            await kv.delete_by_id(f"other-{n}")
            await kv.get_by_id("absent")
            await kv.get_stats()
            if n % 100 == 0:
                await kv.all_keys()
                await kv.index_done_callback()

    async def failures(kv, count):
        raw = kv._redis_client
        await raw.set("nano_graphrag:text_chunks:corrupt", b"{no json")
        await kv._store.execute(("LPUSH", "nano_graphrag:text_chunks:list", "x"))
        calls = [lambda: kv.get_by_id("corrupt"), lambda: kv.get_by_ids(["id-1", "corrupt"]),
                 lambda: kv.get_by_id("list"), lambda: kv.upsert({"a": 1, 2: 3}), lambda: kv.get_by_id(5),
                 lambda: kv.upsert({"a": {(1, 2): 3}}), lambda: kv._store.execute(("NO-SUCH",))]
        for n in range(count):
            try:
                await calls[n % len(calls)]()
            except (ValueError, TypeError, Exception) as error:
                assert type(error).__name__ != "SystemError", error
            else:
                raise AssertionError(n % len(calls))

    async def cancels(kv, count):
        for _ in range(count // 100):
            tasks = [asyncio.ensure_future(kv.get_by_ids(ids)) for _ in range(100)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await kv.ping()

    async def reconnects(kv, count):
        for _ in range(count):
            await kv.aclose()
            await kv.get_by_id("id-1")

    async def main():
        kv = storage(sys.argv[1], redis_max_connections=4)
        await kv.upsert(batch)
        work = [(globals()[name], int(count)) for name, count in json.loads(sys.argv[2]).items()]
        for kind, count in work:
            await kind(kv, max(1000, count // 10))  # warms up
        for kind, count in work:
            await kind(kv, max(1000, count // 10))
        gc.collect()
        before, blocks = resident(), sys.getallocatedblocks()
        for kind, count in work:
            await kind(kv, count)
        gc.collect()
        print(json.dumps([resident() - before, sys.getallocatedblocks() - blocks]))
        await kv.aclose()

    asyncio.run(main())
"""
MIB = 1024 * 1024


def growth(server: Server, within: float = 60.0, **work: int) -> tuple[int, int]:
    """Bytes of memory and Python's blocks that so many operations of each kind cost after a warm-up."""
    ended = run(MEASURE, server.url, json.dumps(work), within=within)
    ended.assert_silent()
    grown, blocks = json.loads(ended.out)
    return grown, blocks


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.mark.not_sanitized(reason="it measures memory, and AddressSanitizer keeps what was freed")
def test_a_million_gets_and_a_hundred_thousand_upserts_leave_memory_flat(server: Server, figure: Figure) -> None:
    grown, blocks = growth(server, within=120.0, gets=1_000_000, upserts=100_000)
    figure("memory grown", grown / 1024, "KiB")
    figure("Python objects more", blocks)
    assert grown < 1 * MIB
    assert abs(blocks) < 500


@pytest.mark.not_sanitized(reason="it measures memory, and AddressSanitizer keeps what was freed")
@pytest.mark.parametrize("kind", ["others", "failures", "cancels", "reconnects"])
def test_operations_of_every_kind_leave_memory_flat(server: Server, figure: Figure, kind: str) -> None:
    grown, blocks = growth(server, **{kind: {"reconnects": 2000, "cancels": 20_000}.get(kind, 15_000)})
    figure("most memory grown", grown / 1024, "KiB")
    assert grown < 1 * MIB
    assert abs(blocks) < 500


def test_a_hundred_thousand_callers_of_a_stalled_server_are_all_served_in_bounded_memory(
    server: Server, figure: Figure
) -> None:
    code = """
    import asyncio, json, resource, signal, os, sys, time
    from storages import storage

    async def main():
        pid = int(sys.argv[2])
        kv = storage(sys.argv[1], redis_max_connections=8, redis_socket_timeout=60, redis_connection_timeout=60)
        await kv.upsert({f"id-{n}": n for n in range(1000)})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.kill(pid, signal.SIGSTOP)
        tasks = [asyncio.ensure_future(kv.get_by_id(f"id-{n % 1000}")) for n in range(100_000)]
        await asyncio.sleep(1)
        os.kill(pid, signal.SIGCONT)
        awake = time.monotonic()
        order = []
        for n in range(0, 100_000, 10_000):
            tasks[n].add_done_callback(lambda _, n=n: order.append(n))
        assert await asyncio.gather(*tasks) == [n % 1000 for n in range(100_000)]
        took = time.monotonic() - awake
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        print(json.dumps([grown, took]))
        assert grown < 600, f"{grown} MiB for 100,000 callers"
        assert order == sorted(order), "first come, first served"
        requests = (await kv.get_stats())["requests"]
        assert requests == {"in_flight": 0, "waiting": 0, "delayed": 0}, requests
        await kv.aclose()

    asyncio.run(main())
    """
    try:
        ended = run(code, server.url, str(server.pid), within=90.0)
        ended.assert_silent()
        grown, took = json.loads(ended.out)
        figure("memory for all callers", grown, "MiB")
        figure("until all are served, once the server is awake", took, "s")
    finally:
        server.thaw()


FAULTS = """
    import asyncio, json, resource, sys
    from storages import storage

    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    async def main():
        kv = storage(sys.argv[1])
        ids = [f"id-{n}" for n in range(1000)]
        counts = []
        for _ in range(5):
            before = faults()
            assert len(await kv.get_by_ids(ids)) == 1000
            counts.append(faults() - before)
        print(json.dumps(counts))
        await kv.aclose()

    asyncio.run(main())
"""
PAGES = 1000 * 5000 // 4096  # of the values


async def faults_of_reading(server: Server, **environ: str) -> int:
    """Page faults while 5 MB of values are read that were read and released before. Another process writes them: what
    this one has released once, it has."""
    async with storage(server.url) as kv:
        await kv.upsert({f"id-{n}": {"content": f"{n} " + "text " * 1000} for n in range(1000)})
    ended = run(FAULTS, server.url, **environ)
    ended.assert_silent()
    return int(json.loads(ended.out)[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do it their way")
@pytest.mark.not_sanitized(reason="AddressSanitizer has its own allocator, which reuses memory late")
async def test_a_batch_is_read_into_the_memory_of_the_one_before(server: Server, figure: Figure) -> None:
    faults = await faults_of_reading(server)
    figure("page faults", faults)
    assert faults < PAGES / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variable is one of glibc's")
@pytest.mark.not_sanitized(reason="AddressSanitizer has its own allocator")
async def test_a_user_who_wants_memory_to_be_returned_has_the_last_word(server: Server) -> None:
    assert await faults_of_reading(server, MALLOC_TRIM_THRESHOLD_="131072") > PAGES / 2


# --- the event loop ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def longest_pause() -> AsyncIterator[list[float]]:
    """The longest time for which the event loop did nothing else, in the one element of the list.

    It is processor time: what other processes take does not count, and neither does a garbage collection of what
    the test itself has made.
    """
    pauses = [0.0]
    gc.freeze()

    async def watch() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            pauses[0] = max(pauses[0], now - last)
            last = now

    task = asyncio.ensure_future(watch())
    await asyncio.sleep(0.01)
    pauses[0] = 0.0
    yield pauses
    task.cancel()
    gc.unfreeze()


def plain_text(mebibytes: int) -> Any:
    return "x" * (mebibytes * MIB)


LONGEST_PAUSE = 0.1  # seconds


def nested(mebibytes: int) -> Any:
    """Objects as they appear in real records: the encoder has work to do."""
    return [{"id": n, "weight": n / 7, "text": "some text ü" * 3} for n in range(mebibytes * 13_500)]


BATCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "40,000 records": lambda: {f"id-{n}": {"n": n, "text": "x" * 1500} for n in range(40_000)},
    "60 texts of 1 MiB": lambda: {f"id-{n}": plain_text(1) for n in range(60)},
    "15 texts of 4 MiB": lambda: {f"id-{n}": plain_text(4) for n in range(15)},
    "60 nested values of 1 MiB": lambda: {f"id-{n}": nested(1) for n in range(60)},
    "30 nested values of 2 MiB": lambda: {f"id-{n}": nested(2) for n in range(30)},
}


async def calmest_pause(work: Callable[[], Awaitable[Any]]) -> float:
    """The longest pause of the event loop in the calmest of up to three runs: a busy machine disturbs one,
    code that blocks the loop disturbs all."""
    calmest = float("inf")
    for _ in range(3):
        async with longest_pause() as pauses:
            await work()
        calmest = min(calmest, pauses[0])
        if calmest < LONGEST_PAUSE:
            break
    return calmest


@pytest.mark.not_sanitized(reason="it measures how long the loop is held, and everything takes three times as long")
@pytest.mark.parametrize("shape", BATCHES)
async def test_a_get_is_answered_while_an_upsert_of_60_mb_is_under_way(
    server: Server, figure: Figure, shape: str
) -> None:
    batch = BATCHES[shape]()
    async with storage(server.url, redis_socket_timeout=30) as kv:
        await kv.upsert({"a": 1})
        await asyncio.gather(*[kv.get_by_id("a") for _ in range(20)])

        async def write() -> None:
            writing = asyncio.ensure_future(kv.upsert(batch))
            answered = 0
            while not writing.done():
                assert await kv.get_by_id("a") == 1
                answered += 1
            await writing
            assert answered > 5

        pause = await calmest_pause(write)
        figure("longest pause of the loop", pause, "s")
        assert pause < LONGEST_PAUSE, f"the loop was blocked for {pause:.3f} s"
        assert len(await kv.all_keys()) == len(batch) + 1


async def test_the_loop_is_free_while_60_mb_are_read(server: Server, figure: Figure) -> None:
    async with storage(server.url, redis_socket_timeout=30) as kv:
        batch = {f"id-{n}": {"n": n, "text": "x" * 1500} for n in range(40_000)}
        await kv.upsert(batch)
        ids = list(batch)
        pause = await calmest_pause(lambda: kv.get_by_ids(ids))
        figure("longest pause of the loop", pause, "s")
        assert pause < LONGEST_PAUSE, f"the loop was blocked for {pause:.3f} s"
        assert await kv.get_by_ids(ids) == list(batch.values())


async def test_one_value_holds_the_loop_for_as_long_as_it_is_encoded_or_decoded(server: Server, figure: Figure) -> None:
    """A batch is cut into slices of time, one value is not: its size is what bounds the pause."""
    mebibytes = 8
    value = nested(mebibytes)
    async with storage(server.url, redis_socket_timeout=30) as kv:
        written = await calmest_pause(lambda: kv.upsert({"large": value}))
        read = await calmest_pause(lambda: kv.get_by_id("large"))
        assert await kv.get_by_id("large") == value
    figure("pause for each MiB of one value that is written", 1000 * written / mebibytes, "ms")
    figure("pause for each MiB of one value that is read", 1000 * read / mebibytes, "ms")
    assert max(written, read) < LONGEST_PAUSE * mebibytes
