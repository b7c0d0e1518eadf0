"""A small storage on redis.asyncio that keeps the contract: the suite asks for nothing impossible.

It is the correct storage that the suite's own tests break on purpose (see broken/). It is no example to
follow: one connection pool per storage, no bounds on the size of anything, no reuse between event loops.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import AsyncIterator, Collection, Generator, Iterable, Iterator
from typing import Any

import numpy
from nano_graphrag.base import BaseKVStorage
from redis import asyncio as aioredis
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

DEFAULT_TTL = {"llm_response_cache": 43200, "community_reports": 86400, "text_chunks": 0, "full_docs": 0}
LOGGER = logging.getLogger(__name__)


class CorruptValueError(ValueError):
    """What is stored under a key is not JSON."""


@contextlib.contextmanager
def builtin_errors(operation: str) -> Iterator[None]:
    """Raises the client library's errors as the built-ins that the contract promises."""
    try:
        yield
    except (redis_errors.AuthenticationError, redis_errors.NoPermissionError) as error:
        raise PermissionError(f"{operation}: {error}") from None
    except redis_errors.TimeoutError as error:
        raise TimeoutError(f"{operation}: {error}") from None
    except (redis_errors.ConnectionError, redis_errors.InvalidResponse) as error:
        raise ConnectionError(f"{operation}: {error}") from None
    except redis_errors.OutOfMemoryError as error:
        raise OSError(f"{operation}: {error}") from None
    except redis_errors.ResponseError as error:
        raise ValueError(f"{operation}: {error}") from None


def ttl_of(namespace: str, overrides: dict[str, Any]) -> int:
    """Seconds to live: from global_config, else from the environment, else the default."""
    variable = f"REDIS_TTL_{namespace.upper()}"
    given = overrides.get(namespace, os.environ.get(variable) or DEFAULT_TTL.get(namespace, 0))
    try:
        seconds = int(given)
    except ValueError:
        raise ValueError(f"{variable}={given!r} is not a number of seconds") from None
    if seconds < 0:
        LOGGER.warning("%s=%d is negative: no expiry", variable, seconds)
    return max(seconds, 0)


def as_json(value: Any) -> Any:
    """What stands in for a value that is no JSON: numpy's scalars are numbers, the rest is text."""
    return value.item() if isinstance(value, numpy.generic) else str(value)


def encoded(id: str, value: Any) -> bytes:
    try:
        text = json.dumps(value, default=as_json, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the value of {id!r} cannot be written as JSON: {error}") from error
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes its JSON escape


class RedisKVStorage(BaseKVStorage):  # type: ignore[misc]
    def __init__(self, namespace: str, global_config: dict[str, Any]) -> None:
        prefix = global_config.get("redis_key_prefix", "nano_graphrag")
        for name, text in (("namespace", namespace), ("redis_key_prefix", prefix)):
            if not text or ":" in text:
                raise ValueError(f"{name}={text!r} must not be empty nor hold a colon")
        self.namespace = namespace
        self.global_config = global_config
        self._prefix = f"{prefix}:{namespace}:"
        self._ttl_config = {name: ttl_of(name, global_config.get("redis_ttl", {})) for name in DEFAULT_TTL}
        self._ttl_config[namespace] = ttl_of(namespace, global_config.get("redis_ttl", {}))
        self._initialized = False
        self._redis_client: Any = None

    def __repr__(self) -> str:
        return f"RedisKVStorage(namespace={self.namespace!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"namespace": self.namespace, "global_config": self.global_config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    # --- life cycle ------------------------------------------------------------------------------------

    async def _ensure_initialized(self) -> None:
        config = self.global_config
        if self._redis_client is None:
            pool = aioredis.BlockingConnectionPool.from_url(
                config.get("redis_url") or os.environ.get("REDIS_URL", "redis://localhost:6379"),
                password=config.get("redis_password"),
                protocol=2,
                max_connections=config.get("redis_max_connections", 50),
                socket_connect_timeout=config.get("redis_connection_timeout", 5.0),
                socket_timeout=config.get("redis_socket_timeout", 5.0),
                retry=Retry(
                    ExponentialBackoff(
                        config.get("redis_retry_cap", 10.0), config.get("redis_retry_base", 1.0)
                    ),
                    config.get("redis_retry_attempts", 3),
                ),
            )
            self._redis_client = aioredis.Redis.from_pool(pool)
        if not self._initialized:
            with builtin_errors("connect"):
                await self._redis_client.ping()
            self._initialized = True

    @contextlib.asynccontextmanager
    async def _client(self, operation: str) -> AsyncIterator[Any]:
        await self._ensure_initialized()
        with builtin_errors(f"{operation} in {self.namespace}"):
            yield self._redis_client

    async def _connect(self) -> RedisKVStorage:
        await self._ensure_initialized()
        return self

    def __await__(self) -> Generator[Any, None, RedisKVStorage]:
        return self._connect().__await__()

    async def __aenter__(self) -> RedisKVStorage:
        return await self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        client, self._redis_client, self._initialized = self._redis_client, None, False
        if client is not None:
            await client.aclose()

    async def _cleanup(self) -> None:
        await self.aclose()

    # --- reading ---------------------------------------------------------------------------------------

    def _key(self, id: str) -> str:
        return self._prefix + id

    def _decoded(self, id: str, data: bytes | None) -> Any:
        if data is None:
            return None
        try:
            return json.loads(data.decode())
        except ValueError as error:
            raise CorruptValueError(f"{self._key(id)} does not hold JSON: {error}") from None

    async def _keys(self, client: Any) -> list[bytes]:
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix) + "*"
        return list({key async for key in client.scan_iter(match=pattern, count=1000)})

    async def all_keys(self) -> list[str]:
        async with self._client("all_keys") as client:
            return [key.decode()[len(self._prefix) :] for key in await self._keys(client)]

    async def get_by_id(self, id: str) -> Any:
        async with self._client(f"get_by_id of {self._key(id)}") as client:
            return self._decoded(id, await client.get(self._key(id)))

    async def get_by_ids(self, ids: Iterable[str], fields: Collection[str] | None = None) -> list[Any]:
        wanted = list(ids)
        if not wanted:
            return []
        async with self._client("get_by_ids") as client:
            async with client.pipeline(transaction=False) as pipe:
                for id in wanted:
                    pipe.get(self._key(id))
                replies = await pipe.execute()
            records = [self._decoded(id, data) for id, data in zip(wanted, replies, strict=True)]
        return records if fields is None else [self._filtered(record, fields) for record in records]

    @staticmethod
    def _filtered(record: Any, fields: Collection[str]) -> Any:
        if not record:
            return None
        return {k: v for k, v in record.items() if k in fields} if isinstance(record, dict) else record

    async def filter_keys(self, data: Iterable[str]) -> set[str]:
        wanted = list(data)
        if not wanted:
            return set()
        async with self._client("filter_keys") as client, client.pipeline(transaction=False) as pipe:
            for id in wanted:
                pipe.exists(self._key(id))
            return {id for id, found in zip(wanted, await pipe.execute(), strict=True) if not found}

    # --- writing ---------------------------------------------------------------------------------------

    async def upsert(self, data: dict[str, Any]) -> None:
        values = {self._key(id): encoded(id, value) for id, value in data.items()}
        if not values:
            return
        seconds = self._ttl_config[self.namespace] or None
        async with self._client("upsert") as client, client.pipeline() as pipe:
            for key, value in values.items():
                pipe.set(key, value, ex=seconds)
            await pipe.execute()

    async def delete_by_id(self, id: str) -> bool:
        async with self._client("delete_by_id") as client:
            return bool(await client.delete(self._key(id)))

    async def drop(self) -> None:
        async with self._client("drop") as client:
            if keys := await self._keys(client):
                await client.unlink(*keys)

    # --- callbacks and health --------------------------------------------------------------------------

    async def index_start_callback(self) -> None:
        if self.global_config.get("clear_on_start"):
            await self.drop()

    async def index_done_callback(self) -> None:
        """Nothing to do: the server persists on its own."""

    async def query_done_callback(self) -> None:
        """Nothing to do."""

    async def ping(self) -> bool:
        async with self._client("ping") as client:
            return bool(await client.ping())

    async def check_health(self) -> bool:
        try:
            return await self.ping()
        except OSError:
            return False

    async def get_stats(self) -> dict[str, Any]:
        return {"namespace": self.namespace, "connected": self._initialized}
