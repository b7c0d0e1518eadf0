"""What the API, health and backup modules of the factory flavour call on a storage, on a real server."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from nano_graphrag_redis import RedisKVStorage, install

RECORDS = {
    "doc-1": {"content": "Grüße, 世界 🌍", "tokens": 3},
    "doc-2": {"content": "", "weights": [1.0, -0.0, 1e-7]},
    "doc-3": {"nested": {"list": [None, True, "x"]}},
}


@pytest.fixture
async def storages(fork: ModuleType, redis_server: Any) -> AsyncIterator[dict[str, Any]]:
    """The storages of a GraphRAG whose configuration names Redis, made by the factory."""
    from nano_graphrag.config import GraphRAGConfig, StorageConfig

    redis_server.wipe()
    install()
    rag = fork.GraphRAG(GraphRAGConfig(storage=StorageConfig(kv_backend="redis", redis_url=redis_server.url)))
    storages = {
        name: getattr(rag, name)
        for name in ("full_docs", "text_chunks", "community_reports", "llm_response_cache")
    }
    yield storages
    for storage in storages.values():
        await storage.aclose()


async def scan_all(storage: Any, count: int = 1000) -> list[bytes]:
    await storage._ensure_initialized()
    keys: list[bytes] = []
    cursor = 0
    while True:
        cursor, found = await storage._redis_client.scan(cursor, match=f"{storage._prefix}*", count=count)
        keys += found
        if cursor == 0:
            return keys


async def test_factory_makes_our_storages(storages: dict[str, Any]) -> None:
    for namespace, storage in storages.items():
        assert type(storage) is RedisKVStorage
        assert storage.namespace == namespace


async def test_health_check_sees_true_itself(storages: dict[str, Any]) -> None:
    storage = storages["full_docs"]
    assert hasattr(storage, "_redis_client")
    await storage._ensure_initialized()
    assert (await storage._redis_client.ping()) is True
    assert (await storage.check_health()) is True


async def test_health_check_of_a_fresh_storage_finds_the_client(redis_server: Any) -> None:
    """It asks with hasattr before anything else was called; without the attribute it reports "healthy"."""
    storage = RedisKVStorage("full_docs", {"redis_url": redis_server.url})
    assert hasattr(storage, "_redis_client")
    await storage._ensure_initialized()
    assert storage._initialized is True
    await storage.aclose()


async def test_stats_are_plain_json(storages: dict[str, Any]) -> None:
    await storages["full_docs"].upsert(RECORDS)
    for storage in storages.values():
        stats = await storage.get_stats()
        assert isinstance(stats, dict)
        assert json.loads(json.dumps(stats)) == stats


async def test_clearing_the_cache_leaves_the_documents(storages: dict[str, Any]) -> None:
    await storages["llm_response_cache"].upsert({"hash": {"return": "answer", "model": "m"}})
    await storages["full_docs"].upsert(RECORDS)
    await storages["llm_response_cache"].drop()
    assert await storages["llm_response_cache"].all_keys() == []
    assert sorted(await storages["full_docs"].all_keys()) == sorted(RECORDS)


@pytest.mark.parametrize("method", ["get_by_id", "delete_by_id", "upsert", "drop", "check_health"])
async def test_adapter_recognises_the_methods_as_coroutines(storages: dict[str, Any], method: str) -> None:
    """The adapter runs what is no coroutine function in a thread."""
    assert inspect.iscoroutinefunction(getattr(storages["full_docs"], method))
    assert asyncio.iscoroutinefunction(getattr(storages["full_docs"], method))


async def test_documents_are_fetched_and_deleted_one_by_one(storages: dict[str, Any]) -> None:
    storage = storages["full_docs"]
    await storage.upsert(RECORDS)
    assert await storage.get_by_id("doc-1") == RECORDS["doc-1"]
    assert await storage.delete_by_id("doc-1") is True
    assert await storage.delete_by_id("doc-1") is False
    assert await storage.get_by_id("doc-1") is None


async def test_backup_dispatches_on_the_class_name(storages: dict[str, Any]) -> None:
    assert {type(storage).__name__ for storage in storages.values()} == {"RedisKVStorage"}


async def test_backup_reads_every_record_by_scan_and_get(storages: dict[str, Any]) -> None:
    storage = storages["full_docs"]
    await storage.upsert(RECORDS)
    await storages["text_chunks"].upsert({"chunk-1": {"content": "not ours"}})
    exported = {}
    for key in await scan_all(storage):
        assert isinstance(key, bytes)
        value = await storage._redis_client.get(key)
        assert isinstance(value, bytes)
        exported[key.decode().replace(storage._prefix, "", 1)] = json.loads(value.decode())
    assert exported == RECORDS


async def test_cursor_of_a_scan_is_a_number_that_ends_at_zero(storages: dict[str, Any]) -> None:
    storage = storages["text_chunks"]
    await storage.upsert({f"chunk-{number}": {"content": str(number)} for number in range(500)})
    cursor, keys = await storage._redis_client.scan(0, match=f"{storage._prefix}*", count=10)
    assert type(cursor) is int
    assert cursor != 0
    assert len(keys) < 500
    assert len(set(await scan_all(storage, count=10))) == 500


@pytest.mark.parametrize("kind", [str, bytes])
async def test_client_takes_keys_as_text_and_as_bytes(storages: dict[str, Any], kind: type) -> None:
    storage = storages["full_docs"]
    await storage.upsert(RECORDS)
    key = f"{storage._prefix}doc-3"
    value = await storage._redis_client.get(key if kind is str else key.encode())
    assert json.loads(value) == RECORDS["doc-3"]
    assert await storage._redis_client.get(f"{storage._prefix}absent") is None


async def test_restore_writes_a_whole_namespace(storages: dict[str, Any]) -> None:
    storage = storages["community_reports"]
    await storage.upsert(json.loads(json.dumps(RECORDS)))
    assert await storage.get_by_ids(list(RECORDS)) == list(RECORDS.values())


async def test_backup_counts_by_scan(storages: dict[str, Any]) -> None:
    await storages["full_docs"].upsert(RECORDS)
    assert len(await scan_all(storages["full_docs"])) == len(RECORDS)
    assert await scan_all(storages["text_chunks"]) == []


async def test_destroying_the_client_is_possible_as_before(storages: dict[str, Any]) -> None:
    storage = storages["full_docs"]
    await storage.upsert(RECORDS)
    await storage._cleanup()
    await storage._cleanup()
