"""Ten thousand calls are given up behind a proxy that holds every answer back: each answer that comes belongs to its
question, no connection is lost over it, nothing is left in flight, and memory does not grow."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from figures import Figure
from proxy import Proxy, between
from sanitized import IS_SANITIZED
from storages import until_idle
from ways import Way

GIVEN_UP = 10_000
CROWD = 700  # calls at once
KEPT = 0.1  # of them nobody gives up
CONNECTIONS = 3
RECORDS = {f"id-{n}": {"n": n, "text": f"{n}:" + "ä" * (n % 400)} for n in range(500)}
MEBIBYTE = 1024 * 1024
GROWTH = 4 * MEBIBYTE  # what the second half may add; one forgotten answer per call would be 5 MB and more

Call = Callable[[Any, int], Awaitable[bool]]


async def get(kv: Any, n: int) -> bool:
    return bool(await kv.get_by_id(f"id-{n % 500}") == RECORDS[f"id-{n % 500}"])


async def get_many(kv: Any, n: int) -> bool:
    ids = [f"id-{(n + step * 7) % 500}" for step in range(2 + n % 40)]
    return bool(await kv.get_by_ids(ids) == [RECORDS[id] for id in ids])


async def get_fields(kv: Any, n: int) -> bool:
    ids = [f"id-{(n + step) % 500}" for step in range(10)]
    return bool(await kv.get_by_ids(ids, {"n"}) == [{"n": (n + step) % 500} for step in range(10)])


async def put(kv: Any, n: int) -> bool:
    """Each number has keys of its own, so what was given up cannot come in between."""
    batch = {f"put-{n % 3000}-{item}": {"n": n, "item": item} for item in range(1 + n % 20)}
    await kv.upsert(batch)
    return bool(await kv.get_by_ids(list(batch)) == list(batch.values()))


CALLS: tuple[Call, ...] = (get, get, get_many, get_fields, put)


def memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Storm:
    """Crowds of calls, most of them given up at a random moment."""

    def __init__(self, kv: Any, seed: int) -> None:
        self._kv, self._chance, self._number = kv, random.Random(seed), 0
        self.outcomes: Counter[str] = Counter()

    @property
    def given_up(self) -> int:
        return self.outcomes["cancelled"] + self.outcomes["timed out"]

    async def crowd(self) -> None:
        calls = []
        for _ in range(CROWD):
            self._number += 1
            calls.append(self._one(self._chance.choice(CALLS), self._number))
        await asyncio.gather(*calls)

    async def _one(self, call: Call, n: int) -> None:
        task = asyncio.ensure_future(call(self._kv, n))
        patience = self._chance.uniform(0.0, 0.05)
        mood = self._chance.random()
        try:
            if mood > 1 - KEPT:
                is_right = await task
            elif mood > 0.5:
                is_right = await asyncio.wait_for(task, patience)
            else:
                asyncio.get_running_loop().call_later(patience, task.cancel)
                is_right = await task
        except asyncio.CancelledError:
            self.outcomes["cancelled"] += 1
        except asyncio.TimeoutError:
            self.outcomes["timed out"] += 1
        else:
            self.outcomes["right" if is_right else "WRONG"] += 1


async def test_ten_thousand_calls_given_up_leave_no_trace(way: Way, figure: Figure) -> None:
    with Proxy(way.server.port, between(0.02, 0.1, seed=10_000)) as slow:
        async with way.storage(slow.port, redis_max_connections=CONNECTIONS) as kv:
            await kv.upsert(RECORDS)
            storm, at_half = Storm(kv, seed=10_000), 0
            while storm.given_up < GIVEN_UP:
                await storm.crowd()
                if not at_half and storm.given_up >= GIVEN_UP / 2:
                    at_half = memory()
            grown = memory() - at_half
            slow.delay = lambda: 0.0
            await until_idle(kv)
            stats = await kv.get_stats()
            figure("calls given up", storm.given_up)
            figure("answers to the others", storm.outcomes["right"] + storm.outcomes["WRONG"])
            figure("wrong answers", storm.outcomes["WRONG"])
            figure("connections lost", stats["connections"]["lost"])
            figure("left in flight", sum(stats["requests"].values()))
            figure("memory grown in the second half", grown / 1024, "KiB")
            assert storm.outcomes["WRONG"] == 0
            assert storm.outcomes["right"] >= CROWD, "the storm was too strong to show anything"
            assert await kv.get_by_ids(list(RECORDS)) == list(RECORDS.values())
            assert stats["connections"]["lost"] == 0
            assert slow.accepted == stats["connections"]["opened"] <= CONNECTIONS
            assert grown < GROWTH or IS_SANITIZED, "AddressSanitizer keeps what was freed"
