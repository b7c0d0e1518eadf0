"""Closing: while calls wait, twice, before the first call; what else shares the connections; who closes when nobody
does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from figures import Figure
from scripted import Peer, ScriptedServer
from servers import Server
from storages import storage, until, until_idle

from nano_graphrag_redis.errors import ClosedError

CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv: kv.get_by_id("a"),
    "get_by_ids": lambda kv: kv.get_by_ids(["a", "b", "a"]),
    "filter_keys": lambda kv: kv.filter_keys(["a", "b"]),
    "all_keys": lambda kv: kv.all_keys(),
    "upsert": lambda kv: kv.upsert({"a": 1, "b": 2}),
    "delete_by_id": lambda kv: kv.delete_by_id("c"),
    "drop": lambda kv: kv.drop(),
    "ping": lambda kv: kv.ping(),
}


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


def own_connections(server: Server) -> int:
    with contextlib.closing(server.client()) as client:
        return len(client.client_list()) - 1


async def all_waiting(kv: Any, copies: int = 1) -> list[asyncio.Future[Any]]:
    tasks = [asyncio.ensure_future(call(kv)) for call in CALLS.values() for _ in range(copies)]
    await asyncio.sleep(0.02)
    return tasks


# --- while calls wait ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_connected", [False, True], ids=["first calls", "connected"])
async def test_closing_ends_the_calls_that_wait(server: Server, figure: Figure, is_connected: bool) -> None:
    kv = storage(server.url, "full_docs")
    if is_connected:
        await kv
    with server.frozen():
        tasks = await all_waiting(kv, 20)
        started = time.monotonic()
        await kv.aclose()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1.0)
    figure(f"until {len(tasks)} waiting calls have ended", time.monotonic() - started, "s")
    assert {type(outcome) for outcome in outcomes} == {ClosedError}
    texts = {str(outcome) for outcome in outcomes}
    assert all(
        "full_docs" in text and "aclose() was called while this call was waiting" in text for text in texts
    )
    assert {text.partition(" ")[0] for text in texts} == {*CALLS} - {"ping"} | {"PING"}


async def test_closing_ends_a_batch_that_is_still_encoded(server: Server) -> None:
    kv = await storage(server.url)
    task = asyncio.ensure_future(kv.upsert({f"big-{n}": {"text": "y" * 1500} for n in range(50_000)}))
    await asyncio.sleep(0.01)
    assert not task.done()
    await kv.aclose()
    with pytest.raises(ClosedError):
        await task
    assert await kv.all_keys() == []
    await kv.aclose()


async def test_closing_ends_calls_that_wait_for_the_next_try() -> None:
    with ScriptedServer(Peer.close) as server:
        kv = storage(server.url, redis_retry_base=30.0, redis_retry_cap=30.0)
        tasks = await all_waiting(kv)
        await kv.aclose()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1.0)
    assert ClosedError in {type(outcome) for outcome in outcomes}
    assert {type(outcome) for outcome in outcomes} <= {ClosedError, ConnectionError}


async def test_a_closed_storage_connects_again_when_it_is_used(server: Server) -> None:
    kv = storage(server.url)
    for n in range(5):
        await kv.upsert({"a": n})
        await kv.aclose()
        assert own_connections(server) == 0
        assert await kv.get_by_id("a") == n
    await kv.aclose()


async def test_closing_twice_and_before_the_first_use(server: Server) -> None:
    kv = storage(server.url)
    await kv.aclose()
    await kv.aclose()
    async with kv:
        await kv.aclose()
        await kv.aclose()
    await kv._cleanup()
    assert own_connections(server) == 0


async def test_calls_made_in_the_tick_of_the_close_work(server: Server) -> None:
    kv = await storage(server.url)
    await kv.upsert({"a": 1})
    for _ in range(20):
        before = asyncio.ensure_future(kv.get_by_id("a"))
        closing = asyncio.ensure_future(kv.aclose())
        after = asyncio.ensure_future(kv.get_by_id("a"))
        outcomes = await asyncio.gather(before, closing, after, return_exceptions=True)
        assert isinstance(outcomes[0], ClosedError)
        assert outcomes[1:] == [None, 1]
    await kv.aclose()


# --- sharing -------------------------------------------------------------------------------------------


async def test_storages_with_equal_settings_share_connections(server: Server) -> None:
    names = ["full_docs", "text_chunks", "community_reports", "llm_response_cache"]
    storages = [storage(server.url, name) for name in names]
    for kv in storages:
        await kv.upsert({"a": kv.namespace})
    assert own_connections(server) == 1
    assert [await kv.get_by_id("a") for kv in storages] == names
    for kv in storages:
        await kv.aclose()
    assert own_connections(server) == 0


async def test_storages_with_other_settings_have_connections_of_their_own(server: Server) -> None:
    async with storage(server.url) as one, storage(server.url, redis_socket_timeout=4.0) as other:
        assert own_connections(server) == 2
        await one.aclose()
        assert own_connections(server) == 1
        assert await other.ping()


async def test_closing_one_of_two_leaves_the_calls_of_the_other(server: Server) -> None:
    one = await storage(server.url, "full_docs", redis_max_connections=1)
    other = await storage(server.url, "text_chunks", redis_max_connections=1)
    await other.upsert({f"id-{n}": n for n in range(300)})
    with server.frozen():
        ending = await all_waiting(one, 10)
        going_on = [asyncio.ensure_future(other.get_by_id(f"id-{n}")) for n in range(300)]
        await asyncio.sleep(0.01)
        await one.aclose()
        outcomes = await asyncio.gather(*ending, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ClosedError}
    assert await asyncio.gather(*going_on) == list(range(300))
    assert own_connections(server) == 1
    await other.aclose()


async def test_room_that_a_closed_storage_gives_back_is_used_at_once(server: Server) -> None:
    """One connection takes a bounded number of requests. Those behind them must not wait for an event that
    never comes when the ones in front are taken back before they were sent."""
    one = storage(server.url, "full_docs", redis_max_connections=1)
    other = storage(server.url, "text_chunks", redis_max_connections=1)
    await other.upsert({"a": 1})
    await asyncio.gather(*[other.get_by_id("a") for _ in range(50)])  # from now on requests leave in crowds
    in_front = [asyncio.ensure_future(one.get_by_id("a")) for _ in range(1200)]
    behind = [asyncio.ensure_future(other.get_by_id("a")) for _ in range(100)]
    closing = asyncio.ensure_future(one.aclose())
    assert await asyncio.wait_for(asyncio.gather(*behind), 2.0) == [1] * 100
    outcomes = await asyncio.gather(*in_front, closing, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes[:-1]} == {ClosedError}
    await other.aclose()


# --- nobody closes -------------------------------------------------------------------------------------


async def test_connections_of_collected_storages_close_at_the_next_idle_check(server: Server) -> None:
    one = storage(server.url, "full_docs", redis_health_check_interval=0.2)
    other = storage(server.url, "text_chunks", redis_health_check_interval=0.2)
    await one.upsert({"a": 1})
    await other.upsert({"a": 1})
    del one
    gc.collect()
    await asyncio.sleep(0.5)
    assert own_connections(server) == 1, "the other one needs them still"
    del other
    gc.collect()
    await until(lambda: own_connections(server) == 0, 2.0)


async def test_a_storage_whose_call_waits_is_not_collected(server: Server) -> None:
    kv = storage(server.url, redis_health_check_interval=0.1)
    await kv.upsert({"a": 1})
    with server.frozen():
        task = asyncio.ensure_future(kv.get_by_id("a"))
        del kv
        await asyncio.sleep(0.3)
        gc.collect()
    assert await task == 1


async def test_a_storage_can_be_weakly_referenced_and_goes_when_dropped(server: Server) -> None:
    kv = storage(server.url)
    await kv.upsert({"a": 1})
    assert await kv.get_by_ids(["a", "b"]) == [1, None]
    with contextlib.suppress(ConnectionError):
        await kv.aclose()
    alive = weakref.ref(kv)
    native = weakref.ref(kv._store)
    del kv
    assert alive() is None, "dropping the last reference frees it at once, without the garbage collector"
    assert native() is None


async def test_idle_connections_stay_open_while_a_storage_needs_them(server: Server) -> None:
    async with storage(server.url, redis_health_check_interval=0.1) as kv:
        pings = server.calls("ping")
        await asyncio.sleep(0.5)
        assert (await kv.get_stats())["connections"]["opened"] == 1
        assert server.calls("ping") > pings, "an idle connection is checked"
        await until_idle(kv)


async def test_an_idle_connection_whose_server_has_gone_is_replaced_without_an_error(server: Server) -> None:
    async with storage(server.url, redis_retry_base=0.01) as kv:
        await kv.upsert({"a": 1})
        server.restart()
        assert await kv.get_by_id("a") is None
        await kv.upsert({"a": 2})
        server.restart()
        assert await kv.delete_by_id("a") is False, "a call that may not be repeated is not sent to the dead"
