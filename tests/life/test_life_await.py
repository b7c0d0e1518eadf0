"""Awaiting a call: who is woken when, in which context, and what reaches a task from the tasks beside it. A call is a
future of its own kind (`asyncio.isfuture()` is True) whose waiters run right behind the read that had the answer."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextvars
import sys
from collections.abc import Callable
from typing import Any

import pytest
from servers import Server
from storages import storage, until_idle


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


# --- as a future ---------------------------------------------------------------------------------------


async def test_a_call_is_a_future_of_its_loop(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        call: Any = kv._store.get("a")
        assert asyncio.isfuture(call)
        assert call.get_loop() is asyncio.get_running_loop()
        assert (call.done(), call.cancelled(), repr(call)) == (False, False, "<Op get_by_id, pending>")
        with pytest.raises(asyncio.InvalidStateError):
            call.result()
        with pytest.raises(asyncio.InvalidStateError):
            call.exception()
        done, pending = await asyncio.wait([call], timeout=5)
        assert (done, pending) == ({call}, set())
        assert (call.done(), call.result(), call.exception()) == (True, 1, None)
        assert not call.cancel()
        assert await call == 1


async def test_calls_can_be_gathered_without_a_coroutine_around_them(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        calls: list[Any] = [kv._store.get("a"), kv._store.remove("b"), kv._store.missing(["a", "b"])]
        assert await asyncio.gather(*calls) == [1, False, {"b"}]
        assert await asyncio.wait_for(kv._store.get("a"), 5) == 1


async def test_an_answer_is_given_once(server: Server) -> None:
    async with storage(server.url) as kv:
        call: Any = kv._store.get("a")
        assert await call is None
        with pytest.raises(RuntimeError, match="already awaited"):
            await call


async def test_callbacks_are_called_once_each_with_the_call(server: Server) -> None:
    async with storage(server.url) as kv:
        seen: list[tuple[str, Any]] = []
        call: Any = kv._store.get("a")
        first, second, gone = [lambda op, n=name: seen.append((n, op)) for name in ("first", "second", "gone")]
        for callback in (first, gone, second, gone):
            call.add_done_callback(callback)
        assert call.remove_done_callback(gone) == 2
        assert call.remove_done_callback(gone) == 0
        assert await call is None
        assert seen == [("first", call), ("second", call)]
        call.add_done_callback(first)  # after the end: soon, and never from inside
        assert len(seen) == 2
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen[2:] == [("first", call)]


async def test_an_exception_of_a_callback_goes_to_the_loops_handler(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.ping()
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        call: Any = kv._store.get("a")
        call.add_done_callback(lambda _: 1 / 0)
        assert await asyncio.gather(kv.get_by_id("b"), call) == [None, None]
        assert [type(what["exception"]) for what in told] == [ZeroDivisionError]
        assert told[0]["future"] is call


async def test_a_call_on_another_loop_is_refused_by_asyncio(server: Server) -> None:
    async with storage(server.url) as kv:
        with server.frozen():
            call = kv._store.get("a")

            async def elsewhere() -> None:
                await call

            with pytest.raises(RuntimeError, match="attached to a different loop"):
                await asyncio.to_thread(asyncio.run, elsewhere())
        await until_idle(kv)


# --- waking --------------------------------------------------------------------------------------------


async def test_tasks_are_woken_in_the_order_of_their_answers(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({str(n): n for n in range(200)})
        order: list[int] = []

        async def read(n: int) -> None:
            order.append(await kv.get_by_id(str(n)))

        await asyncio.gather(*[read(n) for n in range(200)])
        assert order == list(range(200))


async def test_a_woken_task_may_make_the_next_call_at_once(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1, "b": {"x": 2}})

        async def work() -> int:
            total = 0
            for _ in range(50):
                total += await kv.get_by_id("a")
                total += (await kv.get_by_ids(["b"]))[0]["x"]
                await kv.upsert({"c": total})
            return total

        assert await asyncio.gather(*[work() for _ in range(20)]) == [150] * 20
        await until_idle(kv)


async def test_each_task_keeps_its_context(server: Server) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    async with storage(server.url) as kv:

        async def work(n: int) -> None:
            variable.set(n)
            for _ in range(20):
                await kv.get_by_id("a")
                assert variable.get() == n

        await asyncio.gather(*[work(n) for n in range(50)])
        assert variable.get(None) is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="create_task(context=) is new in 3.11")
async def test_tasks_that_share_a_context_are_all_woken(server: Server) -> None:
    context, loop = contextvars.copy_context(), asyncio.get_running_loop()
    async with storage(server.url) as kv:
        tasks = [loop.create_task(kv.get_by_id("a"), context=context) for _ in range(20)]
        assert await asyncio.gather(*tasks) == [None] * 20


@pytest.mark.parametrize("kind", ["C", "Python"])
async def test_both_kinds_of_asyncio_tasks_can_wait(server: Server, kind: str) -> None:
    loop = asyncio.get_running_loop()
    make: Any = asyncio.tasks._PyTask if kind == "Python" else asyncio.Task  # type: ignore[attr-defined]
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        tasks = [make(kv.get_by_id("a"), loop=loop) for _ in range(10)]
        assert await asyncio.gather(*tasks) == [1] * 10
        cut = make(kv.get_by_id("a"), loop=loop)
        await asyncio.sleep(0)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        await until_idle(kv)


async def test_a_task_may_cancel_one_that_is_about_to_be_woken(server: Server) -> None:
    """Both have their answers by the same read; the first to run cancels the second."""
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        await kv.ping()
        outcomes: list[str] = []

        async def first() -> None:
            await kv.get_by_id("a")
            assert second_task.cancel()
            outcomes.append("first")

        async def second() -> None:
            try:
                await kv.get_by_id("a")
            except asyncio.CancelledError:
                outcomes.append("second cancelled")
                raise
            outcomes.append("second")

        first_task = asyncio.ensure_future(first())
        second_task = asyncio.ensure_future(second())
        await asyncio.gather(first_task, second_task, return_exceptions=True)
        assert outcomes == ["first", "second cancelled"]
        assert second_task.cancelled()
        assert await kv.get_by_id("a") == 1
        await until_idle(kv)


async def test_the_message_of_a_cancellation_arrives(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.ping()
        told: list[tuple[Any, ...]] = []

        async def work() -> None:
            try:
                await kv.get_by_id("a")
            except asyncio.CancelledError as error:
                told.append(error.args)
                raise

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told == [("enough",)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_must_end_the_program_ends_the_loop_and_loses_no_other_answer(
    server: Server, error: type[BaseException]
) -> None:
    loop = asyncio.new_event_loop()
    kv = storage(server.url)

    async def stop() -> None:
        await kv.get_by_id("a")
        raise error

    async def setup() -> list[asyncio.Task[Any]]:
        await kv.upsert({"a": 1})
        gets = [kv.get_by_id("a"), stop(), *[kv.get_by_id("a") for _ in range(10)]]
        return [asyncio.ensure_future(get) for get in gets]

    try:
        tasks = loop.run_until_complete(setup())
        with pytest.raises(error):
            loop.run_until_complete(asyncio.wait(tasks))
        others = [task for n, task in enumerate(tasks) if n != 1]
        assert loop.run_until_complete(asyncio.gather(*others)) == [1] * 11
        assert isinstance(tasks[1].exception(), error)
        loop.run_until_complete(kv.aclose())
    finally:
        loop.close()


# --- how long things live ------------------------------------------------------------------------------


async def test_a_value_belongs_to_the_one_who_awaited_it(server: Server) -> None:
    """While the woken task runs, nothing of the call keeps its value, which may be large."""
    async with storage(server.url) as kv:
        await kv.upsert({"a": {"x": [1, 2, 3]}})
        for read in (lambda: kv.get_by_id("a"), lambda: kv.get_by_ids(["a"])):
            value: Any = await read()
            assert sys.getrefcount(value) == 2
            assert value
