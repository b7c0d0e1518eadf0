"""Redis part: the bytes under a key. Old and new workers may share one Redis, so the format is a promise."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy
import pytest
import redis
from subject import spelled

pytestmark = pytest.mark.redis_part

RECORDS = {
    "chunk": {"tokens": 3, "content": "Zoë says: 漢字 😀", "chunk_order_index": 0, "full_doc_id": "doc-1"},
    "report": {
        "report_json": {"rating": 7.5, "findings": [{"a": None}, []]},
        "edges": [["A", "B"]],
        "ok": True,
    },
    "escapes": {"text": 'a "quote", a \\ and a /', "break": "line\nline\ttab\r", "nul": "a\x00b"},
    "numbers": [0, -1, 2**63, -(10**40), 1.0, -0.0, 1e-7, 1e22, 123456789.123],
    "text": "only a text",
    "null": None,
}

READABLE = {  # what json.dumps and other writers may have put there
    "spaces": (b' { "a" : [ 1 , 2 ] ,\r\n\t"b":{ } } ', {"a": [1, 2], "b": {}}),
    "escaped": (rb'{"a": "Zo\u00eb \u6f22 \ud83d\ude00 \/ \b\f\n\r\t"}', {"a": "Zoë 漢 😀 / \b\f\n\r\t"}),
    "not a number": (b"[NaN, Infinity, -Infinity]", [float("nan"), float("inf"), float("-inf")]),
    "huge": (b"123456789012345678901234567890", 123456789012345678901234567890),
    "overflow": (b"[1e400, -1e400]", [float("inf"), float("-inf")]),
    "lone surrogate": (rb'"\ud800 \udc00\ud800"', "\ud800 \udc00\ud800"),
    "repeated key": (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
    "exponents": (b"[1E2, 1e+2, 1.5e-3, 0e0, -0, -0.0]", [1e2, 1e2, 1.5e-3, 0.0, 0, -0.0]),
}

CORRUPT = {
    "nothing": b"",
    "no JSON": b"hello",
    "half a record": b'{"content": "abc',
    "one record and more": b'{"a": 1} {"b": 2}',
    "trailing comma": b"[1, 2,]",
    "single quotes": b"{'a': 1}",
    "wrong number": b"01",
    "control character": b'"a\nb"',
    "byte order mark": b"\xef\xbb\xbf1",
    "no UTF-8": b'"\xff"',
    "UTF-8 of a surrogate": b'"\xed\xa0\x80"',
    "a pickle": b"\x80\x04K\x01.",
}

KEY = "nano_graphrag:text_chunks:a"


# --- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECORDS)
async def test_a_value_is_compact_utf8_json(kv: Any, raw: redis.Redis, kind: str) -> None:
    await kv.upsert({"a": RECORDS[kind]})
    assert raw.get(KEY) == json.dumps(RECORDS[kind], ensure_ascii=False, separators=(",", ":")).encode()


async def test_a_lone_surrogate_is_stored_as_its_escape(kv: Any, raw: redis.Redis) -> None:
    await kv.upsert({"a": "\ud83d alone, and é"})
    assert raw.get(KEY) == '"\\ud83d alone, and é"'.encode()


async def test_tuples_are_stored_as_lists(kv: Any) -> None:
    await kv.upsert({"a": {"edge": ("A", ("B", 1))}})
    assert await kv.get_by_id("a") == {"edge": ["A", ["B", 1]]}


async def test_keys_of_a_record_become_text_as_json_does_it(kv: Any) -> None:
    await kv.upsert({"a": {7: "int", 2.5: "float", True: "bool", None: "none"}})
    assert await kv.get_by_id("a") == {"7": "int", "2.5": "float", "true": "bool", "null": "none"}


async def test_numpy_numbers_are_numbers(kv: Any) -> None:
    await kv.upsert({"a": [numpy.int64(7), numpy.float32(0.5), numpy.float64(0.1), numpy.bool_(True)]})
    assert spelled(await kv.get_by_id("a")) == "[7, 0.5, 0.1, true]"


async def test_other_types_are_stored_as_their_text(kv: Any) -> None:
    await kv.upsert({"a": {"when": datetime.date(2024, 2, 29)}})
    assert await kv.get_by_id("a") == {"when": "2024-02-29"}


async def test_a_value_that_is_no_json_leaves_the_whole_batch_unwritten(kv: Any, raw: redis.Redis) -> None:
    await kv.upsert({"old": 1})
    endless: list[Any] = []
    endless.append(endless)
    batch = {f"id-{n}": n for n in range(500)} | {"old": 2, "the-bad-one": {"findings": [endless]}}
    with pytest.raises(ValueError, match="the-bad-one"):
        await kv.upsert(batch)
    assert raw.keys() == [b"nano_graphrag:text_chunks:old"]
    assert await kv.get_by_id("old") == 1


async def test_a_record_with_an_impossible_key_is_refused(kv: Any, raw: redis.Redis) -> None:
    with pytest.raises((TypeError, ValueError), match="the-bad-one"):
        await kv.upsert({"fine": 1, "the-bad-one": {("A", "B"): 1}})
    assert raw.keys() == []


# --- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", READABLE)
async def test_json_of_any_writer_is_read_as_python_reads_it(kv: Any, raw: redis.Redis, kind: str) -> None:
    data, expected = READABLE[kind]
    raw.set(KEY, data)
    assert spelled(await kv.get_by_id("a")) == spelled(expected)
    assert spelled(await kv.get_by_ids(["a", "b"])) == spelled([expected, None])


@pytest.mark.parametrize("kind", CORRUPT)
async def test_a_corrupt_value_is_an_error_that_names_the_key(kv: Any, raw: redis.Redis, kind: str) -> None:
    raw.set(KEY, CORRUPT[kind])
    raw.set("nano_graphrag:text_chunks:good", b"1")
    for ask in (kv.get_by_id("a"), kv.get_by_ids(["good", "a", "good"]), kv.get_by_ids(["a"], fields={"x"})):
        with pytest.raises(ValueError, match=KEY) as caught:
            await ask
        assert type(caught.value).__name__ == "CorruptValueError"
    assert await kv.get_by_id("good") == 1, "the storage goes on after a corrupt value"


async def test_corruption_in_a_field_that_is_not_wanted_is_still_an_error(kv: Any, raw: redis.Redis) -> None:
    raw.set(KEY, b'{"wanted": 1, "other": [1, 2,]}')
    with pytest.raises(ValueError, match=KEY):
        await kv.get_by_ids(["a"], fields={"wanted"})


async def test_a_corrupt_value_can_be_replaced_and_deleted(kv: Any, raw: redis.Redis) -> None:
    raw.set(KEY, b"{")
    assert await kv.filter_keys(["a"]) == set()
    assert await kv.all_keys() == ["a"]
    await kv.upsert({"a": {"n": 1}})
    assert await kv.get_by_id("a") == {"n": 1}
    raw.set(KEY, b"{")
    assert await kv.delete_by_id("a") is True


async def test_a_key_of_another_type_is_an_error(kv: Any, raw: redis.Redis) -> None:
    raw.rpush(KEY, "an item")
    with pytest.raises(ValueError, match=KEY):
        await kv.get_by_id("a")
    assert await kv.get_by_id("b") is None, "the storage goes on"


# --- sharing a server with the class that is replaced --------------------------------------------------


@pytest.mark.parametrize("kind", RECORDS)
async def test_what_the_replaced_class_wrote_is_read(kv: Any, raw: redis.Redis, kind: str) -> None:
    raw.set(KEY, json.dumps(RECORDS[kind], default=str).encode("utf-8"))
    assert spelled(await kv.get_by_id("a")) == spelled(RECORDS[kind])
    assert await kv.filter_keys(["a"]) == set()
    assert await kv.all_keys() == ["a"]


@pytest.mark.parametrize("kind", RECORDS)
async def test_the_replaced_class_reads_what_is_written(kv: Any, raw: redis.Redis, kind: str) -> None:
    await kv.upsert({"a": RECORDS[kind]})
    data = raw.get("nano_graphrag:text_chunks:a")
    assert isinstance(data, bytes)
    assert spelled(json.loads(data.decode("utf-8"))) == spelled(RECORDS[kind])
