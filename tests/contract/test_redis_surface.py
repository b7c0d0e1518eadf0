"""Redis part: what callers of the replaced class use beside the methods, and the storage's life."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import redis
from nano_graphrag.base import BaseKVStorage
from servers import Server
from subject import NO_PATIENCE, Subject, close

pytestmark = pytest.mark.redis_part

METHODS = [
    *["all_keys", "get_by_id", "get_by_ids", "filter_keys", "upsert", "delete_by_id", "drop"],
    *["index_start_callback", "index_done_callback", "query_done_callback"],
    *["check_health", "ping", "get_stats", "aclose", "_ensure_initialized", "_cleanup"],
]


# --- the class -----------------------------------------------------------------------------------------


def test_the_class_has_the_name_that_backup_looks_for(subject: Subject) -> None:
    assert subject.cls.__name__ == "RedisKVStorage"


def test_it_is_a_storage_of_nano_graphrag(kv: Any) -> None:
    assert isinstance(kv, BaseKVStorage)
    assert issubclass(type(kv), BaseKVStorage)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_coroutine_function(subject: Subject, name: str) -> None:
    """Callers decide by it whether to await."""
    assert inspect.iscoroutinefunction(getattr(subject.cls, name))


async def test_building_does_no_io(subject: Subject) -> None:
    """Nobody listens at that address; port 1 of the loopback is reserved."""
    kv = subject.cls("full_docs", subject.config(redis_url="redis://127.0.0.1:1"))
    assert kv._initialized is False


def test_building_needs_no_event_loop(subject: Subject) -> None:
    assert subject.cls("full_docs", subject.config()).namespace == "full_docs"


# --- attributes ----------------------------------------------------------------------------------------


async def test_the_attributes_of_the_replaced_class(make_kv: Callable[..., Any]) -> None:
    kv = make_kv("llm_response_cache", redis_ttl={"llm_response_cache": 77})
    assert kv.namespace == "llm_response_cache"
    assert kv.global_config["redis_ttl"] == {"llm_response_cache": 77}
    assert kv._prefix == "nano_graphrag:llm_response_cache:"
    assert kv._ttl_config["llm_response_cache"] == 77
    assert kv._initialized is False
    await kv._ensure_initialized()
    assert kv._initialized is True
    await kv._cleanup()


async def test_health_router(kv: Any) -> None:
    """The API's health check asks for `is True` and not for truth."""
    assert hasattr(kv, "_redis_client")
    await kv._ensure_initialized()
    assert await kv._redis_client.ping() is True
    assert await kv.ping() is True
    assert await kv.check_health() is True


@pytest.mark.parametrize("namespace", ["text_chunks", "te*t[s]"])
async def test_backup_walks_the_raw_client(make_kv: Callable[..., Any], namespace: str) -> None:
    kv = make_kv(namespace)
    await kv.upsert({f"id-{n}": {"n": n} for n in range(500)})
    await kv._ensure_initialized()
    pattern = "nano_graphrag:te*"
    cursor, found = 0, {}
    while True:
        cursor, keys = await kv._redis_client.scan(cursor, match=pattern, count=100)
        assert type(cursor) is int
        for key in keys:
            assert type(key) is bytes
            found[key.decode()] = json.loads(await kv._redis_client.get(key))
        if cursor == 0:
            break
    assert found == {f"{kv._prefix}id-{n}": {"n": n} for n in range(500)}


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # redis-py's, should it be the raw client
async def test_the_raw_client_reads_and_writes_bytes(kv: Any, raw: redis.Redis) -> None:
    await kv._ensure_initialized()
    client = kv._redis_client
    await client.set("text key", "text value")
    await client.set(b"bytes key", b"\x00\xff")
    await client.setex("passing", 100, b"soon gone")
    assert raw.get("text key") == b"text value"
    assert raw.get("bytes key") == b"\x00\xff"
    assert 90 < raw.ttl("passing") <= 100
    assert await client.get("text key") == b"text value"
    assert await client.get(b"bytes key") == b"\x00\xff"
    assert await client.get("nowhere") is None
    assert await client.exists("text key") == 1
    assert await client.exists("nowhere") == 0
    assert await client.delete("text key", b"bytes key", "nowhere") == 2
    assert raw.keys() == [b"passing"]


async def test_the_raw_client_saves(kv: Any, subject: Subject) -> None:
    await kv._ensure_initialized()
    await kv._redis_client.bgsave()
    assert subject.server is not None
    assert subject.server.calls("bgsave") == 1


# --- callbacks, statistics -----------------------------------------------------------------------------


@pytest.mark.parametrize("clear", [True, False])
async def test_clear_on_start_empties_the_namespace(make_kv: Callable[..., Any], clear: bool) -> None:
    kv, other = make_kv("full_docs", clear_on_start=clear), make_kv("text_chunks")
    await kv.upsert({"a": 1})
    await other.upsert({"a": 2})
    await kv.index_start_callback()
    assert await kv.all_keys() == ([] if clear else ["a"])
    assert await other.all_keys() == ["a"]


async def test_index_done_after_each_answer_does_not_fork_the_server_each_time(
    make_kv: Callable[..., Any], own_server: Server
) -> None:
    kv = make_kv("llm_response_cache", redis_url=own_server.url)
    for n in range(30):
        await kv.upsert({f"answer-{n}": {"return": "text"}})
        await kv.index_done_callback()
    assert own_server.calls("bgsave") <= 1


async def test_index_done_leaves_a_server_with_an_append_only_file_alone(
    make_kv: Callable[..., Any], subject: Subject, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, appendonly=True)
    kv = make_kv(redis_url=server.url)
    await kv.upsert({"a": 1})
    await kv.index_done_callback()
    assert server.calls("bgsave") == 0


async def test_statistics_are_plain_json(kv: Any) -> None:
    await kv.upsert({"a": 1})
    await kv.get_by_id("a")
    stats = await kv.get_stats()
    assert isinstance(stats, dict)
    assert json.loads(json.dumps(stats)) == stats
    assert stats


async def test_nothing_shows_the_password(
    subject: Subject, make_kv: Callable[..., Any], start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, password="canary-4711")
    kv = make_kv(redis_url=server.url)
    await kv.upsert({"a": 1})
    shown = f"{kv!r} {kv} {kv._redis_client!r} {await kv.get_stats()}"
    assert "canary" not in shown


# --- life ----------------------------------------------------------------------------------------------


async def test_await_connects_and_gives_the_storage(make_kv: Callable[..., Any]) -> None:
    kv = make_kv()
    assert await kv is kv
    assert kv._initialized is True


async def test_async_with_closes_and_the_storage_can_be_used_again(make_kv: Callable[..., Any]) -> None:
    async with make_kv() as kv:
        await kv.upsert({"a": 1})
    await kv.aclose()
    await kv.aclose()
    assert await kv.get_by_id("a") == 1


async def test_closing_before_the_first_call_is_fine(make_kv: Callable[..., Any]) -> None:
    await make_kv().aclose()


async def test_closing_one_of_two_leaves_the_other(make_kv: Callable[..., Any]) -> None:
    one, other = make_kv("full_docs"), make_kv("text_chunks")
    await one.upsert({"a": 1})
    await other.upsert({"a": 2})
    await one.aclose()
    assert await other.get_by_id("a") == 2


def test_one_storage_serves_one_event_loop_after_another(subject: Subject) -> None:
    """An application may call asyncio.run() more than once with the same storage, closing it in between."""
    kv = subject.cls("full_docs", subject.config())

    async def count(n: int) -> Any:
        await kv.upsert({"a": {"n": n}})
        answer = await kv.get_by_id("a")
        await close(kv)
        return answer

    assert [asyncio.run(count(n)) for n in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda kv: pickle.loads(pickle.dumps(kv))],
    ids=["copy", "deepcopy", "pickle"],
)
async def test_a_copy_is_a_working_storage_with_the_same_settings(
    make_kv: Callable[..., Any], raw: redis.Redis, duplicate: Callable[[Any], Any]
) -> None:
    kv = make_kv("full_docs", redis_ttl={"full_docs": 300})
    await kv.upsert({"a": {"n": 1}})
    other = duplicate(kv)
    assert await other.get_by_id("a") == {"n": 1}
    await other.upsert({"b": {"n": 2}})
    await close(other)
    assert 290 < raw.ttl("nano_graphrag:full_docs:b") <= 300
    assert await kv.get_by_ids(["a", "b"]) == [{"n": 1}, {"n": 2}]


async def test_two_hundred_first_calls_on_eight_connections(
    make_kv: Callable[..., Any], own_server: Server
) -> None:
    kv = make_kv(redis_url=own_server.url, redis_max_connections=8)
    with contextlib.closing(own_server.client()) as client:
        client.mset({f"{kv._prefix}id-{n}": n for n in range(200)})
        answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(200)])
        assert answers == list(range(200))
        assert len(client.client_list()) - 1 <= 8, "one of them is the client that asks"


async def test_a_unix_socket_is_an_address_too(make_kv: Callable[..., Any], own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.unix_url)
    await kv.upsert({"a": 1})
    assert await kv.get_by_id("a") == 1


async def test_a_database_number_is_part_of_the_address(
    make_kv: Callable[..., Any], own_server: Server
) -> None:
    kv, other = make_kv(redis_url=f"{own_server.url}/3"), make_kv(redis_url=own_server.url)
    await kv.upsert({"a": 1})
    assert await other.get_by_id("a") is None
    with contextlib.closing(own_server.client(db=3)) as third:
        assert third.keys() == [b"nano_graphrag:text_chunks:a"]


async def test_the_address_may_come_from_the_environment(
    subject: Subject, own_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("REDIS_URL", own_server.url)
    kv = subject.cls("full_docs", {"working_dir": str(tmp_path), **NO_PATIENCE})
    await kv.upsert({"a": 1})
    await close(kv)
    with contextlib.closing(own_server.client()) as client:
        assert client.keys() == [b"nano_graphrag:full_docs:a"]
