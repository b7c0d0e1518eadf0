"""What other readers see of a batch: all or nothing, up to the documented size; beyond it, whole steps in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator

import pytest
from figures import Figure
from servers import Server
from storages import storage

KEYS = 400
IDS = [f"id-{n}" for n in range(KEYS)]
TTLS = {"MSET": 0, "MULTI": 5000}


def generations(ids: list[str], text: str) -> Iterator[dict[str, object]]:
    """Batches over the same ids, each with a number of its own in every value."""
    number = 100  # of three digits, so that all batches are cut at the same places
    while True:
        yield {id: [number, text] for id in ids}
        number += 1


class Watcher:
    """Looks at all keys at once, over and over, from a thread and with a client of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.views: list[list[int]] = []  # the generation of each key, in their order

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        keys = [f"nano_graphrag:text_chunks:{id}" for id in IDS]
        with contextlib.closing(self._server.client()) as client:
            while not self._is_over.is_set():
                values = client.mget(keys)
                self.views.append([-1 if value is None else json.loads(value)[0] for value in values])


@pytest.mark.parametrize("how", TTLS)
async def test_no_reader_ever_sees_half_a_batch(
    start_server: Callable[..., Server], figure: Figure, how: str
) -> None:
    server = start_server()
    async with storage(server.url, redis_ttl={"text_chunks": TTLS[how]}) as kv:
        with Watcher(server) as watcher:
            for batch in generations(IDS, "x" * 200):
                await kv.upsert(batch)
                if batch[IDS[0]] == [250, "x" * 200]:
                    break
    halves = sum(len(set(view)) != 1 for view in watcher.views)
    seen = len({view[0] for view in watcher.views})
    figure("batches seen by another reader", seen)
    figure("half batches seen", halves)
    assert seen > 5, "the reader was too slow to show anything"
    assert halves == 0


@pytest.mark.parametrize("how", TTLS)
async def test_no_storage_that_reads_at_the_same_time_sees_half_a_batch(
    start_server: Callable[..., Server], how: str
) -> None:
    """Ours, too: what it asks for in one command is of one moment."""
    ids = IDS[:16]  # so many always share one command
    settings = {"redis_ttl": {"text_chunks": TTLS[how]}}
    server = start_server()
    async with storage(server.url, **settings) as writer, storage(server.unix_url, **settings) as reader:
        is_over = False

        async def read() -> set[int]:
            seen = set()
            while not is_over:
                values = await reader.get_by_ids(ids)
                numbers = {value[0] for value in values if value is not None}
                assert len(numbers) == 1, numbers
                assert None not in values
                seen |= numbers
            return seen

        batches = generations(ids, "x" * 500)
        await writer.upsert(next(batches))
        readers = [asyncio.ensure_future(read()) for _ in range(4)]
        for batch in batches:
            await writer.upsert(batch)
            if batch[ids[0]] == [300, "x" * 500]:
                break
        is_over = True
        seen = await asyncio.gather(*readers)
        assert all(len(each) > 5 for each in seen)


def borders_of(views: list[list[int]]) -> set[int]:
    """Where the new batch ended and the old one went on, in the views that show both."""
    borders = set()
    for view in views:
        changes = [n for n in range(1, KEYS) if view[n] != view[n - 1]]
        assert all(view[n] == view[n - 1] - 1 for n in changes), "the new before the old, one batch apart"
        assert len(changes) <= 1
        borders |= {*changes}
    return borders


@pytest.mark.parametrize("how", TTLS)
async def test_beyond_the_limit_a_batch_is_several_whole_steps_in_their_order(
    start_server: Callable[..., Server], how: str
) -> None:
    """A reader sees the first steps of the new batch and the last of the old one, and no step in part."""
    server = start_server()
    settings = {"redis_ttl": {"text_chunks": TTLS[how]}, "redis_max_atomic_bytes": "100KiB"}
    async with storage(server.url, redis_max_connections=1, **settings) as kv:
        batches = generations(IDS, "x" * 1000)
        await kv.upsert(next(batches))
        steps = server.calls("mset" if how == "MSET" else "exec")
        borders: set[int] = set()
        with Watcher(server) as watcher:
            for _ in range(20):  # until a reader has come between two steps
                for _ in range(60):
                    await kv.upsert(next(batches))
                borders |= borders_of(watcher.views)
                if borders:
                    break
    assert 3 < steps < 20
    borders |= borders_of(watcher.views)
    assert borders, "no reader came between two steps: the test shows nothing"
    assert len(borders) <= steps - 1, "a border within a step"


async def test_a_batch_beyond_the_limit_that_is_refused_in_part_leaves_whole_steps(
    start_server: Callable[..., Server],
) -> None:
    """The documented rest: of such a batch some steps may be there and others not, but none in part."""
    server = start_server("redis", "--maxmemory-policy", "noeviction")
    async with storage(server.url, redis_max_atomic_bytes="100KiB", redis_max_connections=1) as kv:
        await kv.upsert({"first": 1})
        with contextlib.closing(server.client()) as client:
            client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 400_000)
        with pytest.raises(OSError, match="OOM"):
            await kv.upsert({id: [1, "x" * 1000] for id in IDS})
        missing = await kv.filter_keys(IDS)
    assert 0 < len(missing) < KEYS
    runs = [len(list(run)) for _, run in itertools.groupby(IDS, key=lambda id: id in missing)]
    assert min(runs[:-1]) >= 80, f"about 95 of these entries make a step: {runs}"
