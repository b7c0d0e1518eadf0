"""Records on their way: cut into batches, read back with reasons, compared exactly.

Shared by both directions. It knows a storage by its public methods and nothing about files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .._native import dumps
from ..errors import CorruptValueError, EncodeError, RedisKVError, ValueTooLargeError, WrongTypeError
from ..storage import RedisKVStorage

BATCH_RECORDS: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024


class TransferError(RedisKVError):
    """A migration or an export cannot go on; nothing is half done that a second run would not repair."""


class Absent:
    """Stands for "no such record", which None cannot: a stored null is None as well."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that is there and cannot be read; `reason` names its key."""

    reason: RedisKVError


ABSENT: Final = Absent()


@dataclass(frozen=True)
class Batch:
    records: dict[str, object]
    bytes: int


def batches(records: Iterable[tuple[str, object]]) -> Iterator[Batch]:
    """Groups of at most BATCH_RECORDS records and BATCH_BYTES of JSON; a larger record travels alone."""
    group: dict[str, object] = {}
    group_bytes = 0
    for key, value in records:
        size = _encoded_size(key, value)
        if group and (len(group) == BATCH_RECORDS or group_bytes + size > BATCH_BYTES):
            yield Batch(group, group_bytes)
            group, group_bytes = {}, 0
        group[key] = value
        group_bytes += size
    if group:
        yield Batch(group, group_bytes)


def _encoded_size(key: str, value: object) -> int:
    try:
        return len(dumps(value))
    except EncodeError as error:
        raise TransferError(f"record {key!r} cannot be stored: {error}") from error


async def read_values(storage: RedisKVStorage, ids: list[str]) -> list[object]:
    """The values of `ids` in order, with ABSENT and Unreadable where there is no value to give."""
    try:
        values: list[object] = list(await storage.get_by_ids(ids))
    except (CorruptValueError, WrongTypeError, ValueTooLargeError):
        values = [await _read_one(storage, key) for key in ids]
    empty = [key for key, value in zip(ids, values, strict=True) if value is None]
    missing = await storage.filter_keys(empty) if empty else set()
    return [ABSENT if key in missing else value for key, value in zip(ids, values, strict=True)]


async def _read_one(storage: RedisKVStorage, key: str) -> object:
    try:
        return await storage.get_by_id(key)
    except (CorruptValueError, WrongTypeError, ValueTooLargeError) as error:
        return Unreadable(error)


def same_value(left: object, right: object) -> bool:
    """Whether two JSON values are one document: 1 is neither 1.0 nor True, NaN is NaN, lists are ordered.

    It uses no recursion, so any depth that a storage accepts can be compared.
    """
    pending = [(left, right)]
    while pending:
        a, b = pending.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            pending.extend((a[key], b[key]) for key in a)
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif repr(a) != repr(b) if isinstance(a, float) else a != b:
            return False
    return True
