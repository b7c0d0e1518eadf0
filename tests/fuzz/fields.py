"""A document read with `fields`: what a filter leaves of the whole, and refused exactly where the whole is.

byte 0: which of the usual fields are wanted; byte 1: which of the document's own keys; then the document
"""

from __future__ import annotations

from typing import Any

from oracle import REFUSED, same, we_read

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError

USUAL = ("content", "a", "", "é", "知", "😀", "\ud800", "full_doc_id")


def chosen(bits: int, names: list[str] | tuple[str, ...]) -> set[str]:
    return {name for i, name in enumerate(names) if bits >> (i % 8) & 1}


def we_read_fields(data: bytes, fields: set[str]) -> Any:
    try:
        return _native.loads(data, fields)
    except CorruptValueError:
        return REFUSED


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    document = data[2:]
    whole = we_read(document)
    own = list(whole) if isinstance(whole, dict) else []
    fields = chosen(data[0], USUAL) | chosen(data[1], own)
    want = {key: whole[key] for key in own if key in fields} if isinstance(whole, dict) else whole
    got = we_read_fields(document, fields)
    assert same(want, got), f"{document!r} with {fields!r}: a filter leaves {want!r:.500}, we read {got!r:.500}"
