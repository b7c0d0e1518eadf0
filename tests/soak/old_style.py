"""The class that this project replaces, as its users know it: redis.asyncio, GET, SET and SETEX in a MULTI pipeline,
Python's json. It does not retry, so that each of its writes is known to have been sent once."""

from __future__ import annotations

import json
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0), protocol=2
    )


class OldStyle:
    """One namespace. The methods are those of RedisKVStorage."""

    def __init__(self, client: redis.asyncio.Redis, namespace: str, ttl: int) -> None:
        self._client, self._ttl = client, ttl
        self._prefix = f"nano_graphrag:{namespace}:"

    async def get_by_id(self, id: str) -> Any:
        return _decoded(await self._client.get(self._prefix + id))

    async def get_by_ids(self, ids: list[str], fields: set[str] | None = None) -> list[Any]:
        async with self._client.pipeline() as pipe:
            for id in ids:
                pipe.get(self._prefix + id)
            values = [_decoded(data) for data in await pipe.execute()]
        if fields is None:
            return values
        return [value and {name: value[name] for name in fields & value.keys()} for value in values]

    async def filter_keys(self, ids: list[str]) -> set[str]:
        async with self._client.pipeline() as pipe:
            for id in ids:
                pipe.exists(self._prefix + id)
            return {id for id, is_there in zip(ids, await pipe.execute(), strict=True) if not is_there}

    async def upsert(self, data: dict[str, Any]) -> None:
        async with self._client.pipeline() as pipe:
            for id, value in data.items():
                encoded = json.dumps(value, default=str).encode()
                if self._ttl:
                    pipe.execute_command("SETEX", self._prefix + id, self._ttl, encoded)  # as setex() did
                else:
                    pipe.set(self._prefix + id, encoded)
            await pipe.execute()

    async def delete_by_id(self, id: str) -> bool:
        return bool(await self._client.delete(self._prefix + id))

    async def all_keys(self) -> list[str]:
        found = {key async for key in self._client.scan_iter(match=self._prefix + "*", count=1000)}
        return [key.decode()[len(self._prefix) :] for key in found]

    async def drop(self) -> None:
        keys = [key async for key in self._client.scan_iter(match=self._prefix + "*", count=1000)]
        if keys:
            await self._client.delete(*keys)


def _decoded(data: bytes | None) -> Any:
    return None if data is None else json.loads(data.decode())
