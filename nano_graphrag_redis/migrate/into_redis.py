"""From JSON files into Redis, in three passes over each file: survey, write, compare.

The passes are separate so that nothing is written before every file has been read and every conflict counted,
and so that the comparison sees what is there at the very end. Each holds one file's records in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ..storage import RedisKVStorage
from .records import ABSENT, batches, read_values, same_value
from .source import SourceFile

Advance = Callable[[int], None]  # told how many more records are done


@dataclass
class Survey:
    """What a file holds and what Redis already has of it."""

    bytes: int = 0
    new: int = 0
    same: int = 0
    different: int = 0

    @property
    def records(self) -> int:
        return self.new + self.same + self.different


@dataclass
class Comparison:
    """The result of reading everything back; `wrong` holds the ids that are absent or differ."""

    equal: int = 0
    wrong: list[str] = field(default_factory=list)


async def survey(storage: RedisKVStorage, source: SourceFile, advance: Advance) -> Survey:
    """Reads the file and looks every record up; writes nothing."""
    result = Survey()
    for batch in batches(source.records()):
        stored = await read_values(storage, list(batch.records))
        for value, found in zip(batch.records.values(), stored, strict=True):
            if found is ABSENT:
                result.new += 1
            elif same_value(value, found):
                result.same += 1
            else:
                result.different += 1
        result.bytes += batch.bytes
        advance(len(batch.records))
    return result


async def write(
    storage: RedisKVStorage, source: SourceFile, keep_different: bool, advance: Advance
) -> frozenset[str]:
    """Writes every record, and answers the ids left alone because Redis holds something else there.

    Records that are there already are written again: their time to live starts anew, as now set.
    """
    kept: set[str] = set()
    for batch in batches(source.records()):
        records = batch.records
        if keep_different:
            different = await _different(storage, records)
            records = {key: value for key, value in records.items() if key not in different}
            kept |= different
        await storage.upsert(records)
        advance(len(batch.records))
    await storage.index_done_callback()  # whoever deletes the file next wants the records on disk
    return frozenset(kept)


async def _different(storage: RedisKVStorage, records: dict[str, object]) -> set[str]:
    stored = await read_values(storage, list(records))
    return {
        key
        for (key, value), found in zip(records.items(), stored, strict=True)
        if found is not ABSENT and not same_value(value, found)
    }


async def compare(
    storage: RedisKVStorage, source: SourceFile, kept: Collection[str], advance: Advance
) -> Comparison:
    """Reads back what was written and compares it, value by value, with the file."""
    result = Comparison()
    for batch in batches(source.records()):
        records = {key: value for key, value in batch.records.items() if key not in kept}
        stored = await read_values(storage, list(records))
        for (key, value), found in zip(records.items(), stored, strict=True):
            if same_value(value, found):
                result.equal += 1
            else:
                result.wrong.append(key)
        advance(len(batch.records))
    return result
