"""Short ways to a RedisKVStorage for the tests of faults and of life: settings that give up soon, and what a test
waits for. Nothing here knows how the storage works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from nano_graphrag_redis import RedisKVStorage

# One try, half a second to connect and half a second of silence: an outage shows soon.
NO_PATIENCE = {"redis_retry_attempts": 0, "redis_connection_timeout": 0.5, "redis_socket_timeout": 0.5}
# Retries that do not wait long.
QUICK_RETRIES = {"redis_retry_attempts": 3, "redis_retry_base": 0.01, "redis_retry_cap": 0.05}
OUTAGE = (ConnectionError, TimeoutError)  # what a caller catches when the server is away


def storage(url: str, namespace: str = "text_chunks", **settings: Any) -> RedisKVStorage:
    return RedisKVStorage(namespace, {"redis_url": url, **settings})


def bound_of(settings: dict[str, Any]) -> float:
    """The longest that a call may take, as the README promises it."""
    retries = settings["redis_retry_attempts"]
    waits = sum(min(settings["redis_retry_cap"], settings["redis_retry_base"] * 2**n) for n in range(retries))
    each = settings["redis_connection_timeout"] + settings["redis_socket_timeout"]
    return float(each * (retries + 1) + waits)


async def until(is_true: Callable[[], object], within: float = 5.0) -> None:
    """Returns when `is_true()` is; what takes longer than `within` seconds is a failure."""
    deadline = time.monotonic() + within
    while not is_true():
        assert time.monotonic() < deadline, f"not true within {within} s"
        await asyncio.sleep(0.005)


async def in_flight(kv: RedisKVStorage) -> int:
    """Requests that are anywhere between the call and the answer."""
    requests = (await kv.get_stats()).get("requests", {})
    return sum(int(count) for count in requests.values())


async def until_idle(kv: RedisKVStorage, within: float = 5.0) -> None:
    """Returns when no request is left, neither one that somebody waits for nor a cancelled one."""
    deadline = time.monotonic() + within
    while left := await in_flight(kv):
        assert time.monotonic() < deadline, f"{left} requests left after {within} s"
        await asyncio.sleep(0.005)
