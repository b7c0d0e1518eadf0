"""After 100,000 rounds of everything, failures included, the process holds what it held before."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sanitized import IS_SANITIZED

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError, EncodeError

RECORD: dict[str, Any] = {
    "content": "Ein längerer Text\nmit € und 😀 " * 3,
    "tokens": 1200,
    "rating": 7.5,
    "edges": [["A", "B"], []],
    "big": 10**30,
    "none": None,
}
RECORD = json.loads(json.dumps(RECORD))  # keys that are no literals: those are never freed from 3.12 on
DOCUMENT = _native.dumps(RECORD)
BROKEN = [
    DOCUMENT[: len(DOCUMENT) // 2],
    DOCUMENT[:-1],
    b'{"a":["\xff"]}',
    b'[{"k":[1,2',
    b"[" * 1001,
    b'{"a":1}}',
]
REFUSED: list[Any] = [{1: 1, "1": 2}, {"a": [{(1,): 1}]}, [[object()]]]


class Failing:
    def __str__(self) -> str:
        raise LookupError


def one_round(i: int) -> None:
    _native.loads(DOCUMENT)
    _native.loads(DOCUMENT, ("tokens", "edges"))
    _native.dumps(RECORD)
    _native.loads(b'{"one of many keys %d":1}' % (i % 5000))
    with contextlib.suppress(CorruptValueError):
        _native.loads(BROKEN[i % len(BROKEN)])
    if i % 10 == 0:
        with contextlib.suppress(EncodeError):
            _native.dumps(REFUSED[i // 10 % len(REFUSED)], strict=True)
        with contextlib.suppress(LookupError):
            _native.dumps({"a": [Failing()]})


def resident_bytes() -> int:
    """What this process holds; 0 where that is unknown, or means nothing because freed memory is kept in quarantine."""
    statm = Path("/proc/self/statm")
    if not statm.exists() or IS_SANITIZED:
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_hundred_thousand_rounds_leave_nothing_behind() -> None:
    counted = [None, True, RECORD, DOCUMENT, *RECORD, *RECORD.values()]
    for i in range(20000):
        one_round(i)
    gc.collect()
    references = [sys.getrefcount(x) for x in counted]
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    for i in range(100000):
        one_round(i)
    gc.collect()
    after = [sys.getrefcount(x) for x in counted]
    assert all(abs(now - then) < 50 for now, then in zip(after, references, strict=True)), (references, after)
    assert abs(sys.getallocatedblocks() - blocks) < 300
    assert resident_bytes() - resident < 1024 * 1024


@pytest.mark.parametrize("piece", ["x\\n", "é€😀"])
def test_a_large_string_leaves_no_scratch_memory_behind(piece: str) -> None:
    document = b'"' + piece.encode() * (40_000_000 // len(piece.encode())) + b'"'
    before = resident_bytes()
    _native.loads(document)
    assert resident_bytes() - before < 10_000_000


def refused(value: Any) -> None:
    with contextlib.suppress(EncodeError):
        _native.dumps(value, strict=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: _native.loads(DOCUMENT),
        lambda: _native.loads(DOCUMENT, ["content", "big"]),
        lambda: _native.loads(
            b'[1.5e300,123456789012345678901234567890,{"some new key \xc3\xa9":"\\u20ac"}]'
        ),
        lambda: _native.dumps([RECORD, 10**30, -(10**40)]),
        lambda: _native.dumps(["x" * 100] * 300),
        lambda: _native.dumps({2: [10**30], 0.5: {None: 7.25}, True: [[[[[[[[[[[["deep"]]]]]]]]]]]]}),
        lambda: refused({"a": [1, {"b": object()}]}),
        lambda: refused({"a": {1: 2, "1": 3}}),
        lambda: refused({"a": {(1,): 2}}),
    ],
    ids=["loads", "fields", "numbers", "dumps", "large", "keys", "strict", "clash", "bad key"],
)
def test_whichever_allocation_fails_the_error_is_memory_error(call: Callable[[], object]) -> None:
    testcapi = pytest.importorskip("_testcapi", reason="this interpreter was built without its test modules")
    expected = call()
    failed = 0
    for nth in range(200):
        testcapi.set_nomemory(nth, nth + 1)
        try:
            got = call()
        except MemoryError:
            failed += 1
            continue
        finally:
            testcapi.remove_mem_hooks()
        assert got == expected
    assert failed > 3
    assert call() == expected
