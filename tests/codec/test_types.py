"""What becomes of each Python type: what json.dumps(value, default=str) makes of it; the numbers of numpy and
keys that clash apart."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import logging
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from oracle import check_written

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import EncodeError


class Colour(enum.IntEnum):
    RED = 3


class Name(str, enum.Enum):
    FIRST = "first"


class LoudInt(int):
    def __repr__(self) -> str:
        return "loud"

    __str__ = __repr__


class LoudFloat(float):
    def __repr__(self) -> str:
        return "loud"


class LoudStr(str):
    def __str__(self) -> str:
        return "loud"


class Point(NamedTuple):
    x: int
    y: int


class Backwards(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return reversed(list(super().__iter__()))


class Doubled(dict[Any, Any]):
    def items(self) -> Any:
        return [(k, (v, v)) for k, v in super().items()]


ordered = collections.OrderedDict([("a", 1), ("b", 2)])
ordered.move_to_end("a")


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED, {Colour.RED: Colour.RED}, Name.FIRST, {Name.FIRST: Name.FIRST}, LoudInt(5),
        {LoudInt(5): 1}, LoudInt(10**30), LoudFloat(0.5), {LoudFloat(0.5): 1}, LoudStr("text"),
        {LoudStr("text"): 1}, Point(1, 2), Backwards([1, 2, 3]), Doubled(a=1), Doubled(), ordered,
        collections.Counter("aab"), collections.defaultdict(list, a=[1]), datetime.date(2024, 1, 2),
        decimal.Decimal("1.50"), pathlib.PurePosixPath("/a"), {1, }, frozenset(), b"bytes", 2j, range(3),
        object, ..., NotImplemented,
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_type_is_written_as_json_writes_it(value: Any) -> None:
    check_written(value)
    check_written([{"k": value}])


@pytest.mark.parametrize(
    "value", [{1: 1, "1": 2}, {True: 1, "true": 2}, {None: 1, "null": 2}, {0.5: 1, "0.5": 2}]
)
def test_two_keys_that_json_cannot_tell_apart_are_refused_by_name(value: dict[Any, Any]) -> None:
    first, second = value
    with pytest.raises(EncodeError) as refusal:
        _native.dumps({"outer": [value]})
    assert f"at $.outer[0]: the keys {first!r} and {second!r} are both" in str(refusal.value)


def test_two_nan_keys_are_refused_because_json_has_one_nan() -> None:
    with pytest.raises(EncodeError, match="keys nan and nan"):
        _native.dumps({float("nan"): 1, float("nan"): 2})


def test_an_items_method_that_repeats_a_key_is_refused() -> None:
    class Repeating(dict[Any, Any]):
        def items(self) -> Any:
            return [("a", 1), ("a", 2)]

    with pytest.raises(EncodeError, match="keys 'a' and 'a'"):
        _native.dumps(Repeating(a=0))


@pytest.mark.parametrize("key", [(1, 2), b"bytes", frozenset(), 2j, datetime.date(2024, 1, 2)], ids=repr)
def test_key_that_json_refuses_is_refused_by_name(key: Any) -> None:
    with pytest.raises(TypeError):
        json.dumps({key: 1}, default=str)
    with pytest.raises(EncodeError) as refusal:
        _native.dumps({"a": {"b": 1, key: 2}})
    assert "at $.a: a key is of type " in str(refusal.value)
    assert repr(key) in str(refusal.value)


def test_path_names_keys_and_indexes() -> None:
    with pytest.raises(EncodeError, match=r"at \$\.findings\[1\]\.rating\['not a name'\]\.é\[0\]: "):
        _native.dumps({"findings": [0, {"rating": {"not a name": {"é": [2j]}}}]}, strict=True)


def test_path_through_a_key_that_is_no_str_shows_its_json_form() -> None:
    with pytest.raises(EncodeError, match=r"at \$\['1'\]\.null: "):
        _native.dumps({1: {None: 2j}}, strict=True)


def test_strict_refuses_what_only_str_could_save() -> None:
    with pytest.raises(
        EncodeError, match=r"at \$\.when: JSON has no form for the type datetime\.date; convert it"
    ):
        _native.dumps({"when": datetime.date(2024, 1, 2)}, strict=True)
    assert _native.dumps([Colour.RED, (1, 2), LoudStr("x")], strict=True) == b'[3,[1,2],"x"]'


def test_a_circle_is_refused_at_once_and_named() -> None:
    circle: dict[str, Any] = {"text": "x" * 1_000_000}
    circle["inner"] = [circle]
    with pytest.raises(
        EncodeError, match=r"at \$\.inner\[0\]: the value contains itself: .* same object as \$;"
    ):
        _native.dumps(circle)
    row: list[Any] = []
    row.append(row)
    with pytest.raises(EncodeError, match=r"at \$\.a\[0\]: .* same object as \$\.a;"):
        _native.dumps({"a": row})


def test_one_object_in_two_places_is_no_circle() -> None:
    shared = [1]
    assert _native.dumps([shared, {"a": shared}]) == b'[[1],{"a":[1]}]'


def test_a_type_stored_as_text_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    class Other(Odd):
        pass

    with caplog.at_level(logging.WARNING, "nano_graphrag_redis"):
        assert _native.dumps({"a": [Odd(), Odd()]}) == b'{"a":["odd","odd"]}'
        _native.dumps(Odd())
        _native.dumps(Other())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "Odd" in messages[0]
    assert "$.a[0]" in messages[0]
    assert "Other" in messages[1]


def test_the_callers_data_stays_as_it_was() -> None:
    value = {"a": (1, [2, {"b": {3: None}}]), 4: LoudStr("x")}
    before = repr(value)
    _native.dumps(value)
    assert repr(value) == before
