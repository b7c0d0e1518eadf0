"""A cancelled call leaves the connection as it found it: later answers reach those who asked for them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from figures import Figure
from proxy import Proxy, between
from scripted import Peer, ScriptedServer
from servers import Server
from storages import in_flight, storage, until_idle

RECORDS = {f"id-{n}": {"n": n, "text": "x" * (n % 700)} for n in range(600)}

CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv: kv.get_by_id("id-1"),
    "get_by_ids": lambda kv: kv.get_by_ids([f"id-{n}" for n in range(400)]),
    "filter_keys": lambda kv: kv.filter_keys([f"id-{n}" for n in range(400)]),
    "all_keys": lambda kv: kv.all_keys(),
    "upsert": lambda kv: kv.upsert({"other-1": 1, "other-2": 2}),
    "delete_by_id": lambda kv: kv.delete_by_id("other-1"),
    "ping": lambda kv: kv.ping(),
}


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.fixture
def slow(server: Server) -> Iterator[Proxy]:
    """A way to the server that holds each piece of an answer back for a moment."""
    with Proxy(server.port, between(0.0, 0.01, seed=11)) as proxy:
        yield proxy


async def assert_in_step(kv: Any) -> None:
    """Answers still belong to their questions, and nothing of the cancelled ones is left."""
    for n in range(0, 600, 97):
        assert await kv.get_by_id(f"id-{n}") == RECORDS[f"id-{n}"]
    assert await kv.get_by_ids(["id-5", "absent", "id-7"], {"n"}) == [{"n": 5}, None, {"n": 7}]
    await until_idle(kv)


# --- one call ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
async def test_the_reply_of_a_cancelled_call_is_dropped(slow: Proxy, name: str) -> None:
    async with storage(slow.url, redis_max_connections=1) as kv:
        await kv.upsert(RECORDS)
        slow.delay = lambda: 0.5
        task = asyncio.ensure_future(CALLS[name](kv))
        await asyncio.sleep(0.03)  # the request is on its way, the answer is not
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.delay = lambda: 0.0
        await assert_in_step(kv)
        assert slow.accepted == 1, "cancelling a call must not cost the connection"


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_cancelled_before_its_first_step_does_nothing(server: Server, name: str) -> None:
    async with storage(server.url) as kv:
        await kv.upsert(RECORDS)
        before = (await kv.get_stats())["calls"]["started"]
        task = asyncio.ensure_future(CALLS[name](kv))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await kv.get_stats())["calls"]["started"] == before
        await assert_in_step(kv)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_cancelled_in_the_tick_it_was_made_leaves_no_trace(server: Server, name: str) -> None:
    async with storage(server.url, redis_max_connections=1) as kv:
        await kv.upsert(RECORDS)
        for _ in range(20):
            tasks = [asyncio.ensure_future(CALLS[name](kv)) for _ in range(3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await assert_in_step(kv)
        assert (await kv.get_stats())["connections"]["opened"] == 1


async def test_a_coroutine_closed_while_it_waits_gives_its_call_up(slow: Proxy) -> None:
    async with storage(slow.url, redis_max_connections=1) as kv:
        await kv.upsert(RECORDS)
        for name in CALLS:
            coroutine: Any = CALLS[name](kv)
            coroutine.send(None)
            coroutine.close()
        await assert_in_step(kv)
        assert slow.accepted == 1


# --- the ways a program cancels ------------------------------------------------------------------------


async def test_wait_for_gives_up_and_the_next_call_is_right(slow: Proxy) -> None:
    async with storage(slow.url, redis_max_connections=1) as kv:
        await kv.upsert(RECORDS)
        slow.delay = lambda: 0.2
        for n in range(10):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(kv.get_by_id(f"id-{n}"), 0.005)
        await assert_in_step(kv)
        assert slow.accepted == 1


async def test_a_cancelled_gather_cancels_each_of_its_calls(slow: Proxy) -> None:
    async with storage(slow.url, redis_max_connections=2) as kv:
        await kv.upsert(RECORDS)
        slow.delay = lambda: 0.05
        crowd = asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(300)])
        await asyncio.sleep(0.01)
        crowd.cancel()
        with pytest.raises(asyncio.CancelledError):
            await crowd
        slow.delay = lambda: 0.0
        await assert_in_step(kv)


if sys.version_info >= (3, 11):

    async def test_a_task_group_that_fails_cancels_the_calls_of_its_siblings(slow: Proxy) -> None:
        async def fail() -> None:
            await asyncio.sleep(0.01)
            raise ZeroDivisionError

        async with storage(slow.url, redis_max_connections=2) as kv:
            await kv.upsert(RECORDS)
            slow.delay = lambda: 0.05
            with pytest.raises(ExceptionGroup) as caught:  # noqa: F821, 3.11 has it
                async with asyncio.TaskGroup() as group:
                    for n in range(100):
                        group.create_task(kv.get_by_id(f"id-{n}"))
                    group.create_task(fail())
            assert [type(e) for e in caught.value.exceptions] == [ZeroDivisionError]
            slow.delay = lambda: 0.0
            await assert_in_step(kv)


async def test_a_shielded_call_goes_on_when_its_waiter_is_cancelled(slow: Proxy) -> None:
    async with storage(slow.url) as kv:
        await kv.upsert(RECORDS)
        slow.delay = lambda: 0.03
        call = asyncio.ensure_future(kv.get_by_id("id-9"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(call), 0.001)
        assert await call == RECORDS["id-9"]


# --- while there is no connection yet ------------------------------------------------------------------


async def cancel_soon(kv: Any, count: int = 20) -> None:
    tasks = [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(count)]
    await asyncio.sleep(0.03)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}


async def test_cancelling_while_the_name_is_resolved(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, answer = asyncio.get_running_loop(), asyncio.Event()

    async def resolve(host: str, port: int, **options: Any) -> list[Any]:
        await answer.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    kv = storage(f"redis://a-name.invalid:{server.port}")
    await cancel_soon(kv)
    answer.set()
    await kv.upsert(RECORDS)
    await assert_in_step(kv)
    await kv.aclose()


async def test_cancelling_while_the_connection_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as door, contextlib.ExitStack() as crowd:
        address = door.getsockname()
        for _ in range(3):  # nobody accepts: once the queue is full, a connection attempt waits
            guest = crowd.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(address)
        kv = storage(f"redis://127.0.0.1:{address[1]}", redis_connection_timeout=0.3, redis_retry_attempts=0)
        await cancel_soon(kv)
        with pytest.raises(TimeoutError, match=r"not connected within 0\.3 s \(last state: connecting\)"):
            await kv.get_by_id("a")
        await kv.aclose()


async def test_cancelling_in_the_handshake() -> None:
    def silent(peer: Peer) -> None:
        peer.wait_until_closed()

    with ScriptedServer(silent) as server:
        kv = storage(server.url, redis_connection_timeout=0.3, redis_retry_attempts=0)
        await cancel_soon(kv)
        with pytest.raises(TimeoutError, match="last state: authenticating"):
            await kv.get_by_id("a")
        assert await in_flight(kv) == 0
        await kv.aclose()


async def test_cancelling_between_two_tries() -> None:
    with ScriptedServer(Peer.close) as server:
        kv = storage(server.url, redis_retry_base=30.0, redis_retry_cap=30.0)
        await cancel_soon(kv)
        requests = (await kv.get_stats())["requests"]
        assert requests == {"in_flight": 0, "waiting": 0, "delayed": 0}
        await kv.aclose()


async def test_cancelling_while_a_huge_batch_is_encoded_writes_nothing(server: Server) -> None:
    batch = {f"big-{n}": {"text": "y" * 1500, "n": list(range(50))} for n in range(40_000)}
    async with storage(server.url) as kv:
        await kv.upsert(RECORDS)
        task = asyncio.ensure_future(kv.upsert(batch))
        await asyncio.sleep(0.02)  # a slice or two
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await assert_in_step(kv)
    with contextlib.closing(server.client()) as client:
        assert client.dbsize() == len(RECORDS)


# --- storms --------------------------------------------------------------------------------------------


async def ask(kv: Any, n: int) -> bool:
    """Whether the storage answered question `n` rightly; each asks for its own keys, in its own way."""
    ids = [f"id-{(n + step * 7) % 600}" for step in range(1 + n % 30)]
    if n % 3 == 0:
        return await kv.get_by_id(ids[0]) == RECORDS[ids[0]]
    if n % 3 == 1:
        return await kv.get_by_ids(ids) == [RECORDS[id] for id in ids]
    absent = f"absent-{n}"
    return await kv.filter_keys([*ids, absent]) == {absent}


@pytest.mark.parametrize("connections", [1, 4])
async def test_a_storm_of_cancels_mixes_no_answers_up(slow: Proxy, figure: Figure, connections: int) -> None:
    chance = random.Random(2023_28858 + connections)
    async with storage(slow.url, redis_max_connections=connections) as kv:
        await kv.upsert(RECORDS)
        wrong = answered = 0
        for _ in range(6):
            tasks = [asyncio.ensure_future(ask(kv, n)) for n in chance.sample(range(600), 350)]
            while any(not task.done() for task in tasks):
                victim = chance.choice(tasks)
                if chance.random() < 0.4:
                    victim.cancel()
                await asyncio.sleep(0 if chance.random() < 0.9 else 0.001)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            wrong += sum(outcome is not True for outcome in outcomes if not is_cancelled(outcome))
            answered += sum(outcome is True for outcome in outcomes)
        figure("answers to those not cancelled", answered)
        figure("wrong answers", wrong)
        assert wrong == 0
        assert answered > 200, "the storm was too strong to show anything"
        slow.delay = lambda: 0.0
        await assert_in_step(kv)
        stats = await kv.get_stats()
        figure("connections lost", stats["connections"]["lost"])
        assert stats["connections"]["lost"] == 0
        assert slow.accepted == stats["connections"]["opened"] <= connections


def is_cancelled(outcome: object) -> bool:
    return isinstance(outcome, asyncio.CancelledError)


async def test_a_thousand_tasks_with_random_time_limits_get_their_own_answers_or_none(
    slow: Proxy, figure: Figure
) -> None:
    chance = random.Random(2624)

    async def limited(n: int) -> bool | None:
        try:
            return await asyncio.wait_for(ask(kv, n), chance.uniform(0.0005, 2.0))
        except asyncio.TimeoutError:
            return None

    async with storage(slow.url, redis_max_connections=2) as kv:
        await kv.upsert(RECORDS)
        outcomes = await asyncio.gather(*[limited(n % 600) for n in range(1000)])
        figure("wrong answers", outcomes.count(False))
        figure("calls that gave up", outcomes.count(None))
        assert False not in outcomes
        assert None in outcomes
        assert True in outcomes
        slow.delay = lambda: 0.0
        await assert_in_step(kv)
        assert (await kv.get_stats())["connections"]["lost"] == 0
