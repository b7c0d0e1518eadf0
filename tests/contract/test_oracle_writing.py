"""Oracle part: what writing leaves behind. Each fact holds for JsonKVStorage and for what replaces it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from subject import spelled

VALUES = {
    "object": {"b": 1, "a": {"c": []}},
    "array": [1, "two", None, [3.5, {}], True],
    "text": "a text",
    "number": 42,
    "fraction": 0.1,
    "whole fraction": 1.0,
    "minus zero": -0.0,
    "small fraction": 5e-324,
    "large fraction": 1.7976931348623157e308,
    "beyond 2**53": 9007199254740993,
    "beyond 64 bit": -(2**200),
    "not a number": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "true": True,
    "false": False,
    "null": None,
    "zero": 0,
    "empty text": "",
    "empty object": {},
    "empty array": [],
    "all controls": "".join(map(chr, range(0x20))) + "\x7f",
    "quotes": 'say "so" \\ / \u2028',
    "all scripts": "naïve Ω 漢字 עברית 😀 \U0010ffff",
    "lone surrogate": "\ud800 and \udfff",
    "odd keys": {"": 1, "a b": 2, '"': 3, "\n": 4, "ключ": 5, "\x00": 6},
    "long text": "0123456789 é\n" * 100_000,
    "deep": None,
}
for _ in range(200):
    VALUES["deep"] = [VALUES["deep"]]

IDS = [
    "chunk-0cd2bd",
    "with space",
    "colon:inside",
    ":",
    "*",
    "a[b]c?d",
    "back\\slash",
    "{tag}",
    'quote"',
    "line\nbreak\r\n",
    "nul\x00inside",
    "naïve Ω 漢字 😀",
    "-",
    "0",
    "x" * 10_000,
    "",
]


@pytest.mark.parametrize("kind", VALUES)
async def test_every_json_value_comes_back_exactly(kv: Any, kind: str) -> None:
    await kv.upsert({"a": VALUES[kind]})
    assert spelled(await kv.get_by_id("a")) == spelled(VALUES[kind])
    assert spelled(await kv.get_by_ids(["a"])) == spelled([VALUES[kind]])


async def test_the_order_of_keys_in_a_record_is_kept(kv: Any) -> None:
    record = {key: n for n, key in enumerate(["z", "a", "m", "10", "9", "A"])}
    await kv.upsert({"a": record})
    assert list(await kv.get_by_id("a")) == ["z", "a", "m", "10", "9", "A"]


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}])
async def test_a_falsy_value_is_there(kv: Any, value: Any) -> None:
    await kv.upsert({"a": value})
    assert await kv.filter_keys(["a", "b"]) == {"b"}
    assert await kv.all_keys() == ["a"]
    assert spelled(await kv.get_by_id("a")) == spelled(value)


async def test_upsert_replaces_whole_records(kv: Any) -> None:
    await kv.upsert({"a": {"old": 1, "both": 1}, "b": {"n": 2}})
    await kv.upsert({"a": {"both": 2, "new": 2}})
    assert await kv.get_by_ids(["a", "b"]) == [{"both": 2, "new": 2}, {"n": 2}]


async def test_upsert_of_nothing_changes_nothing(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}})
    await kv.upsert({})
    assert await kv.all_keys() == ["a"]


async def test_upsert_answers_none_and_leaves_the_callers_data_alone(kv: Any) -> None:
    data = {"a": {"list": [1, {"x": "y"}], "text": "t"}, "b": [1, 2]}
    before = copy.deepcopy(data)
    assert await kv.upsert(data) is None
    assert data == before


@pytest.mark.parametrize("id", IDS, ids=lambda id: ascii(id[:20]))
async def test_an_id_may_be_any_text(kv: Any, id: str) -> None:
    await kv.upsert({id: {"n": 1}, "neighbour": {"n": 2}})
    assert await kv.get_by_id(id) == {"n": 1}
    assert await kv.get_by_ids(["neighbour", id]) == [{"n": 2}, {"n": 1}]
    assert await kv.filter_keys([id, id + "."]) == {id + "."}
    assert sorted(await kv.all_keys()) == sorted([id, "neighbour"])


async def test_similar_ids_do_not_meet(kv: Any) -> None:
    """No normalisation, no case folding, no pattern matching."""
    ids = ["é", "e\u0301", "E", "e", "e*", "e?", "[e]", " e", "e ", "e\x00"]
    await kv.upsert({id: n for n, id in enumerate(ids)})
    assert await kv.get_by_ids(ids) == list(range(len(ids)))


# --- drop ----------------------------------------------------------------------------------------------


async def test_drop_empties_the_namespace(kv: Any) -> None:
    await kv.upsert({f"id-{n}": {"n": n} for n in range(2500)})
    await kv.drop()
    assert await kv.all_keys() == []
    assert await kv.get_by_id("id-5") is None
    assert await kv.filter_keys(["id-5"]) == {"id-5"}


async def test_a_dropped_namespace_can_be_filled_again(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    await kv.drop()
    await kv.drop()
    await kv.upsert({"b": {"n": 3}})
    assert await kv.get_by_ids(["a", "b"]) == [None, {"n": 3}]


async def test_namespaces_are_separate(make_kv: Callable[..., Any]) -> None:
    docs, chunks = make_kv("full_docs"), make_kv("text_chunks")
    await docs.upsert({"a": {"in": "docs"}})
    await chunks.upsert({"a": {"in": "chunks"}, "b": {"in": "chunks"}})
    await docs.drop()
    assert await docs.all_keys() == []
    assert await chunks.get_by_ids(["a", "b"]) == [{"in": "chunks"}, {"in": "chunks"}]


# --- callbacks -----------------------------------------------------------------------------------------


async def test_callbacks_keep_the_data(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}})
    await kv.index_start_callback()
    await kv.index_done_callback()
    await kv.query_done_callback()
    assert await kv.get_by_id("a") == {"n": 1}


async def test_after_index_done_a_new_storage_finds_the_data(make_kv: Callable[..., Any]) -> None:
    first = make_kv("full_docs")
    await first.upsert({"doc-1": {"content": "Zoë wrote this 😀"}, "doc-2": {"content": ""}})
    await first.index_done_callback()
    second = make_kv("full_docs")
    assert sorted(await second.all_keys()) == ["doc-1", "doc-2"]
    assert await second.get_by_id("doc-1") == {"content": "Zoë wrote this 😀"}


async def test_a_storage_says_what_it_was_built_with(make_kv: Callable[..., Any]) -> None:
    kv = make_kv("community_reports", a_setting_of_nano_graphrag=1)
    assert kv.namespace == "community_reports"
    assert kv.global_config["a_setting_of_nano_graphrag"] == 1


async def test_building_takes_positional_arguments(subject: Any) -> None:
    kv = subject.cls("full_docs", subject.config())
    assert kv.namespace == "full_docs"
