"""Code of the user's that runs in the middle of the storage's work: str() of a value, a finalizer, a log handler, a
generator of ids. It may call back, close, cancel or change what is being stored."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from servers import Server
from storages import NO_PATIENCE, storage, until_idle

from nano_graphrag_redis.errors import ClosedError, EncodeError


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


class Acting:
    """A value of a type that JSON lacks; being turned into text, it does something."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __str__(self) -> str:
        self._action()
        return "acted"


def drive(coroutine: Any) -> None:
    """Runs a coroutine as far as it goes without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()


# --- str() of a value ----------------------------------------------------------------------------------


async def test_a_value_that_starts_calls_while_it_is_written(server: Server) -> None:
    async with storage(server.url) as kv:
        started: list[asyncio.Future[Any]] = []

        def call() -> None:
            started.append(asyncio.ensure_future(kv.upsert({"inner": len(started)})))
            started.append(asyncio.ensure_future(kv.get_by_ids(["a", "b"])))
            drive(kv.get_by_id("a"))

        await kv.upsert({f"id-{n}": [n, Acting(call)] for n in range(50)})
        await asyncio.gather(*started)
        assert await kv.get_by_id("id-49") == [49, "acted"]
        assert len(await kv.all_keys()) == 51


@pytest.mark.parametrize("entries", [1, 30_000], ids=["at once", "in slices"])
async def test_a_value_that_closes_the_storage_ends_its_own_batch(server: Server, entries: int) -> None:
    kv = await storage(server.url)
    batch: dict[str, Any] = {f"id-{n}": "x" * 500 for n in range(entries)}
    batch["last"] = Acting(lambda: drive(kv.aclose()))
    with pytest.raises(ClosedError):
        await kv.upsert({**batch, "after": 1})
    assert await kv.all_keys() == []
    await kv.aclose()


@pytest.mark.parametrize("entries", [1, 30_000], ids=["at once", "in slices"])
async def test_a_value_that_cancels_its_own_task(server: Server, entries: int) -> None:
    async with storage(server.url) as kv:
        batch: dict[str, Any] = {f"id-{n}": "x" * 500 for n in range(entries)}
        batch["last"] = Acting(lambda: task.cancel())
        task = asyncio.ensure_future(kv.upsert(batch))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await kv.ping()


async def test_a_value_that_raises_leaves_nothing_behind(server: Server) -> None:
    async with storage(server.url) as kv:
        for _ in range(3):
            with pytest.raises((EncodeError, ZeroDivisionError)):
                await kv.upsert({**{f"id-{n}": "x" * 500 for n in range(30_000)}, "b": Acting(lambda: 1 / 0)})
        assert await kv.all_keys() == []
        await until_idle(kv)


async def test_a_value_that_changes_the_callers_batch_changes_nothing_that_is_stored(server: Server) -> None:
    async with storage(server.url) as kv:
        batch: dict[str, Any] = {}
        batch.update({f"id-{n}": [n, Acting(batch.clear)] for n in range(100)})
        await kv.upsert(batch)
        assert len(await kv.all_keys()) == 100
        assert batch == {}


@pytest.mark.parametrize("shape", ["dict", "list"])
async def test_a_value_that_changes_its_own_container_is_refused_or_stored_whole(
    server: Server, shape: str
) -> None:
    async with storage(server.url) as kv:
        container: Any = {} if shape == "dict" else []
        changes: dict[str, Callable[[], object]] = {
            "clear": lambda: container.clear(),
            "grow": lambda: (
                container.update({f"k-{n}": n for n in range(100)})
                if shape == "dict"
                else container.extend(range(100))
            ),
        }
        for change in changes.values():
            items = [(str(n), Acting(change) if n == 3 else n) for n in range(10)]
            container.clear()
            container.update(items) if shape == "dict" else container.extend(value for _, value in items)
            with pytest.raises(EncodeError, match="changed size while it was written"):
                await kv.upsert({"good": 1, "bad": container})
        assert await kv.all_keys() == []


async def test_a_batch_may_be_changed_by_other_tasks_while_it_is_written(server: Server) -> None:
    async with storage(server.url) as kv:
        batch = {f"id-{n}": {"text": "x" * 300} for n in range(40_000)}
        task = asyncio.ensure_future(kv.upsert(batch))
        await asyncio.sleep(0.002)
        assert not task.done()
        batch.clear()
        gc.collect()
        await task
        assert len(await kv.all_keys()) == 40_000


# --- finalizers, the garbage collector -----------------------------------------------------------------


class Finalized:
    """Calls `action` when it is collected, being part of a cycle."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._cycle = self
        self._action = action

    def __del__(self) -> None:
        self._action()


async def test_finalizers_that_call_close_and_cancel_while_answers_are_decoded(server: Server) -> None:
    """With the collector running at nearly every allocation, finalizers run in the middle of decoding."""
    kv, other = await storage(server.url), await storage(server.url, "full_docs")
    records = {f"id-{n}": {"list": [[n], {"n": n}] * 20} for n in range(200)}
    await kv.upsert(records)
    tasks: list[asyncio.Future[Any]] = []
    ended = 0

    def act() -> None:
        nonlocal ended
        ended += 1
        drive(kv.get_by_id("id-1"))
        tasks.append(asyncio.ensure_future(kv.get_by_id("id-2")))
        tasks[ended % len(tasks)].cancel()
        if ended % 7 == 0:
            drive(other.aclose())
        if ended % 41 == 0:
            drive(kv.aclose())

    thresholds = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    try:
        for _ in range(15):
            for _ in range(20):
                Finalized(act)
            try:
                answers = await kv.get_by_ids(list(records))
                assert answers == list(records.values())
                assert await kv.filter_keys(list(records)) == set()
            except ClosedError:
                pass
    finally:
        gc.set_threshold(*thresholds)
    assert ended > 100
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await kv.get_by_id("id-1") == records["id-1"]
    await kv.aclose()
    await other.aclose()


async def test_a_collection_after_every_step_frees_nothing_that_is_needed(server: Server) -> None:
    async with storage(server.url) as kv:
        is_over = False

        async def collect() -> None:
            while not is_over:
                gc.collect()
                await asyncio.sleep(0)

        gc.freeze()  # what was there before need not be looked at each time
        collecting = asyncio.ensure_future(collect())
        for n in range(20):
            await kv.upsert({f"id-{m}": {"m": m, "n": n} for m in range(50)})
            assert await kv.get_by_ids([f"id-{m}" for m in range(50)]) == [
                {"m": m, "n": n} for m in range(50)
            ]
            assert await kv.delete_by_id("id-0")
            assert len(await kv.all_keys()) == 49
        is_over = True
        await collecting
        gc.unfreeze()


async def test_calls_that_nobody_awaits_are_given_up(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        with server.frozen():
            for _ in range(100):
                calls: list[Any] = [kv._store.get("a"), kv._store.get_many(["a"], None), kv._store.keys()]
                calls += [kv._store.put({"b": 1}), kv._store.put({f"b-{n}": "x" * 900 for n in range(3000)})]
                cycle: list[Any] = [calls]
                cycle.append(cycle)
            del calls, cycle
            gc.collect()
            assert (await kv.get_stats())["calls"]["pending"] == 0
        assert await kv.get_by_id("a") == 1
        await until_idle(kv)


@pytest.mark.parametrize("entries", [1, 20_000], ids=["sent", "in slices"])
async def test_a_task_that_nobody_holds_lives_until_its_call_is_answered(
    server: Server, entries: int
) -> None:
    """As with asyncio's own streams: what waits for the server is held by the connection it waits for."""
    async with storage(server.url) as kv:
        tasks = set(asyncio.all_tasks())
        asyncio.ensure_future(kv.upsert({f"id-{n}": "x" * 1500 for n in range(entries)}))  # noqa: RUF006
        server.freeze()
        await asyncio.sleep(0.005)
        gc.collect()
        assert len(asyncio.all_tasks() - tasks) == 1
        server.thaw()
        while asyncio.all_tasks() - tasks:
            gc.collect(1)
            await asyncio.sleep(0.01)
        assert len(await kv.all_keys()) == entries


async def test_an_awaitable_in_a_cycle_with_its_own_result_is_collected(server: Server) -> None:
    async with storage(server.url) as kv:
        operation: Any = kv._store.get("a")
        kind = type(operation)
        gc.collect()

        def alive() -> int:
            return sum(type(thing) is kind for thing in gc.get_objects())

        before = alive()

        class Holder:
            pass

        holder: Any = Holder()
        holder.operation, holder.self = operation, holder
        del operation, holder
        gc.collect()
        assert alive() < before


# --- log handlers, generators, context -----------------------------------------------------------------


class ActingHandler(logging.Handler):
    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action = action
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self._action()


@pytest.fixture
def handled() -> Iterator[Callable[[Callable[[], object]], ActingHandler]]:
    """Adds a handler to the logger of the storage for the time of a test."""
    logger, added = logging.getLogger("nano_graphrag_redis"), []
    level = logger.level
    logger.setLevel(logging.DEBUG)

    def add(action: Callable[[], object]) -> ActingHandler:
        added.append(ActingHandler(action))
        logger.addHandler(added[-1])
        return added[-1]

    yield add
    logger.setLevel(level)
    for handler in added:
        logger.removeHandler(handler)


ACTIONS: dict[str, Callable[[Any], object]] = {
    "closes": lambda kv: drive(kv.aclose()),
    "calls": lambda kv: drive(kv.get_by_id("a")),
    "starts a task": lambda kv: asyncio.ensure_future(kv.get_by_id("a")),
    "collects": lambda kv: gc.collect(),
    "raises": lambda kv: 1 / 0,
}


async def end_of_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("action", ACTIONS)
async def test_a_log_handler_may_do_anything_when_the_server_goes_and_comes(
    server: Server, handled: Any, action: str
) -> None:
    kv = storage(server.url, **{**NO_PATIENCE, "redis_durability": "none"})
    await kv.upsert({"a": 1})
    handler = handled(lambda: ACTIONS[action](kv))
    for _ in range(2):
        server.stop()
        outcomes = await asyncio.gather(*[kv.get_by_id("a") for _ in range(20)], return_exceptions=True)
        assert {type(outcome).__name__ for outcome in outcomes} <= {"RedisConnectionError", "ClosedError"}
        await end_of_others()  # a connection attempt of theirs would be shared by the next call, refusal and all
        server.start()
        await kv.upsert({"a": 1})
        assert await kv.get_by_id("a") == 1
    assert handler.count
    await end_of_others()
    await kv.aclose()


async def test_ids_may_come_from_a_generator_that_closes_the_storage(server: Server) -> None:
    kv = await storage(server.url, redis_health_check_interval=0.2)
    await kv.upsert({"a": 1})

    def ids() -> Iterator[str]:
        yield "a"
        drive(kv.aclose())
        yield "a"

    assert await kv.get_by_ids(ids()) == [1, 1]
    assert await kv.filter_keys(ids()) == set()
    await kv.aclose()


async def test_connections_keep_no_context_variable_of_their_first_caller(server: Server) -> None:
    class Big:
        pass

    variable: contextvars.ContextVar[Big] = contextvars.ContextVar("variable")

    async def first_call(kv: Any) -> weakref.ref[Big]:
        big = Big()
        variable.set(big)
        await kv.upsert({"a": 1})
        await asyncio.gather(*[kv.get_by_id("a") for _ in range(100)])
        return weakref.ref(big)

    loop = asyncio.get_running_loop()
    for url in (server.url, server.url.replace("127.0.0.1", "localhost"), server.unix_url):
        async with storage(url) as warm:
            await warm.ping()
        kv = storage(url, redis_health_check_interval=0.1)
        big = await loop.create_task(first_call(kv))
        await asyncio.sleep(0.15)
        gc.collect()
        assert big() is None
        await kv.aclose()


async def test_awaiting_leaves_no_reference_cycles_behind(server: Server) -> None:
    """A call that worked, and one that failed, free what they used without the garbage collector."""
    calls: list[Callable[[Any], Awaitable[Any]]] = [
        lambda kv: kv.get_by_id("a"),
        lambda kv: kv.get_by_ids(["a", "b"], {"x"}),
        lambda kv: kv.filter_keys(["a", "b"]),
        lambda kv: kv.upsert({"a": {"x": 1}}),
        lambda kv: kv.all_keys(),
        lambda kv: kv.ping(),
    ]
    async with storage(server.url) as kv:
        for call in calls:
            await call(kv)
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                for call in calls:
                    await call(kv)
            assert gc.collect() < 20
        finally:
            gc.enable()


async def test_the_count_of_references_is_flat(server: Server) -> None:
    async with storage(server.url) as kv:
        id, value = "an-id-of-its-own", {"k": ["v"]}
        tracked = [id, value, value["k"], kv, kv._store, asyncio.get_running_loop(), None]

        async def work() -> None:
            for _ in range(200):
                await kv.upsert({id: value})
                await kv.get_by_id(id)
                await kv.get_by_ids([id, id], {id})
                await kv.filter_keys([id])
                await kv.delete_by_id(id)

        await work()
        gc.collect()
        before = [sys.getrefcount(thing) for thing in tracked]
        await work()
        gc.collect()
        after = [sys.getrefcount(thing) for thing in tracked]
        drift = [b - a for a, b in zip(before[:-1], after[:-1], strict=True)]
        assert max(map(abs, drift)) <= 5, drift
        assert abs(after[-1] - before[-1]) < 500, "references to None"
