"""redis.asyncio: one client on one pool of connections. How the pool is made tells its users apart."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from harness.endpoint import Endpoint

from .base import KV, Contestant

PATIENCE = 30.0  # seconds; a thousand TLS handshakes on a busy machine take more than its default of 5


class RedisAsyncio(Contestant):
    storage_class: ClassVar[type[Any]]

    @abstractmethod
    def make_pool(self, url: str, **options: Any) -> Any:
        """The options are those that every pool needs to reach the server."""

    async def open(self, endpoint: Endpoint) -> None:
        import redis.asyncio

        trust = {"ssl_ca_certs": endpoint.authority} if endpoint.authority else {}
        self._pool = self.make_pool(
            endpoint.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, **trust
        )
        self._client = redis.asyncio.Redis(connection_pool=self._pool)

    def storage(self, namespace: str) -> KV:
        kv: KV = self.storage_class(namespace, self._client)
        return kv

    async def close(self) -> None:
        await self._client.aclose()
        await self._pool.disconnect()
