"""Python's own `json` as the judge: what it reads, what it refuses, and when two values are the same."""

from __future__ import annotations

import json
import math
from typing import Any

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError

REFUSED = object()
"""Stands for "not a JSON document" where a value is expected."""


def same(a: Any, b: Any) -> bool:
    """Equal in value, in type at every level, in the order of keys, in the sign of zero; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and same(list(a.values()), list(b.values()))
    if isinstance(a, list):
        if len(a) != len(b):
            return False
        # all() would recurse in C, which Python 3.12 stops too early
        for mine, yours in zip(a, b, strict=True):  # noqa: SIM110
            if not same(mine, yours):
                return False
        return True
    if isinstance(a, float):
        if math.isnan(a):
            return math.isnan(b)
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, str):
        return a == b and a.isascii() == b.isascii()  # what the string itself believes, not what it holds
    return bool(a == b)


def python_reads(data: bytes) -> Any:
    try:
        return json.loads(data.decode())
    except ValueError:
        return REFUSED


def we_read(data: bytes) -> Any:
    try:
        return _native.loads(data)
    except CorruptValueError:
        return REFUSED


def check_read(data: bytes) -> None:
    """Both accept and agree, or both refuse."""
    expected, got = python_reads(data), we_read(data)
    assert same(expected, got), f"{data[:200]!r}: json says {expected!r:.200}, we say {got!r:.200}"


def check_written(value: Any) -> None:
    """What we write reads back as what `json.dumps(value, default=str)` wrote, for both readers."""
    written = _native.dumps(value)
    expected = json.loads(json.dumps(value, default=str))
    assert same(json.loads(written), expected), f"{value!r:.200} was written as {written[:200]!r}"
    assert same(_native.loads(written), expected)
