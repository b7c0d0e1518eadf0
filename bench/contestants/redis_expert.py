"""redis.asyncio with hiredis, used well; its pool waits for a connection instead of raising."""

from __future__ import annotations

from typing import Any

from .expert import ExpertStorage
from .redis_asyncio import RedisAsyncio

MAX_CONNECTIONS = 64


class _Storage(ExpertStorage):
    async def exist(self, keys: list[str]) -> list[int]:
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.exists(key)
        found: list[int] = await pipe.execute()
        return found

    async def set_expiring(self, key: str, encoded: bytes) -> None:
        await self._client.set(key, encoded, ex=self.ttl)

    async def set_all_expiring(self, rows: dict[str, bytes]) -> None:
        pipe = self._client.pipeline(transaction=True)
        for key, encoded in rows.items():
            pipe.set(key, encoded, ex=self.ttl)
        await pipe.execute()


class RedisExpert(RedisAsyncio):
    name = "redis.asyncio, MGET + orjson"
    imports = "import redis.asyncio, orjson"
    storage_class = _Storage

    def make_pool(self, url: str, **options: Any) -> Any:
        import redis.asyncio

        return redis.asyncio.BlockingConnectionPool.from_url(
            url, max_connections=MAX_CONNECTIONS, timeout=None, **options
        )
