"""Walks over a namespace while the server is started anew: SCAN's cursor is a place in the hash table of one run of the
server, whose seed differs from run to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from servers import Server
from storages import QUICK_RETRIES, storage

KEYS = 30_000
PAGES_BEFORE = 10  # of about thirty


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server("redis", "--appendfsync", "always", appendonly=True)


async def started_anew_in_the_middle(server: Server, kv: Any, walk: Any) -> Any:
    """The outcome of the walk, and that it was under way when the server went."""
    replies = (await kv.get_stats())["traffic"]["replies"]
    task = asyncio.ensure_future(walk)
    while (await kv.get_stats())["traffic"]["replies"] < replies + PAGES_BEFORE:
        await asyncio.sleep(0)
    assert not task.done()
    server.kill()
    server.start()
    return await task


async def test_no_id_is_missed_when_the_server_is_started_anew_in_the_middle(server: Server) -> None:
    ids = {f"id-{n}" for n in range(KEYS)}
    async with storage(server.url, **QUICK_RETRIES) as kv:
        await kv.upsert(dict.fromkeys(ids, 1))
        found = await started_anew_in_the_middle(server, kv, kv.all_keys())
        assert len(found) == KEYS
        assert set(found) == ids


async def test_nothing_outlives_a_drop_when_the_server_is_started_anew_in_the_middle(server: Server) -> None:
    async with storage(server.url, **QUICK_RETRIES) as kv, storage(server.url, "full_docs") as other:
        await kv.upsert({f"id-{n}": 1 for n in range(KEYS)})
        await other.upsert({"a": 1})
        await started_anew_in_the_middle(server, kv, kv.drop())
        with server.client() as client:
            assert client.keys() == [b"nano_graphrag:full_docs:a"]
