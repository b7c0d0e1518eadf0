"""`_redis_client`: the few methods of a Redis client that callers of the older class reach for.

nano-graphrag's health endpoint pings through it and its backup scans and reads raw keys. Keys are full keys, values
are bytes, as with redis-py's `decode_responses=False`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .errors import NoPermissionError

if TYPE_CHECKING:
    from ._native import Store

Key = str | bytes
Word = str | bytes | int


class RedisClientShim:
    """A view of a storage's connections; it owns nothing and needs no closing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ping(self) -> bool:
        """True once the server has answered; that this user may not PING is an answer, too."""
        with contextlib.suppress(NoPermissionError):
            await self._store.execute(("PING",), repeatable=True)
        return True

    async def get(self, key: Key) -> bytes | None:
        value: bytes | None = await self._store.execute(("GET", key), repeatable=True)
        return value

    async def set(self, key: Key, value: Word) -> bool:
        await self._store.execute(("SET", key, value), repeatable=True)
        return True

    async def setex(self, key: Key, seconds: int, value: Word) -> bool:
        await self._store.execute(("SETEX", key, seconds, value), repeatable=True)
        return True

    async def delete(self, *keys: Key) -> int:
        """How many of the keys were there."""
        count: int = await self._store.execute(("DEL", *keys))
        return count

    async def exists(self, *keys: Key) -> int:
        """How many of the keys are there; one named twice counts twice."""
        count: int = await self._store.execute(("EXISTS", *keys), repeatable=True)
        return count

    async def scan(
        self, cursor: int = 0, match: Key | None = None, count: int | None = None
    ) -> tuple[int, list[bytes]]:
        """One page of keys, and the cursor of the next page (0: this was the last)."""
        words: list[Word] = ["SCAN", cursor]
        words += ["MATCH", match] if match is not None else []
        words += ["COUNT", count] if count is not None else []
        reply: list[Any] = await self._store.execute(tuple(words), repeatable=True)
        return int(reply[0]), reply[1]

    async def bgsave(self, schedule: bool = True) -> bool:
        await self._store.execute(("BGSAVE", "SCHEDULE") if schedule else ("BGSAVE",), repeatable=True)
        return True
