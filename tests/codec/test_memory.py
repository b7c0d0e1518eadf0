"""After 100,000 rounds of everything, failures included, the process holds what it held before."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path
from typing import Any

import pytest

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
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def test_a_hundred_thousand_rounds_leave_nothing_behind() -> None:
    counted = [None, True, RECORD, DOCUMENT, *RECORD.values()]
    for i in range(20000):
        one_round(i)
    gc.collect()
    references, blocks, resident = (
        [sys.getrefcount(x) for x in counted],
        sys.getallocatedblocks(),
        resident_bytes(),
    )
    for i in range(100000):
        one_round(i)
    gc.collect()
    after = [sys.getrefcount(x) for x in counted]
    assert all(abs(now - then) < 50 for now, then in zip(after, references, strict=True)), (references, after)
    assert abs(sys.getallocatedblocks() - blocks) < 300
    assert resident_bytes() - resident < 1024 * 1024


@pytest.mark.parametrize(
    "document", [b'"' + b"x\\n" * 2_000_000 + b'"', b'"' + "é€😀".encode() * 500_000 + b'"']
)
def test_a_large_string_leaves_no_scratch_memory_behind(document: bytes) -> None:
    _native.loads(document)
    before = resident_bytes()
    for _ in range(5):
        _native.loads(document)
    assert resident_bytes() - before < len(document)
