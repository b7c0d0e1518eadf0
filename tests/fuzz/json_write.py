"""Bytes as a recipe for a Python value: what we write of it reads back as what `json.dumps(value, default=str)` writes.

One byte says what comes next, then come its own bytes; behind the end there are only zeros. Two keys of one dict
that JSON cannot tell apart are refused, and so is, when asked to be strict, what only str() could save.
"""

from __future__ import annotations

import json
import logging
import struct
from collections import OrderedDict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

from oracle import check_written

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import EncodeError

logging.disable()  # each type stored as text is reported once


class Colour(IntEnum):
    RED = 1
    BIG = 2**70


class Text(str):
    def __str__(self) -> str:
        return "not what it holds"


class Real(float):
    def __repr__(self) -> str:
        return "not a number"


class Numbers(list):  # type: ignore[type-arg]
    pass


class Repeated(Exception):
    """Two keys are one in JSON."""


class Recipe:
    """Values out of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece.ljust(count, b"\0")

    def byte(self, limit: int = 256) -> int:
        return self.take(1)[0] % limit

    def one_of(self, makers: tuple[Callable[[Recipe], Any], ...]) -> Any:
        return makers[self.byte(len(makers))](self)

    def constant(self) -> bool | None:
        return (None, True, False)[self.byte(3)]

    def text(self) -> str:
        """Up to 79 code points, of 1, 2 or 4 bytes each: surrogates are as good as any."""
        width = (1, 1, 2, 4)[self.byte(4)]
        numbers = [int.from_bytes(self.take(width), "big") for _ in range(self.byte(80))]
        return "".join(chr(number % 0x110000) for number in numbers)

    def plain_text(self) -> str:
        return self.take(self.byte(64)).decode("latin-1")

    def integer(self) -> int:
        return int.from_bytes(self.take((1, 4, 8, 9, 60)[self.byte(5)]), "big", signed=True)

    def real(self) -> float:
        return float(struct.unpack(">d", self.take(8))[0])

    def decimal(self) -> float:
        """What a person writes: 12.34"""
        return int.from_bytes(self.take(3), "big", signed=True) / (1, 10, 100, 1000, 1e6)[self.byte(5)]

    def key(self) -> Any:
        return self.one_of(KEYS)

    def items(self) -> list[Any]:
        return [self.value() for _ in range(self.byte(12))]

    def pairs(self) -> list[tuple[Any, Any]]:
        return [(self.key(), self.value()) for _ in range(self.byte(12))]

    def value(self) -> Any:
        """Behind the end there is only None, so that every value ends."""
        return self.one_of(VALUES) if self.at < len(self.data) else None


STRANGERS: tuple[Callable[[Recipe], Any], ...] = (  # types that JSON does not know
    lambda r: Decimal(r.integer()),
    lambda r: date.fromordinal(1 + r.byte()),
    lambda r: timedelta(r.byte()),
    lambda r: complex(r.byte(), r.byte()),
    lambda r: r.take(r.byte(20)),
    lambda r: {r.byte()},
    lambda r: Text,
)
RELATIVES: tuple[Callable[[Recipe], Any], ...] = (  # of those it knows
    lambda r: Colour.RED,
    lambda r: Colour.BIG,
    lambda r: Text(r.text()),
    lambda r: Real(r.real()),
    lambda r: Numbers(r.items()),
    lambda r: OrderedDict(r.pairs()),
)
KEYS: tuple[Callable[[Recipe], Any], ...] = (
    Recipe.plain_text,
    Recipe.text,
    Recipe.integer,
    Recipe.real,
    Recipe.constant,
    Recipe.decimal,
    lambda r: Text(r.text()),
)
VALUES: tuple[Callable[[Recipe], Any], ...] = (
    Recipe.constant,
    Recipe.plain_text,
    Recipe.text,
    Recipe.integer,
    Recipe.real,
    Recipe.decimal,
    Recipe.items,
    lambda r: tuple(r.items()),
    lambda r: dict(r.pairs()),
    lambda r: {r.plain_text(): r.value() for _ in range(r.byte(12))},
    lambda r: r.one_of(RELATIVES),
    lambda r: r.one_of(STRANGERS),
)


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    as_dict = dict(pairs)
    if len(as_dict) < len(pairs):
        raise Repeated
    return as_dict


def must_refuse(value: Any, strict: bool) -> None:
    try:
        written = _native.dumps(value, strict)
    except EncodeError:
        return
    raise AssertionError(f"{value!r:.500} was not refused but written as {written!r:.500}")


def check(data: bytes) -> None:
    value = Recipe(data).value()
    strangers: list[Any] = []

    def note(stranger: Any) -> str:
        strangers.append(stranger)
        return str(stranger)

    try:
        json.loads(json.dumps(value, default=note), object_pairs_hook=distinct)
    except Repeated:
        must_refuse(value, strict=False)
        return
    check_written(value)
    if strangers:
        must_refuse(value, strict=True)
    else:
        assert _native.dumps(value, strict=True) == _native.dumps(value)
