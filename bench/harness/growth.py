"""What a call costs while the store grows: servers with 1,000 to 1,000,000 rows run side by side, and each
round asks all of them, so that a busy moment of the machine meets every size."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

from contestants.base import KV, Contestant

from . import records
from .columns import WALL, Column
from .rounds import Outcome, Progress, Series
from .server import Server, Transport

SIZES = (1_000, 10_000, 100_000, 1_000_000)
NAMESPACE = "full_docs"
ROW = {"content": records.text(random.Random(0), 250)}
BATCH = 1000


@dataclass(frozen=True)
class Growth:
    """One method, called with rows from everywhere in the store."""

    name: str
    title: str
    run: Callable[[KV, list[str]], Awaitable[Any]]
    unit: ClassVar[str] = "row"
    columns: ClassVar[tuple[Column, ...]] = (WALL, Column("server", "us", 1e6))  # the second is part of the first


async def get_each(kv: KV, ids: list[str]) -> None:
    for id in ids:
        await kv.get_by_id(id)


async def get_all(kv: KV, ids: list[str]) -> None:
    await kv.get_by_ids(ids)


async def write_all(kv: KV, ids: list[str]) -> None:
    await kv.upsert(dict.fromkeys(ids, ROW))


METHODS = (
    Growth("growth_get_by_id", "get_by_id, one after another, as the store grows", get_each),
    Growth("growth_get_by_ids", "get_by_ids of 1,000 rows, as the store grows", get_all),
    Growth("growth_upsert", "upsert of 1,000 rows, as the store grows", write_all),
)


async def race(kind: type[Contestant], transport: Transport, rounds: int, progress: Progress) -> list[Outcome]:
    """One series per size, named after it."""
    outcomes = [Outcome(method, {f"{size:,} rows": Series() for size in SIZES}) for method in METHODS]
    dice = random.Random(1)
    async with AsyncExitStack() as stack:
        stores = []
        for size in SIZES:
            progress(f"growth: filling a server with {size:,} rows")
            server = stack.enter_context(Server(transport))
            server.fill(NAMESPACE, size, records.encoded(ROW))
            contestant = kind()
            await contestant.open(server.endpoint)
            stack.push_async_callback(contestant.close)
            stores.append((server, contestant.storage(NAMESPACE), size))
        for number in range(-1, rounds):  # the first one warms up
            for outcome, method in zip(outcomes, METHODS, strict=True):
                progress(f"growth: round {max(number, 0) + 1} of {rounds}: {method.name}")
                for (server, kv, size), series in zip(stores, outcome.series.values(), strict=True):
                    ids = [str(i) for i in dice.sample(range(size), BATCH)]
                    gc.collect()
                    busy, start = server.busy(), time.perf_counter()
                    await method.run(kv, ids)
                    wall = time.perf_counter() - start
                    if number >= 0:
                        series.figures.append({"wall": wall / BATCH, "server": (server.busy() - busy) / BATCH})
    return outcomes
