"""This project's storage, with its default settings."""

from __future__ import annotations

from typing import Any

from harness.endpoint import Endpoint

from .base import KV, Contestant


class Native(Contestant):
    name = "nano-graphrag-redis"
    imports = "from nano_graphrag_redis import RedisKVStorage"

    async def open(self, endpoint: Endpoint) -> None:
        from nano_graphrag_redis import RedisKVStorage

        self._class = RedisKVStorage
        self._storages: list[Any] = []
        self._config: dict[str, Any] = {
            "redis_url": endpoint.url,
            "redis_ssl_ca_certs": endpoint.authority,
            "redis_ttl": {"community_reports": 0},
        }

    def storage(self, namespace: str) -> KV:
        storage: KV = self._class(namespace, self._config)
        self._storages.append(storage)
        return storage

    async def close(self) -> None:
        for storage in self._storages:
            await storage.aclose()
