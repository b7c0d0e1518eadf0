"""What dumps() answers stays as it is: the memory it writes into is sometimes the result's own, sometimes kept for
the next result."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import pytest

from nano_graphrag_redis import _native

BORDERS = [4096, 8192, 65536, 1 << 20]  # bytes_buf.c: first room, copied below, kept at most, likely at most


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("border", BORDERS)
def test_a_result_of_any_size_around_a_border_is_whole_and_no_larger(border: int) -> None:
    for size in range(border - 5, border + 6):
        value = "x" * (size - 2)
        result = _native.dumps(value)
        assert result == encoded(value)
        assert sys.getsizeof(result) == sys.getsizeof(bytes(size))


def test_results_of_all_sizes_in_turn_do_not_touch_each_other() -> None:
    dice = random.Random(7)
    values = [
        [chr(dice.choice((0x41, 0xE9, 0x4E2D))) * dice.choice((0, 3, 100, 5000, 9000, 70000, 1500000)), i]
        for i in range(120)
    ]
    results = [_native.dumps(value) for value in values]
    assert results == [encoded(value) for value in values]


@pytest.mark.parametrize("outer", [1, 3000, 9000, 300000])
@pytest.mark.parametrize("inner", [1, 3000, 9000, 300000])
def test_a_result_that_is_made_while_another_one_is_written_is_its_own(outer: int, inner: int) -> None:
    made: list[bytes] = []

    class Nested:
        def __str__(self) -> str:
            made.append(_native.dumps("i" * inner))
            return "nested"

    result = _native.dumps(["o" * outer, Nested(), "p" * outer])
    assert result == encoded(["o" * outer, "nested", "p" * outer])
    assert made == [encoded("i" * inner)]


def test_a_value_that_fails_late_leaves_nothing_of_it_behind() -> None:
    class Failing:
        def __str__(self) -> str:
            raise LookupError

    for size in (1, 3000, 9000, 300000):
        with pytest.raises(LookupError):
            _native.dumps(["x" * size, Failing()])
        assert _native.dumps([1]) == b"[1]"
