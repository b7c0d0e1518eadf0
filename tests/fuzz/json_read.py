"""Any bytes as a document: read as `json.loads(data.decode())` reads them, or refused where it refuses them.

Only the nesting limit is ours. What was read is written and read again, and is the same.
"""

from __future__ import annotations

from typing import Any

from oracle import REFUSED, python_reads, same, we_read

from nano_graphrag_redis import _native

MAX_DEPTH = 1000


def is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, (list, dict))]
        if not containers:
            return False
        level = [item for c in containers for item in (c.values() if isinstance(c, dict) else c)]
    return any(isinstance(item, (list, dict)) for item in level)


def expected(data: bytes) -> Any:
    try:
        value = python_reads(data)
    except RecursionError:
        return REFUSED
    return REFUSED if data.count(b"[") + data.count(b"{") > MAX_DEPTH and is_too_deep(value) else value


def check(data: bytes) -> None:
    want, got = expected(data), we_read(data)
    assert same(want, got), f"{data!r}: json says {want!r:.500}, we say {got!r:.500}"
    if got is not REFUSED:
        written = _native.dumps(got)
        assert same(got, _native.loads(written)), f"{data!r} was written as {written!r:.500}"
