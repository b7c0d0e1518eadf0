"""How a storage reaches a server of one test's own: with TLS or without."""

from __future__ import annotations

from servers import Server
from storages import storage

from nano_graphrag_redis import RedisKVStorage


class Way:
    """A server, and storages that reach it, directly or through another port."""

    def __init__(self, server: Server, scheme: str, ca: str | None) -> None:
        self.server, self._scheme = server, scheme
        self._trust = {"redis_ssl_ca_certs": ca} if ca else {}

    def storage(self, port: int | None = None, **settings: object) -> RedisKVStorage:
        return storage(f"{self._scheme}://127.0.0.1:{port or self.server.port}", **self._trust, **settings)
