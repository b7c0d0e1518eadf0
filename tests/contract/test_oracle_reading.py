"""Oracle part: what reading answers. Each fact holds for JsonKVStorage and for what replaces it."""

from __future__ import annotations

from typing import Any

import pytest

RECORD = {"content": "a chunk", "tokens": 3, "meta": {"content": "inner", "tokens": [1, 2]}}


async def test_an_absent_id_is_none(kv: Any) -> None:
    assert await kv.get_by_id("nowhere") is None


async def test_a_record_comes_back_whole(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_id("a") == RECORD


async def test_a_batch_comes_back_in_the_order_asked_for(kv: Any) -> None:
    await kv.upsert({f"id-{n:02}": {"n": n} for n in range(50)})
    asked = [f"id-{n:02}" for n in (7, 3, 49, 0, 12, 11, 48)]
    assert await kv.get_by_ids(asked) == [{"n": n} for n in (7, 3, 49, 0, 12, 11, 48)]


async def test_duplicate_ids_are_answered_each_time(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    assert await kv.get_by_ids(["a", "b", "a", "a"]) == [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 1}]


async def test_absent_ids_leave_none_in_their_places(kv: Any) -> None:
    await kv.upsert({"b": {"n": 2}})
    assert await kv.get_by_ids(["a", "b", "c", "b"]) == [None, {"n": 2}, None, {"n": 2}]


async def test_no_ids_give_an_empty_list(kv: Any) -> None:
    assert await kv.get_by_ids([]) == []
    assert await kv.get_by_ids([], fields={"content"}) == []


async def test_ids_may_come_in_any_iterable(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    both = [{"n": 1}, {"n": 2}]
    assert await kv.get_by_ids(("a", "b")) == both
    assert await kv.get_by_ids({"a": 0, "b": 0}.keys()) == both
    assert await kv.get_by_ids(id for id in "ab") == both
    assert await kv.filter_keys(id for id in "abc") == {"c"}


# --- fields --------------------------------------------------------------------------------------------


async def test_fields_keep_only_the_named_keys(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields={"content", "tokens"}) == [{"content": "a chunk", "tokens": 3}]


async def test_fields_filter_the_top_level_only(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields={"meta"}) == [{"meta": RECORD["meta"]}]


async def test_fields_none_gives_whole_records(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields=None) == [RECORD]


async def test_an_empty_set_of_fields_gives_empty_records(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields=set()) == [{}]


async def test_fields_that_no_record_has_give_empty_records(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields={"nothing"}) == [{}]


async def test_each_call_filters_by_its_own_fields(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["a"], fields={"content"}) == [{"content": "a chunk"}]
    assert await kv.get_by_ids(["a"], fields=frozenset({"tokens"})) == [{"tokens": 3}]
    assert await kv.get_by_ids(["a"]) == [RECORD]
    assert await kv.get_by_id("a") == RECORD


@pytest.mark.parametrize("empty", [{}, [], "", 0, 0.0, False, None])
async def test_fields_on_an_empty_record_give_none(kv: Any, empty: Any) -> None:
    await kv.upsert({"a": empty})
    assert await kv.get_by_ids(["a"], fields={"content"}) == [None]
    assert await kv.get_by_ids(["a"], fields=set()) == [None]


async def test_fields_on_an_absent_record_give_none(kv: Any) -> None:
    await kv.upsert({"a": RECORD})
    assert await kv.get_by_ids(["x", "a", "x"], fields={"tokens"}) == [None, {"tokens": 3}, None]


async def test_fields_may_hold_any_text(kv: Any) -> None:
    wanted = {"naïve ☃": 1, 'quo"ted': 2, "line\nbreak": 3, "": 4}
    await kv.upsert({"a": {**wanted, "plain": 5}})
    assert await kv.get_by_ids(["a"], fields=set(wanted)) == [wanted]


# --- which ids are there -------------------------------------------------------------------------------


async def test_filter_keys_gives_the_absent_ids(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}, "b": {"n": 2}})
    assert await kv.filter_keys(["a", "x", "b", "y", "x"]) == {"x", "y"}


@pytest.mark.parametrize("every", [1, 2, 3, 15, 16, 17, 64, 5000], ids="one_absent_in_{}".format)
async def test_filter_keys_is_exact_however_absent_and_present_ids_mix(kv: Any, every: int) -> None:
    ids = [f"id-{i}" for i in range(2500)]
    absent = set(ids[::every])
    await kv.upsert({id: {} for id in ids if id not in absent})
    assert await kv.filter_keys(ids + ids[:3]) == absent


async def test_filter_keys_of_nothing_is_an_empty_set(kv: Any) -> None:
    assert await kv.filter_keys([]) == set()


async def test_filter_keys_of_present_ids_is_an_empty_set(kv: Any) -> None:
    await kv.upsert({"a": {"n": 1}})
    assert await kv.filter_keys(["a", "a"]) == set()


async def test_all_keys_names_each_id_once(kv: Any) -> None:
    await kv.upsert({f"id-{n}": {"n": n} for n in range(3000)})
    await kv.upsert({"id-7": {"n": 8}})
    assert sorted(await kv.all_keys()) == sorted(f"id-{n}" for n in range(3000))


async def test_an_empty_namespace_has_no_keys(kv: Any) -> None:
    assert await kv.all_keys() == []
