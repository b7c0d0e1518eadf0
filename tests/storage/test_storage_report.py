"""What a storage tells: statistics, log lines, remarks at first use, durability; and its shape as an object."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import logging
import pickle
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from figures import Figure
from scripted import ScriptedServer, answering, bulk
from servers import Server
from storages import NO_PATIENCE, OUTAGE, storage

from nano_graphrag_redis import RedisKVStorage, _native, first_use
from nano_graphrag_redis.errors import CorruptValueError


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the storage has logged so far, INFO and above."""
    caplog.set_level(logging.INFO, "nano_graphrag_redis")

    def get() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.name == "nano_graphrag_redis"]

    return get


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remarks are made once per process; each test starts anew."""
    monkeypatch.setattr(first_use, "_told", set())


# --- statistics ----------------------------------------------------------------------------------------


async def test_statistics_count_what_happened(server: Server) -> None:
    kv = storage(server.url, redis_durability="none")
    assert (await kv.get_stats())["values"] == {"hits": 0, "misses": 0, "writes": 0, "corrupt": 0}
    await kv.upsert({f"id-{n}": n for n in range(10)})
    await kv.get_by_ids(["id-1", "x", "id-1", "y"])
    await kv.get_by_id("id-2")
    await kv._redis_client.set("nano_graphrag:text_chunks:bad", b"{")
    with pytest.raises(CorruptValueError):
        await kv.get_by_id("bad")
    stats = await kv.get_stats()
    assert stats["values"] == {"hits": 4, "misses": 2, "writes": 10, "corrupt": 1}
    assert stats["connections"] == {"open": 1, "ready": 1, "max": 50, "opened": 1, "lost": 0}
    assert stats["calls"]["started"] == 5
    assert stats["calls"]["failed"] == 1
    assert stats["calls"]["pending"] == 0
    assert stats["traffic"]["bytes_in"] > 50
    assert stats["traffic"]["bytes_out"] > 100
    assert json.loads(json.dumps(stats)) == stats
    await kv.aclose()


async def test_statistics_before_the_first_call_and_in_an_outage_do_no_io(server: Server) -> None:
    server.stop()
    kv = storage(server.url, **NO_PATIENCE)
    started = time.monotonic()
    assert (await kv.get_stats())["backend"] == "redis"
    with pytest.raises(OUTAGE):
        await kv.get_by_id("a")
    stats = await kv.get_stats()
    assert (stats["calls"]["failed"], stats["connections"]["open"]) == (1, 0)
    assert time.monotonic() - started < 1.0


async def test_an_answer_without_a_question_does_not_count_as_a_servers_answer() -> None:
    kv = storage("redis://127.0.0.1:1", **NO_PATIENCE)
    assert await kv.get_by_ids([]) == []
    assert await kv.filter_keys([]) == set()
    await kv.upsert({})
    assert kv._initialized is False, "no server was asked"


async def test_initialized_tells_whether_the_server_has_answered(server: Server) -> None:
    kv = storage(server.url)
    assert kv._initialized is False
    await kv._ensure_initialized()
    assert kv._initialized is True
    await kv.aclose()


# --- the log -------------------------------------------------------------------------------------------


async def test_an_outage_and_its_end_are_one_line_each(server: Server, lines: Any, figure: Figure) -> None:
    kv = storage(server.url, redis_durability="none", **NO_PATIENCE)
    await kv.upsert({"a": 1})
    assert lines() == []
    server.stop()
    for _ in range(5):
        await asyncio.gather(*[kv.get_by_id("a") for _ in range(50)], return_exceptions=True)
    server.start()
    await kv.get_by_id("a")
    told = lines()
    figure("log lines for 250 failed calls, the outage and its end", len(told))
    assert len(told) == 2, told
    assert told[0].startswith(f"redis://127.0.0.1:{server.port}/0: ")
    assert told[1] == f"redis://127.0.0.1:{server.port}/0: reachable again"
    await kv.aclose()


async def test_an_ordinary_life_is_silent(server: Server, lines: Any) -> None:
    async with storage(server.url, redis_durability="none", redis_health_check_interval=0.05) as kv:
        await kv.upsert({"a": 1})
        await kv.get_by_ids(["a", "b"])
        await asyncio.sleep(0.2)
        await kv.index_done_callback()
        await kv.query_done_callback()
        await kv.drop()
    assert lines() == []


async def test_a_type_that_json_lacks_is_reported_once(server: Server, lines: Any) -> None:
    class Unheard:
        def __str__(self) -> str:
            return "unheard"

    async with storage(server.url, redis_durability="none") as kv:
        for n in range(5):
            await kv.upsert({f"id-{n}": [Unheard(), Unheard()]})
    assert len(lines()) == 1
    assert "Unheard" in lines()[0]


# --- first use -----------------------------------------------------------------------------------------


def json_file(folder: Path, namespace: str, rows: Any) -> None:
    (folder / f"kv_store_{namespace}.json").write_text(json.dumps(rows))


async def test_rows_that_are_still_in_the_json_file_are_told_once(
    server: Server, lines: Any, tmp_path: Path
) -> None:
    json_file(tmp_path, "full_docs", {"doc-1": {"content": "x"}})
    for _ in range(3):
        async with storage(server.url, "full_docs", working_dir=str(tmp_path)) as kv:
            assert await kv.get_by_id("doc-1") is None
    told = [line for line in lines() if "migrate" in line]
    assert len(told) == 1
    assert f"ngr-redis migrate {tmp_path}" in told[0]


@pytest.mark.parametrize("there", ["doc-1", "another"])
async def test_nothing_is_told_when_the_namespace_has_rows(
    server: Server, lines: Any, tmp_path: Path, there: str
) -> None:
    async with storage(server.url, "full_docs") as kv:
        await kv.upsert({there: 1})
    json_file(tmp_path, "full_docs", {"doc-1": {"content": "x"}})
    async with storage(server.url, "full_docs", working_dir=str(tmp_path)) as kv:
        await kv.get_by_id("doc-1")
    assert not [line for line in lines() if "migrate" in line]


@pytest.mark.parametrize("content", ["", "{}", "[]", "{broken", '{"a"', "null", "\x00", '{"é": 1}'])
async def test_any_file_is_looked_at_without_harm(server: Server, tmp_path: Path, content: str) -> None:
    (tmp_path / "kv_store_full_docs.json").write_text(content)
    async with storage(server.url, "full_docs", working_dir=str(tmp_path)) as kv:
        assert await kv.get_by_id("a") is None


async def test_the_remark_is_made_once_an_outage_is_over(server: Server, lines: Any, tmp_path: Path) -> None:
    json_file(tmp_path, "full_docs", {"doc-1": 1})
    kv = storage(server.url, "full_docs", working_dir=str(tmp_path), **NO_PATIENCE)
    server.stop()
    with pytest.raises(OUTAGE):
        await kv.get_by_id("doc-1")
    server.start()
    assert await kv.get_by_id("doc-1") is None
    assert [line for line in lines() if "migrate" in line]
    await kv.aclose()


async def test_reports_that_expire_are_told_once(server: Server, lines: Any) -> None:
    for _ in range(2):
        async with storage(server.url, "community_reports") as kv:
            await kv.get_by_id("a")
    told = [line for line in lines() if "REDIS_TTL_COMMUNITY_REPORTS=0" in line]
    assert len(told) == 1
    assert "86400 s" in told[0]


# --- durability ----------------------------------------------------------------------------------------


async def test_auto_asks_for_one_snapshot_however_many_answers_and_storages(
    server: Server, lines: Any
) -> None:
    storages = [storage(server.url, name) for name in ("full_docs", "text_chunks", "llm_response_cache")]
    for n in range(10):
        for kv in storages:
            await kv.upsert({f"id-{n}": n})
            await kv.index_done_callback()
    assert server.calls("bgsave") == 1
    report = (await storages[0].get_stats())["durability"]
    assert report["configured"] == "auto"
    assert report["reached"] == "bgsave"
    assert time.time() - report["last_snapshot"] < 10
    assert len([line for line in lines() if "durability" in line]) == 1
    for kv in storages:
        await kv.aclose()


async def test_auto_leaves_a_server_with_an_append_only_file_alone(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("redis", appendonly=True)
    async with storage(server.url) as kv:
        await kv.upsert({"a": 1})
        await kv.index_done_callback()
        assert (await kv.get_stats())["durability"]["reached"] == "aof"
    assert server.calls("bgsave") == 0


async def test_none_asks_for_nothing(server: Server) -> None:
    async with storage(server.url, redis_durability="none") as kv:
        await kv.upsert({"a": 1})
        await kv.index_done_callback()
    assert server.calls("bgsave") == 0


async def test_a_snapshot_under_way_is_joined(lines: Any) -> None:
    table = {
        "SET": b"+OK\r\n",
        "INFO": bulk(b"aof_enabled:0\r\n"),
        "BGSAVE": b"-ERR Background save already in progress\r\n",
    }
    with ScriptedServer(answering(table)) as server:
        async with storage(server.url) as kv:
            await kv.upsert({"a": 1})
            await kv.index_done_callback()
            assert (await kv.get_stats())["durability"]["reached"] == "bgsave"


async def test_wait_reports_what_was_reached(server: Server, lines: Any) -> None:
    async with storage(server.url, redis_durability="wait:1", redis_socket_timeout=0.4) as kv:
        for n in range(3):
            await kv.upsert({"a": n})
        assert (await kv.get_stats())["durability"]["reached"] == "wait:0"
    assert len([line for line in lines() if "fewer copies than configured" in line]) == 1


async def test_nothing_of_durability_raises_in_an_outage(server: Server) -> None:
    kv = storage(server.url, redis_bgsave_interval=0, **NO_PATIENCE)
    await kv.upsert({"a": 1})
    server.stop()
    await kv.index_done_callback()
    assert (await kv.get_stats())["durability"]["reached"] == "none"
    await kv.aclose()


async def test_a_snapshot_that_was_cancelled_is_asked_for_by_the_next_callback(server: Server) -> None:
    kv = storage(server.url, redis_bgsave_interval=0)
    await kv.upsert({"a": 1})
    with server.frozen():
        task = asyncio.ensure_future(kv.index_done_callback())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await kv.index_done_callback()
    assert server.calls("bgsave") == 1
    await kv.aclose()


# --- as an object --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda kv: pickle.loads(pickle.dumps(kv))],
    ids=["copy", "deepcopy", "pickle"],
)
async def test_a_duplicate_shares_connections_and_closes_alone(server: Server, duplicate: Any) -> None:
    kv = storage(server.url, "full_docs", redis_key_prefix="mine", addon_params={"x": {"deep": [1]}})
    await kv.upsert({"a": 1})
    other = duplicate(kv)
    assert type(other) is RedisKVStorage
    assert (other.namespace, other._prefix, other._ttl_config) == (kv.namespace, kv._prefix, kv._ttl_config)
    assert await other.get_by_id("a") == 1
    assert (await other.get_stats())["connections"]["opened"] == 1
    await other.aclose()
    assert await kv.get_by_id("a") == 1
    await kv.aclose()


async def test_a_storage_can_be_copied_while_calls_wait(server: Server) -> None:
    kv = storage(server.url)
    with server.frozen():
        task = asyncio.ensure_future(kv.get_by_id("a"))
        await asyncio.sleep(0.01)
        other = copy.deepcopy(kv)
    assert await task is None
    assert await other.get_by_id("a") is None
    await kv.aclose()
    await other.aclose()


async def test_a_subclass_stays_one(server: Server) -> None:
    class Mine(RedisKVStorage):
        pass

    kv = Mine("full_docs", {"redis_url": server.url, "best_model_func": lambda: None})
    assert type(copy.deepcopy(kv)) is Mine
    assert await (await kv).ping()
    await kv.aclose()


async def test_every_call_is_a_coroutine_that_may_be_awaited_once(server: Server) -> None:
    kv = storage(server.url)
    coroutine = kv.get_by_id("a")
    assert inspect.iscoroutine(coroutine)
    assert await coroutine is None
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await coroutine
    await kv.aclose()


async def test_the_native_awaitable_may_be_awaited_by_hand(server: Server) -> None:
    kv = await storage(server.url)
    operation = kv._store.get("a")
    assert next(operation) is operation
    assert asyncio.isfuture(operation)
    for wrong in ((), (1,), (KeyError, "mine", 1), (KeyError, "mine", None, None)):
        with pytest.raises(TypeError):
            operation.throw(*wrong)
    with pytest.raises(KeyError, match="mine"):
        operation.throw(KeyError("mine"))
    with pytest.raises(KeyError, match="mine"):
        operation.throw(KeyError, "mine", None)
    operation.close()
    with pytest.raises(TypeError):
        type(operation)()
    await kv.aclose()


def test_the_extension_exports_its_init_function_alone() -> None:
    library = _native.__file__
    assert library is not None
    if not shutil.which("nm"):
        raise RuntimeError("the test needs nm: apt-get install -y binutils")
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    )
    names = [line.split()[-1] for line in listing.stdout.splitlines()]
    assert [name for name in names if not name.startswith(("__asan", "__odr_asan"))] == ["PyInit__native"]
