"""What a contract test runs on: a storage class, and the server it is given (none for JSON files)."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import Any

from servers import Server

ORACLE = "nano_graphrag._storage:JsonKVStorage"
OURS = "nano_graphrag_redis:RedisKVStorage"

OUTAGE = (ConnectionError, TimeoutError)  # what a caller of the storage catches when the server is away
NO_PATIENCE = {"redis_retry_attempts": 0, "redis_connection_timeout": 0.5, "redis_socket_timeout": 0.5}


@dataclass(frozen=True)
class Candidate:
    """A class named by `module:Class`, and the flavour of server to run it on."""

    path: str
    flavour: str | None

    def __str__(self) -> str:
        return "-".join(filter(None, [self.path.partition(":")[2], self.flavour]))

    def load(self) -> type[Any]:
        module, _, name = self.path.partition(":")
        loaded: type[Any] = getattr(importlib.import_module(module), name)
        return loaded


@dataclass(frozen=True)
class Subject:
    """A candidate made ready: its class, its empty server, and a folder of its own."""

    cls: type[Any]
    flavour: str | None
    server: Server | None
    folder: str

    def config(self, **settings: Any) -> dict[str, Any]:
        """The global_config for a storage; both kinds of storages find their place in it."""
        place = {"redis_url": self.server.url} if self.server else {}
        return {"working_dir": self.folder, **place, **settings}


async def close(kv: Any) -> None:
    """Ends a storage of any kind."""
    end = getattr(kv, "aclose", None) or getattr(kv, "_cleanup", None)
    if end is not None:
        await end()


def spelled(value: Any) -> str:
    """A value as JSON text: unlike ==, it tells 1 from 1.0 from True, 0.0 from -0.0, and NaN equals NaN."""
    return json.dumps(value)
