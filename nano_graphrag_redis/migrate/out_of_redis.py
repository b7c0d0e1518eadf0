"""From Redis into JSON files that JsonKVStorage loads.

A namespace's ids are held in memory, so that each is written once and in sorted order; of the values only one
batch is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RedisKVError
from ..storage import RedisKVStorage
from .records import ABSENT, BATCH_BYTES, BATCH_RECORDS, TransferError, Unreadable, read_values
from .source import file_name
from .target import TargetFile

_FIRST_BATCH = 16  # records, until their size is known
_SCAN_COUNT = 1000


@dataclass
class Exported:
    """How it went. `vanished` records expired or were deleted between listing and reading."""

    target: TargetFile
    vanished: int = 0
    skipped: list[RedisKVError] = field(default_factory=list)


def target_path(folder: Path, namespace: str) -> Path:
    """Where a namespace goes. Its name comes from the database, so it may not lead out of the folder."""
    name = file_name(namespace)
    if name != Path(name).name or "\0" in name:
        raise TransferError(f"namespace {namespace!r} cannot be part of a file name")
    return folder / name


async def find_namespaces(storage: RedisKVStorage) -> list[str]:
    """All namespaces under the storage's key prefix, sorted, found by SCAN."""
    await storage._ensure_initialized()
    prefix = storage._prefix[: -len(f"{storage.namespace}:")]
    head = prefix.encode()
    pattern = "".join(f"\\{char}" if char in "*?[]\\" else char for char in prefix) + "*:*"
    names: set[bytes] = set()
    cursor = 0
    while True:
        cursor, keys = await storage._redis_client.scan(cursor, match=pattern, count=_SCAN_COUNT)
        names.update(key[len(head) :].split(b":", 1)[0] for key in keys)
        if cursor == 0:
            return sorted(name.decode("utf-8", "surrogateescape") for name in names if name)


async def export_records(
    storage: RedisKVStorage,
    ids: list[str],
    target: TargetFile,
    skip_unreadable: bool,
    advance: Callable[[int], None],
) -> Exported:
    """Adds these records to `target`; an unreadable one is an error unless it is to be skipped."""
    result = Exported(target)
    async for key, value in _read_all(storage, ids, target):
        advance(1)
        if value is ABSENT:
            result.vanished += 1
        elif not isinstance(value, Unreadable):
            target.add(key, value)
        elif skip_unreadable:
            result.skipped.append(value.reason)
        else:
            raise value.reason
    return result


async def _read_all(
    storage: RedisKVStorage, ids: list[str], target: TargetFile
) -> AsyncIterator[tuple[str, object]]:
    """Reads in batches that are sized by what the records written so far weighed."""
    start = 0
    while start < len(ids):
        if target.records:
            count = max(1, min(BATCH_RECORDS, BATCH_BYTES * target.records // target.bytes))
        else:
            count = _FIRST_BATCH
        chunk = ids[start : start + count]
        for key, value in zip(chunk, await read_values(storage, chunk), strict=True):
            yield key, value
        start += len(chunk)
