"""One storage on several event loops: one after another, at the same time, closed too early."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers import Server
from storages import NO_PATIENCE, storage

from nano_graphrag_redis.errors import ClosedError


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10.0)
        loop.close()


def call(loop: asyncio.AbstractEventLoop, coroutine: Any, within: float = 5.0) -> Any:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(within)


def own_connections(server: Server) -> int:
    """How many connections the server has, without the one that asks."""
    with contextlib.closing(server.client()) as client:
        return len(client.client_list()) - 1


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- one after another ---------------------------------------------------------------------------------


def test_two_runs_on_one_object_without_closing_it(server: Server) -> None:
    kv = storage(server.url)
    asyncio.run(kv.upsert({"a": 1}))
    assert asyncio.run(kv.get_by_id("a")) == 1
    asyncio.run(kv.aclose())


def test_many_runs_leave_no_connections_behind(server: Server) -> None:
    kv = storage(server.url)
    asyncio.run(kv.upsert({"a": 1}))
    before = open_files()
    for _ in range(30):
        assert asyncio.run(kv.get_by_id("a")) == 1
    assert open_files() <= before
    assert own_connections(server) <= 1


LETTING_GO: dict[str, Callable[[list[Any]], object]] = {
    "the next call": lambda kvs: asyncio.run(kvs[0].ping()) and asyncio.run(kvs[0].aclose()),
    "aclose() on any loop": lambda kvs: asyncio.run(kvs[0].aclose()),
    "the end of the storage": lambda kvs: (kvs.clear(), gc.collect()),
}


@pytest.mark.parametrize("by", LETTING_GO)
def test_a_closed_loop_keeps_its_connections_until_somebody_looks(server: Server, by: str) -> None:
    """asyncio tells nobody that a loop is closed; the documentation says what ends the connections."""
    kvs = [storage(server.url)]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(kvs[0].upsert({"a": 1}))
    loop.close()
    assert own_connections(server) == 1
    LETTING_GO[by](kvs)
    deadline = time.monotonic() + 5
    while own_connections(server):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.not_sanitized(reason="what was freed is kept, so that no id is used again")
def test_a_new_loop_with_the_id_of_a_dead_one_gets_connections_of_its_own(server: Server) -> None:
    kv = storage(server.url)
    ids = set()
    for n in range(50):
        loop = asyncio.new_event_loop()
        ids.add(id(loop))
        loop.run_until_complete(kv.upsert({"a": n}))
        assert loop.run_until_complete(kv.get_by_id("a")) == n
        loop.close()
        del loop
        gc.collect()
    assert len(ids) < 50, "no id was used again: the test shows nothing"


def test_a_loop_that_is_dropped_without_closing_takes_its_connections_along(server: Server) -> None:
    kv = storage(server.url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(kv.upsert({"a": 1}))
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert asyncio.run(kv.get_by_id("a")) == 1
    assert own_connections(server) <= 1


def test_a_loop_closed_while_calls_wait_lets_the_next_one_work(server: Server) -> None:
    kv = storage(server.url)
    asyncio.run(kv.upsert({"a": 1}))

    async def leave_waiting() -> None:
        calls = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(50)]
        calls.append(asyncio.ensure_future(kv.upsert({f"b-{n}": "x" * 1000 for n in range(20_000)})))
        await asyncio.sleep(0)

    for _ in range(3):
        asyncio.run(leave_waiting())
        assert asyncio.run(kv.get_by_id("a")) == 1


def test_a_loop_closed_without_cancelling_its_tasks_lets_the_next_one_work(server: Server) -> None:
    kv = storage(server.url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(kv.upsert({"a": 1}))
    with server.frozen():
        waiting: list[Any] = [
            kv.get_by_id("a"),
            kv.get_by_ids(["a", "b"]),
            kv.filter_keys(["a"]),
            kv.all_keys(),
        ]
        for coroutine in waiting:
            loop.call_soon(coroutine.send, None)
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
    assert asyncio.run(kv.get_by_id("a")) == 1
    for coroutine in waiting:
        coroutine.close()
    assert asyncio.run(kv.get_by_id("a")) == 1


def test_closing_the_storage_on_another_loop_than_it_was_used_on(server: Server) -> None:
    kv = storage(server.url)
    asyncio.run(kv.upsert({"a": 1}))
    asyncio.run(kv.aclose())
    assert own_connections(server) == 0
    asyncio.run(kv.aclose())


def test_stats_and_health_between_two_loops(server: Server) -> None:
    kv = storage(server.url)
    asyncio.run(kv.upsert({"a": 1}))
    assert asyncio.run(kv.get_stats())["values"]["writes"] == 1
    assert asyncio.run(kv.check_health()) is True


# --- at the same time ----------------------------------------------------------------------------------


def test_two_loops_in_two_threads_use_one_object_at_once(server: Server) -> None:
    kv = storage(server.url)

    async def work(name: str) -> list[Any]:
        answers = []
        for n in range(150):
            await kv.upsert({f"{name}-{n}": n})
            answers += await asyncio.gather(*[kv.get_by_id(f"{name}-{n}") for _ in range(3)])
        return answers

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda name: asyncio.run(work(name)), ["left", "right"]))
    expected = [n for n in range(150) for _ in range(3)]
    assert results == [expected, expected]


def test_awaiting_the_storage_connects_on_the_loop_that_awaits(server: Server) -> None:
    kv = storage(server.url)

    async def connect() -> None:
        await kv

    with running_loop() as first, running_loop() as second:
        call(first, connect())
        assert own_connections(server) == 1
        call(second, connect())
        assert own_connections(server) == 2, "the second loop has connections of its own"
        call(first, kv.aclose())
        call(second, kv.aclose())
    assert own_connections(server) == 0


def test_closing_on_one_loop_lets_a_call_on_another_end_by_itself(server: Server) -> None:
    kv = storage(server.url, redis_socket_timeout=5)
    with running_loop() as first, running_loop() as second:
        call(first, kv.upsert({"a": 1}))
        assert call(second, kv.get_by_id("a")) == 1
        with server.frozen():
            waiting = asyncio.run_coroutine_threadsafe(kv.get_by_id("a"), second)
            own = asyncio.run_coroutine_threadsafe(kv.get_by_id("a"), first)
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(0.1)
            call(first, kv.aclose())
            with pytest.raises(ClosedError):
                own.result(5)
            assert not waiting.done()
        assert waiting.result(5) == 1
        call(second, kv.aclose())


def test_many_threads_with_short_lives_share_one_object(server: Server) -> None:
    """Each thread makes and ends event loops, looks at the statistics, closes: whatever one does to the object
    happens in the middle of what another does."""
    kv = storage(server.url)
    asyncio.run(kv.upsert({f"id-{n}": n for n in range(100)}))

    async def work(chance: random.Random) -> None:
        for _ in range(chance.randrange(1, 4)):
            n = chance.randrange(100)
            try:
                assert await kv.get_by_id(f"id-{n}") == n
                assert await kv.get_by_ids([f"id-{n}", "absent"]) == [n, None]
            except ClosedError:
                pass  # by another thread
            await kv.get_stats()
            if chance.random() < 0.3:
                await kv.aclose()

    def live(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            asyncio.run(work(chance))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(live, seed) for seed in range(8)]:
                done.result(60)
    finally:
        sys.setswitchinterval(interval)
    asyncio.run(kv.aclose())
    gc.collect()  # a thread that closed the storage under another left that one's connections to its loop
    assert own_connections(server) == 0


def test_collecting_garbage_in_one_thread_leaves_the_calls_of_another_alone(server: Server) -> None:
    kv = storage(server.url)
    is_over = threading.Event()

    def collect() -> None:
        while not is_over.is_set():
            gc.collect()

    async def work() -> None:
        for n in range(150):
            await kv.upsert({f"id-{n}": {"n": n}})
            cyclic: list[Any] = [asyncio.ensure_future(kv.get_by_id(f"id-{n}"))]
            cyclic.append(cyclic)
            cyclic[0].cancel()
            del cyclic
            assert await kv.get_by_ids([f"id-{n}"] * 20) == [{"n": n}] * 20

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        asyncio.run(work())
    finally:
        is_over.set()
        thread.join()


async def test_a_call_outside_of_any_loop_says_so() -> None:
    coroutine = storage("redis://127.0.0.1:1", **NO_PATIENCE).get_by_id("a")
    caught: list[BaseException] = []

    def drive() -> None:
        try:
            coroutine.send(None)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert "no running event loop" in str(caught[0])
