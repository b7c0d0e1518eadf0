"""Redis part: which keys a storage uses, and that it never touches anybody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from scripted import ScriptedServer, Words, answering, array, bulk

pytestmark = pytest.mark.redis_part

NEIGHBOURS = {  # a namespace, and others that a careless pattern for it would match
    "te*t": ["text", "te-a-t", "tet"],
    "te?t": ["text", "te*t"],
    "te[xs]t": ["text", "test", "te[xs]", "te[xs]t2"],
    "te[^a]t": ["text", "te^t"],
    "te\\xt": ["text", "texxt", "te\\\\xt"],
    "{text}": ["text", "{text}2"],
    "*": ["a", "**", "text_chunks"],
    "text": ["text2", "tex", "TEXT", "text_chunks", "text text", "text*"],
    "with space": ["withspace", "with", "with  space"],
    "line\nbreak": ["line", "line break"],
    "naïve 😀": ["naive 😀", "naïve", "naïve 😁"],
}


async def test_a_key_is_prefix_namespace_and_id(kv: Any, raw: redis.Redis) -> None:
    await kv.upsert({"chunk-1": {}, "naïve:😀 *": {}})
    assert sorted(raw.keys()) == [
        b"nano_graphrag:text_chunks:chunk-1",
        "nano_graphrag:text_chunks:naïve:😀 *".encode(),
    ]


async def test_redis_key_prefix_takes_the_place_of_nano_graphrag(make_kv: Any, raw: redis.Redis) -> None:
    kv = make_kv("full_docs", redis_key_prefix="tenant-7")
    await kv.upsert({"doc-1": {"n": 1}})
    assert raw.keys() == [b"tenant-7:full_docs:doc-1"]
    assert await kv.get_by_id("doc-1") == {"n": 1}
    assert await make_kv("full_docs").get_by_id("doc-1") is None


@pytest.mark.parametrize("setting", ["namespace", "redis_key_prefix"])
@pytest.mark.parametrize("bad", ["", "a:b", ":"])
async def test_an_ambiguous_name_is_refused_when_building(make_kv: Any, setting: str, bad: str) -> None:
    with pytest.raises(ValueError, match=setting):
        make_kv(bad) if setting == "namespace" else make_kv(redis_key_prefix=bad)


@pytest.mark.parametrize("namespace", NEIGHBOURS, ids=ascii)
async def test_drop_and_all_keys_keep_to_their_namespace(
    make_kv: Callable[..., Any], raw: redis.Redis, namespace: str
) -> None:
    kv, others = make_kv(namespace), {name: make_kv(name) for name in NEIGHBOURS[namespace]}
    await kv.upsert({"a": 1, "*": 2})
    for name, other in others.items():
        await other.upsert({"a": name, "*": name})
    assert sorted(await kv.all_keys()) == ["*", "a"]
    await kv.drop()
    assert await kv.all_keys() == []
    for name, other in others.items():
        assert await other.get_by_ids(["a", "*"]) == [name, name]
    assert raw.dbsize() == 2 * len(others)


@pytest.mark.parametrize("prefix", ["ten*nt", "ten?nt", "[t]enant", "*", "ten\\ant", "{tenant}"])
async def test_a_prefix_is_no_pattern_either(make_kv: Any, raw: redis.Redis, prefix: str) -> None:
    kv, other = make_kv(redis_key_prefix=prefix), make_kv(redis_key_prefix="tenant")
    await kv.upsert({"mine": 1})
    await other.upsert({"theirs": 2})
    assert await kv.all_keys() == ["mine"]
    await kv.drop()
    assert raw.keys() == [b"tenant:text_chunks:theirs"]


async def test_foreign_keys_of_any_kind_are_left_alone(kv: Any, raw: redis.Redis) -> None:
    with raw.pipeline(transaction=False) as pipe:
        for n in range(20_000):
            pipe.set(f"session:{n}", n)
        pipe.rpush("nano_graphrag:queue", "job")
        pipe.hset("nano_graphrag", "field", "value")
        pipe.set("nano_graphrag:text_chunks", "no colon behind")
        pipe.set(b"\xff\x00binary", "not even text")
        pipe.execute()
    await kv.upsert({"a": 1, "b": 2})
    assert sorted(await kv.all_keys()) == ["a", "b"]
    await kv.drop()
    assert raw.dbsize() == 20_004


async def test_drop_does_not_block_the_server(kv: Any, subject: Any) -> None:
    """UNLINK frees in the background; KEYS and DEL would hold up everybody."""
    await kv.upsert({f"id-{n}": n for n in range(2000)})
    await kv.drop()
    assert subject.server.calls("unlink") > 0
    assert [subject.server.calls(name) for name in ("del", "keys", "flushdb", "flushall")] == [0, 0, 0, 0]


async def test_an_id_of_a_megabyte(kv: Any, raw: redis.Redis) -> None:
    id = "é" * 500_000
    await kv.upsert({id: {"n": 1}})
    assert raw.get("nano_graphrag:text_chunks:" + id) == b'{"n":1}'
    assert await kv.all_keys() == [id]
    assert await kv.get_by_ids([id]) == [{"n": 1}]


async def test_a_key_that_scan_repeats_is_named_once(subject: Any, make_kv: Any) -> None:
    """SCAN may give a key again while the server's table grows or shrinks."""

    def scan(words: Words) -> bytes:
        names = (b"a", b"b") if words[1] == b"0" else (b"b", b"c", b"a")
        keys = [bulk(b"nano_graphrag:text_chunks:" + name) for name in names]
        return array(bulk(b"17" if words[1] == b"0" else b"0"), array(*keys))

    with ScriptedServer(answering({"SCAN": scan})) as server:
        async with make_kv(redis_url=server.url) as kv:
            assert sorted(await kv.all_keys()) == ["a", "b", "c"]


# --- delete --------------------------------------------------------------------------------------------


async def test_delete_says_whether_it_was_there(kv: Any, raw: redis.Redis) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    assert await kv.delete_by_id("a") is True
    assert await kv.delete_by_id("a") is False
    assert await kv.delete_by_id("nowhere") is False
    assert raw.keys() == [b"nano_graphrag:text_chunks:b"]


async def test_a_deleted_id_is_absent_everywhere(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    await kv.delete_by_id("a")
    assert await kv.get_by_id("a") is None
    assert await kv.get_by_ids(["a", "b"]) == [None, {"n": 2}]
    assert await kv.filter_keys(["a", "b"]) == {"a"}
    assert await kv.all_keys() == ["b"]


@pytest.mark.parametrize("falsy", [None, False, 0, "", [], {}])
async def test_a_falsy_value_was_there_too(kv: Any, falsy: Any) -> None:
    await kv.upsert({"a": falsy})
    assert await kv.delete_by_id("a") is True


async def test_delete_takes_an_id_and_not_a_pattern(kv: Any) -> None:
    await kv.upsert({"a*": 1, "ab": 2, "[a]": 3, "a": 4})
    assert await kv.delete_by_id("a*") is True
    assert await kv.delete_by_id("[a]") is True
    assert await kv.get_by_ids(["ab", "a"]) == [2, 4]
