"""A server that is stopped (SIGSTOP) keeps its connections and answers nothing: every call of every method, under
way or new, ends within its bound, once; and when the server goes on, so does the same storage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from figures import Figure
from storages import OUTAGE, bound_of, until_idle
from ways import Way

SETTINGS = {
    "redis_retry_attempts": 2,
    "redis_retry_base": 0.1,
    "redis_retry_cap": 0.2,
    "redis_connection_timeout": 0.3,
    "redis_socket_timeout": 0.3,
}
BOUND = bound_of(SETTINGS)
SLACK = 0.7  # seconds for a busy machine

CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv: kv.get_by_id("a"),
    "get_by_ids": lambda kv: kv.get_by_ids([f"id-{n}" for n in range(2000)]),
    "get_by_ids, fields": lambda kv: kv.get_by_ids(["a", "b"], {"n"}),
    "filter_keys": lambda kv: kv.filter_keys([f"id-{n}" for n in range(2000)]),
    "all_keys": lambda kv: kv.all_keys(),
    "upsert": lambda kv: kv.upsert({"a": {"n": 1}, "b": {"n": 2}}),
    "upsert, many steps": lambda kv: kv.upsert({f"id-{n}": "x" * 1000 for n in range(2000)}),
    "delete_by_id": lambda kv: kv.delete_by_id("b"),
    "drop": lambda kv: kv.drop(),
    "ping": lambda kv: kv.ping(),
    "_redis_client.get": lambda kv: kv._redis_client.get(kv._prefix + "a"),
    "index_start_callback": lambda kv: kv.index_start_callback(),
}
NEVER_RAISE: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "index_done_callback": lambda kv: kv.index_done_callback(),
    "query_done_callback": lambda kv: kv.query_done_callback(),
    "check_health": lambda kv: kv.check_health(),
}


class Ending:
    """One call under way: how often it has ended, when, and with what."""

    def __init__(self, name: str, call: Awaitable[Any]) -> None:
        self.name, self.count, self.seconds = name, 0, 0.0
        self._started = time.monotonic()
        self.task = asyncio.ensure_future(call)
        self.task.add_done_callback(self._note)

    def _note(self, task: asyncio.Future[Any]) -> None:
        self.count += 1
        self.seconds = time.monotonic() - self._started


def start(kv: Any) -> list[Ending]:
    return [Ending(name, call(kv)) for name, call in {**CALLS, **NEVER_RAISE}.items()]


async def test_the_callback_that_asks_twice_waits_once(way: Way) -> None:
    """index_done_callback asks how the server persists, and then for a snapshot: one silence must not count double."""
    kv = way.storage(**SETTINGS)
    await kv.upsert({"a": 1})
    with way.server.frozen():
        ping, callback = Ending("ping", kv.ping()), Ending("index_done_callback", kv.index_done_callback())
        await asyncio.wait([ping.task, callback.task])
        assert ping.task.exception()
    assert callback.seconds < ping.seconds * 1.5 + 0.2
    await kv.aclose()


@pytest.mark.parametrize("state", ["new", "idle", "busy"])
async def test_a_stopped_server_ends_every_call_within_its_bound_once(
    way: Way, figure: Figure, state: str
) -> None:
    kv = way.storage(**SETTINGS, clear_on_start=True, redis_max_atomic_bytes="100KB")
    if state != "new":
        await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    busy = [asyncio.ensure_future(kv.get_by_ids([f"id-{n}"] * 50)) for n in range(200 if state == "busy" else 0)]
    await asyncio.sleep(0)
    with way.server.frozen():
        under_way = start(kv)
        await asyncio.sleep(0.1)
        calls = [*under_way, *start(kv)]
        await asyncio.wait([call.task for call in calls])
        rest = await asyncio.gather(*busy, return_exceptions=True)
        stats = await kv.get_stats()
    figure("calls", len(calls))
    figure(f"longest wait, the bound being {BOUND:.1f} s", max(call.seconds for call in calls), "s")
    for call in calls:
        assert call.count == 1, call.name
        assert call.seconds < BOUND + SLACK, call.name
        error = call.task.exception()
        if call.name in NEVER_RAISE:
            assert error is None, (call.name, error)
            assert call.task.result() in (None, False)
        else:
            assert isinstance(error, OUTAGE), (call.name, error)
    assert all(isinstance(outcome, OUTAGE) or outcome == [None] * 50 for outcome in rest)
    assert stats["calls"]["pending"] == 0
    assert sum(stats["requests"].values()) == 0, "what was sent to a stopped server went with its connection"
    await kv.upsert({"a": {"n": 3}})
    assert await kv.get_by_id("a") == {"n": 3}, "when the server goes on, so does the same storage"
    await until_idle(kv)
    await kv.aclose()
