"""Batches keep to their limits, and the comparison takes nothing for equal that is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nano_graphrag_redis.migrate import records
from nano_graphrag_redis.migrate.records import batches, same_value

NAN = float("nan")


def deep(levels: int, core: Any) -> Any:
    value = core
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


SCALARS = [None, True, 0, 1.0, -0.0, NAN, float("inf"), 2**80, "", "é", "\ud83d"]


@pytest.mark.parametrize("value", [*SCALARS, [], {}, [[1], {"a": [NAN]}]], ids=repr)
def test_value_equals_a_copy_of_itself(value: Any) -> None:
    assert same_value(value, copy.deepcopy(value))
    assert same_value({"a": [value]}, copy.deepcopy({"a": [value]}))


def test_depth_is_no_obstacle() -> None:
    assert same_value(deep(5000, 1), deep(5000, 1))
    assert not same_value(deep(5000, 1), deep(5000, 2))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        (NAN, None),
        (None, False),
        ("", None),
        ("1", 1),
        ([], {}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1}, {"b": 1}),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2.0}]}}),
        ("é", "e\u0301"),
    ],
    ids=str,
)
def test_different_values_are_different(left: Any, right: Any) -> None:
    assert not same_value(left, right)
    assert not same_value(right, left)


def test_order_of_keys_does_not_matter() -> None:
    assert same_value({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_absent_is_equal_to_nothing() -> None:
    assert not same_value(None, records.ABSENT)


def test_batches_hold_every_record_once_and_in_order() -> None:
    source = [(str(number), number) for number in range(1203)]
    parts = list(batches(source))
    assert [item for part in parts for item in part.records.items()] == source
    assert [len(part.records) for part in parts] == [500, 500, 203]


def test_batches_keep_to_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BATCH_BYTES", 100)
    sizes = [30, 30, 30, 30, 500, 10]
    parts = list(batches((str(number), "x" * (size - 2)) for number, size in enumerate(sizes)))
    assert [part.bytes for part in parts] == [90, 30, 500, 10]


def test_no_records_make_no_batch() -> None:
    assert list(batches([])) == []
