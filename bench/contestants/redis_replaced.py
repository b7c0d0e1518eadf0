"""redis.asyncio in the way of the class that this project replaces: a pool with health checks and retries,
one GET per id in a transaction, Python's json, and BGSAVE at the end of each step.

One setting differs: that class allows 50 connections and raises at the 51st concurrent call, so its own
setting would not survive these workloads."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from .base import Namespace, only_fields
from .redis_asyncio import RedisAsyncio

MAX_CONNECTIONS = 1024


class _Storage(Namespace):
    def __init__(self, namespace: str, client: Any) -> None:
        super().__init__(namespace)
        self._client = client

    async def get_by_id(self, id: str) -> Any:
        return _decoded(await self._client.get(self.prefix + id))

    async def get_by_ids(self, ids: list[str], fields: set[str] | None = None) -> list[Any]:
        async with self._client.pipeline() as pipe:
            for key in self.keys(ids):
                pipe.get(key)
            return [only_fields(_decoded(data), fields) for data in await pipe.execute()]

    async def filter_keys(self, data: list[str]) -> set[str]:
        async with self._client.pipeline() as pipe:
            for key in self.keys(data):
                pipe.exists(key)
            found = await pipe.execute()
        return {id for id, is_there in zip(data, found, strict=True) if not is_there}

    async def upsert(self, data: dict[str, Any]) -> None:
        async with self._client.pipeline() as pipe:
            for id, value in data.items():
                encoded = json.dumps(value, default=str).encode()
                if self.ttl:
                    pipe.setex(self.prefix + id, self.ttl, encoded)
                else:
                    pipe.set(self.prefix + id, encoded)
            await pipe.execute()

    async def index_done_callback(self) -> None:
        from redis.exceptions import RedisError

        with contextlib.suppress(RedisError):  # one is being written already
            await self._client.bgsave()


def _decoded(data: bytes | None) -> Any:
    return None if data is None else json.loads(data.decode())


class RedisReplaced(RedisAsyncio):
    name = "redis.asyncio, as replaced"
    imports = "import redis.asyncio"
    storage_class = _Storage

    def make_pool(self, url: str, **options: Any) -> Any:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialBackoff

        return redis.asyncio.ConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=10, base=1), retries=3),
            **options,
        )
