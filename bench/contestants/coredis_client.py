"""coredis, used well: an asyncio client that shares its connections between concurrent calls."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from harness.endpoint import Endpoint

from .base import KV, Contestant
from .expert import ExpertStorage


class Coredis(Contestant):
    name = "coredis + orjson"
    imports = "import coredis, orjson"

    async def open(self, endpoint: Endpoint) -> None:
        import coredis

        self._client: Any = coredis.Redis(
            host="127.0.0.1",
            port=endpoint.port,
            unix_socket_path=endpoint.socket,
            ssl=endpoint.authority is not None,
            ssl_ca_certs=endpoint.authority,
        )
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(self._client)

    def storage(self, namespace: str) -> KV:
        return _Storage(namespace, self._client)

    async def close(self) -> None:
        await self._stack.aclose()


class _Storage(ExpertStorage):
    async def exist(self, keys: list[str]) -> list[int]:
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists([key])
        return list(pipe.results)

    async def set_expiring(self, key: str, encoded: bytes) -> None:
        await self._client.set(key, encoded, ex=self.ttl)

    async def set_all_expiring(self, rows: dict[str, bytes]) -> None:
        async with self._client.pipeline(transaction=True) as pipe:
            for key, encoded in rows.items():
                pipe.set(key, encoded, ex=self.ttl)
