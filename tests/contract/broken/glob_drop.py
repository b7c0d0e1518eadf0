"""Fault: drop() takes the namespace for a pattern."""

from __future__ import annotations

import plain


class RedisKVStorage(plain.RedisKVStorage):
    async def drop(self) -> None:
        async with self._client("drop") as client:
            if keys := [key async for key in client.scan_iter(match=self._prefix + "*", count=1000)]:
                await client.unlink(*keys)
