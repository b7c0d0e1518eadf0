"""redis.asyncio with hiredis, used well; its pool waits for a connection instead of raising."""

from __future__ import annotations

from harness.endpoint import Endpoint

from .base import KV, Contestant
from .expert import ExpertStorage

MAX_CONNECTIONS = 64


class RedisExpert(Contestant):
    name = "redis.asyncio, MGET + orjson"
    imports = "import redis.asyncio, orjson"

    async def open(self, endpoint: Endpoint) -> None:
        import redis.asyncio

        self._pool = redis.asyncio.BlockingConnectionPool.from_url(
            endpoint.url, max_connections=MAX_CONNECTIONS, timeout=None, socket_timeout=5.0
        )
        self._client = redis.asyncio.Redis(connection_pool=self._pool)

    def storage(self, namespace: str) -> KV:
        return _Storage(namespace, self._client)

    async def close(self) -> None:
        await self._client.aclose()
        await self._pool.disconnect()


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
