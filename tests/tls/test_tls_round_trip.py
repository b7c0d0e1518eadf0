"""Everything the storage does, done over TLS: with a real server, with both versions, with large amounts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from tls_servers import TlsServer

Trusting = Callable[..., Any]


async def test_every_operation_works(tls_server: TlsServer, trusting: Trusting) -> None:
    async with trusting(tls_server.url) as kv:
        await kv.upsert({"a": {"n": 1, "text": "ä"}, "b": [1, 2], "c": None})
        assert await kv.get_by_id("a") == {"n": 1, "text": "ä"}
        assert await kv.get_by_ids(["b", "absent", "a", "b"]) == [[1, 2], None, {"n": 1, "text": "ä"}, [1, 2]]
        assert await kv.get_by_ids(["a"], {"n"}) == [{"n": 1}]
        assert await kv.filter_keys(["a", "absent"]) == {"absent"}
        assert sorted(await kv.all_keys()) == ["a", "b", "c"]
        assert await kv.delete_by_id("b") is True
        assert await kv.delete_by_id("b") is False
        assert await kv.ping() is True
        assert await kv.check_health() is True
        await kv.index_done_callback()
        await kv.drop()
        assert await kv.all_keys() == []


async def test_a_value_of_20_mb_arrives_as_it_was(tls_server: TlsServer, trusting: Trusting) -> None:
    text = "".join(f"{n:07d} " for n in range(2_500_000))
    async with trusting(tls_server.url, redis_max_connections=1) as kv:
        await kv.upsert({"large": text, "small": 1})
        assert await kv.get_by_id("large") == text
        assert await kv.get_by_ids(["small", "large"]) == [1, text]
        assert (await kv.get_stats())["connections"]["lost"] == 0


async def test_batches_of_3000_chunks_go_both_ways_at_once(tls_server: TlsServer, trusting: Trusting) -> None:
    chunks = {f"chunk-{n}": {"content": f"{n} " * 700, "tokens": n} for n in range(3000)}
    async with trusting(tls_server.url, redis_max_connections=2) as kv:
        await kv.upsert(chunks)
        again = {f"copy-{id}": chunk for id, chunk in chunks.items()}
        _, *answers = await asyncio.gather(kv.upsert(again), *[kv.get_by_ids(list(chunks)) for _ in range(3)])
        assert answers == [list(chunks.values())] * 3
        assert await kv.get_by_ids(list(again)) == list(chunks.values())
        assert await kv.filter_keys([*chunks, "absent"]) == {"absent"}
        assert len(await kv.all_keys()) == 6000


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_both_versions_work(start_tls: Callable[..., TlsServer], trusting: Trusting, version: str) -> None:
    server = start_tls("--tls-protocols", version)
    async with trusting(server.url) as kv:
        await kv.upsert({f"{n}": "x" * n for n in range(0, 40_000, 997)})
        for n in range(0, 40_000, 997):
            assert await kv.get_by_id(f"{n}") == "x" * n


async def test_login_database_and_client_name_reach_the_server(
    start_tls: Callable[..., TlsServer], trusting: Trusting
) -> None:
    server = start_tls(password="a secret")
    async with trusting(f"{server.url}/3") as kv:
        await kv.upsert({"a": 1})
        with contextlib.closing(server.client(db=3)) as client:
            assert client.keys() == [b"nano_graphrag:text_chunks:a"]
            assert [line["db"] for line in client.client_list() if "nano" in line["name"]] == ["3"]
