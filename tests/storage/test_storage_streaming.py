"""A batch of plain values is sent while it is encoded: nobody must be able to tell, whatever is in it and whatever
happens in the middle."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from servers import Server
from storages import storage

from nano_graphrag_redis import errors

TEXT = "An ordinary sentence – with “quotes”, ümlauts and a line end.\n"
SIZE = 40_000  # of a value; 16 of them are streamed


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


def plain(count: int, size: int = SIZE) -> dict[str, Any]:
    return {f"id-{n}": {"content": f"{n} " + TEXT * (size // len(TEXT)), "tokens": n} for n in range(count)}


async def writes_of(kv: Any, batch: dict[Any, Any]) -> int:
    """Stores the batch; how many writes that took."""
    before = (await kv.get_stats())["traffic"]["writes"]
    await kv.upsert(batch)
    return int((await kv.get_stats())["traffic"]["writes"]) - before


async def check_nothing_stored(kv: Any, server: Server) -> None:
    assert await kv.all_keys() == ["warm"]
    assert await kv.get_by_id("warm") == 1
    stats = await kv.get_stats()
    assert stats["connections"]["opened"] == 1, "the connection was not worth giving up"


# --- whatever is in it ---------------------------------------------------------------------------------------


async def test_a_large_plain_batch_leaves_while_it_is_encoded(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"warm": 1})
        assert await writes_of(kv, plain(60)) >= 8  # of 2.4 MB: three writes otherwise


VALUES: dict[str, Any] = {
    "escapes": '\x00\x01"\\\n' * 8000,
    "surrogates": "\ud800x" * 12_000,
    "Chinese behind ASCII": "x" * 64 + "知识图谱" * 10_000,
    "emoji": "🙂" * 12_000,
    "small and deep": [[[[[[["x" * 50]]]]]]] * 700,
    "numbers": [1, -1, 2**63 - 1, -(2**63), 0.1, 1e308, -0.0, 5e-324] * 500,
    "not finite": [math.inf, -math.inf] * 4000,
    "large integers": [2**64, 10**100] * 400,
    "empty": [{}, [], "", (), None, True, False] * 1000,
    "tuples": ("x" * 1000,) * 40,
    "keys": {"x" * 1000 + str(n): n for n in range(40)},
    "nested beyond what is looked at": json.loads("[" * 40 + '"deep"' + "]" * 40),
}


@pytest.mark.parametrize("name", VALUES)
async def test_any_value_in_a_large_batch_reads_back_as_alone(server: Server, name: str) -> None:
    batch = {**plain(20), "odd": VALUES[name], **{f"more-{n}": VALUES[name] for n in range(10)}}
    async with storage(server.url) as kv, storage(server.url, "full_docs") as other:
        await kv.upsert(batch)
        await other.upsert({"odd": VALUES[name]})
        with server.client() as client:
            alone = client.get("nano_graphrag:full_docs:odd")
            assert client.get("nano_graphrag:text_chunks:odd") == alone
            assert client.get("nano_graphrag:text_chunks:more-9") == alone
        assert await kv.get_by_ids(list(plain(20))) == list(plain(20).values())


async def test_batches_of_every_size_around_the_threshold_read_back(server: Server) -> None:
    async with storage(server.url, "llm_response_cache") as kv:
        for count in (1, 2, 15, 16, 17, 40):
            for size in (100, 10_000, 33_000, 70_000):
                batch = plain(count, size)
                await kv.upsert(batch)
                assert await kv.get_by_ids(list(batch)) == list(batch.values())
                assert await kv.drop() is None
        await kv.upsert(plain(20))
        with server.client() as client:
            assert 43_100 < client.ttl("nano_graphrag:llm_response_cache:id-19") <= 43_200


async def test_random_batches_read_back(server: Server) -> None:
    dice = random.Random(7)
    letters = ["a", "b", " ", "é", "“", "中", "🙂", "\n", '"', "\\", "\x1f", "\x7f"]
    async with storage(server.url) as kv:
        for _ in range(10):
            batch = {
                f"{''.join(dice.choices(letters, k=9))}{n}": {
                    "text": "".join(dice.choices(letters, k=dice.randrange(40_000))),
                    "list": [dice.choice([dice.random(), dice.randrange(10**18), None, True, "x"]) for _ in range(50)],
                }
                for n in range(40)
            }
            await kv.upsert(batch)
            assert await kv.get_by_ids(list(batch)) == list(batch.values())


async def test_a_batch_larger_than_a_slice_of_time_reads_back(server: Server) -> None:
    batch = plain(400, 60_000)  # 24 MB
    async with storage(server.url) as kv:
        await kv.upsert(batch)
        assert await kv.get_by_ids(list(batch)) == list(batch.values())


async def test_limits_hold_for_a_batch_that_would_be_streamed(server: Server) -> None:
    async with storage(server.url, redis_max_value_bytes=300_000) as kv:
        await kv.upsert({"warm": 1})
        with pytest.raises(errors.ValueTooLargeError, match="'large'"):
            await kv.upsert({**plain(20), "large": "x" * 300_000})
        with pytest.raises(errors.ValueTooLargeError, match="'escapes'"):
            await kv.upsert({**plain(20), "escapes": "\x00" * 50_000})
        await check_nothing_stored(kv, server)


async def test_small_atomic_groups_stay_small(server: Server) -> None:
    async with storage(server.url, redis_max_atomic_bytes=100_000) as kv:
        batch = plain(40)
        await kv.upsert(batch)
        assert await kv.get_by_ids(list(batch)) == list(batch.values())
        with server.client() as client:
            assert client.info("commandstats")["cmdstat_mset"]["calls"] >= 10


# --- what cannot be stored -----------------------------------------------------------------------------------


class Text:
    def __str__(self) -> str:
        return "text"


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"last": {(1, 2): 3}}, errors.EncodeError),
        ({"last": {"a": {1: 2, "1": 3}}}, errors.EncodeError),
        ({"\ud800": 1}, errors.EncodeError),
        ({5: 1}, TypeError),
    ],
    ids=["a key that is no text", "two keys that are one", "an id without a form", "an id that is no text"],
)
async def test_a_batch_with_one_bad_entry_stores_nothing(server: Server, entry: Any, error: type[Exception]) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"warm": 1})
        with pytest.raises(error):
            await kv.upsert({**plain(40), **entry})
        await check_nothing_stored(kv, server)


async def test_a_value_with_code_of_its_own_is_not_streamed(server: Server) -> None:
    async with storage(server.url) as kv:
        await kv.upsert({"warm": 1})
        assert await writes_of(kv, {**plain(40), "last": Text()}) <= 3
        assert await kv.get_by_id("last") == "text"


# --- in the middle -------------------------------------------------------------------------------------------


async def test_readers_see_all_of_a_batch_or_nothing(server: Server) -> None:
    """Also while it is on its way."""
    ids = list(plain(40))
    async with storage(server.url) as kv, storage(server.url, redis_max_connections=1) as reader:
        seen: set[int] = set()
        for n in range(20):
            batch = {id: {"version": n, **value} for id, value in plain(40).items()}
            writing = asyncio.ensure_future(kv.upsert(batch))
            while not writing.done():
                rows = await reader.get_by_ids(ids[:16])
                versions = {row and row["version"] for row in rows}
                assert len(versions) == 1, versions
                seen |= versions - {None}
            await writing
        assert seen


async def test_a_cancelled_batch_is_stored_whole_or_not_at_all(server: Server) -> None:
    async with storage(server.url) as kv:
        for n in range(30):
            task = asyncio.ensure_future(kv.upsert(plain(60)))
            for _ in range(n % 6):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert len(await kv.all_keys()) in (0, 60)
            await kv.drop()
