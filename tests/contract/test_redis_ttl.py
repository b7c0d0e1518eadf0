"""Redis part: how long a record lives. Another client reads the server's clock (PTTL)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import redis

pytestmark = pytest.mark.redis_part

DEFAULTS = {  # namespace: seconds, 0 for ever
    "llm_response_cache": 43200,
    "community_reports": 86400,
    "text_chunks": 0,
    "full_docs": 0,
    "a_namespace_of_ones_own": 0,
}


def lives(raw: redis.Redis, namespace: str, id: str = "a") -> float:
    """Seconds until the key goes, rounded up to whole ones; 0 when it stays."""
    left = raw.pttl(f"nano_graphrag:{namespace}:{id}")
    assert left != -2, "there is no such key"
    return 0 if left == -1 else -(-int(left) // 1000)


@pytest.mark.parametrize("namespace", DEFAULTS)
async def test_each_namespace_has_its_default(make_kv: Any, raw: redis.Redis, namespace: str) -> None:
    await make_kv(namespace).upsert({"a": 1, "b": 2})
    assert lives(raw, namespace, "a") == pytest.approx(DEFAULTS[namespace], abs=5)
    assert lives(raw, namespace, "b") == pytest.approx(DEFAULTS[namespace], abs=5)


async def test_the_environment_sets_the_ttl(make_kv: Any, raw: redis.Redis, monkeypatch: Any) -> None:
    monkeypatch.setenv("REDIS_TTL_TEXT_CHUNKS", "600")
    monkeypatch.setenv("REDIS_TTL_LLM_RESPONSE_CACHE", "0")
    monkeypatch.setenv("REDIS_TTL_A_NAMESPACE_OF_ONES_OWN", "700")
    for namespace, seconds in {
        "text_chunks": 600,
        "llm_response_cache": 0,
        "a_namespace_of_ones_own": 700,
        "community_reports": 86400,
    }.items():
        await make_kv(namespace).upsert({"a": 1})
        assert lives(raw, namespace) == pytest.approx(seconds, abs=5)


async def test_global_config_sets_the_ttl(make_kv: Any, raw: redis.Redis) -> None:
    ttl = {"text_chunks": 60, "community_reports": 0}
    for namespace, seconds in {**ttl, "llm_response_cache": 43200}.items():
        await make_kv(namespace, redis_ttl=ttl).upsert({"a": 1})
        assert lives(raw, namespace) == pytest.approx(seconds, abs=5)


async def test_global_config_wins_over_the_environment(
    make_kv: Any, raw: redis.Redis, monkeypatch: Any
) -> None:
    monkeypatch.setenv("REDIS_TTL_TEXT_CHUNKS", "600")
    await make_kv(redis_ttl={"text_chunks": 60}).upsert({"a": 1})
    assert lives(raw, "text_chunks") == pytest.approx(60, abs=5)


@pytest.mark.parametrize("source", ["environment", "global_config"])
async def test_a_negative_ttl_is_a_warning_and_no_expiry(
    make_kv: Any, raw: redis.Redis, monkeypatch: Any, caplog: Any, source: str
) -> None:
    settings = {"redis_ttl": {"community_reports": -1}} if source == "global_config" else {}
    if source == "environment":
        monkeypatch.setenv("REDIS_TTL_COMMUNITY_REPORTS", "-1")
    with caplog.at_level(logging.WARNING):
        kv = make_kv("community_reports", **settings)
    await kv.upsert({"a": 1})
    assert lives(raw, "community_reports") == 0
    assert "-1" in caplog.text


@pytest.mark.parametrize("bad", ["soon", "12h", "1.5.2"])
async def test_a_ttl_that_is_no_number_fails_when_building(make_kv: Any, monkeypatch: Any, bad: str) -> None:
    monkeypatch.setenv("REDIS_TTL_TEXT_CHUNKS", bad)
    with pytest.raises(ValueError, match="REDIS_TTL_TEXT_CHUNKS") as caught:
        make_kv()
    assert bad in str(caught.value)


async def test_writing_again_starts_the_time_again(make_kv: Any, raw: redis.Redis) -> None:
    kv = make_kv("llm_response_cache")
    await kv.upsert({"a": 1})
    raw.expire("nano_graphrag:llm_response_cache:a", 10)
    await kv.upsert({"a": 2})
    assert lives(raw, "llm_response_cache") == pytest.approx(43200, abs=5)


async def test_writing_without_a_ttl_removes_an_old_one(kv: Any, raw: redis.Redis) -> None:
    await kv.upsert({"a": 1})
    raw.expire("nano_graphrag:text_chunks:a", 10)
    await kv.upsert({"a": 2})
    assert lives(raw, "text_chunks") == 0


async def test_reading_leaves_the_time_alone(make_kv: Any, raw: redis.Redis) -> None:
    kv = make_kv("llm_response_cache")
    await kv.upsert({"a": 1})
    raw.expire("nano_graphrag:llm_response_cache:a", 1000)
    await kv.get_by_id("a")
    await kv.get_by_ids(["a"])
    await kv.filter_keys(["a"])
    assert lives(raw, "llm_response_cache") == pytest.approx(1000, abs=5)


async def test_every_record_of_a_large_batch_has_its_ttl(make_kv: Any, raw: redis.Redis) -> None:
    await make_kv("llm_response_cache").upsert({f"id-{n}": {"text": "x" * 500} for n in range(5000)})
    with raw.pipeline(transaction=False) as pipe:
        for n in range(5000):
            pipe.ttl(f"nano_graphrag:llm_response_cache:id-{n}")
        assert min(pipe.execute()) > 43000


async def test_an_expired_record_is_absent(make_kv: Any) -> None:
    kv = make_kv(redis_ttl={"text_chunks": 1})
    await kv.upsert({"a": 1})
    assert await kv.get_by_id("a") == 1
    await asyncio.sleep(1.1)
    assert await kv.get_by_id("a") is None
    assert await kv.filter_keys(["a"]) == {"a"}
    assert await kv.all_keys() == []
