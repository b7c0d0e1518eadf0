"""What happens to written data beyond the server's memory, as `redis_durability` says.

    auto     nothing where the server keeps an append-only file; elsewhere like bgsave, and like none where the server
             refuses (a managed service, an ACL)
    none     nothing
    bgsave   a snapshot at most once per redis_bgsave_interval, joined if one is being written already
    wait:N   each write waits until N replicas have it
    waitaof  each write waits until it is on the server's disk

The older class forked the server once per LLM answer. Storages of one server share a keeper, so that four namespaces do
not ask for four snapshots. Nothing here raises: an answer that has been paid for must reach its caller.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from .errors import RedisConnectionError, RedisKVError, RedisTimeoutError

if TYPE_CHECKING:
    from ._native import Store
    from .config import ConnectionKey, Settings

logger = logging.getLogger("nano_graphrag_redis")

WAIT_SECONDS = 1.0  # WAIT and WAITAOF give up after this, or after half of redis_socket_timeout


class Keeper:
    """The durability of one server as seen by this process."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.durability.mode
        self._replicas = settings.durability.replicas
        self._configured = str(settings.durability)
        self._endpoint = settings.endpoint
        self._interval = settings.bgsave_interval
        self._wait_ms = int(min(WAIT_SECONDS, settings.socket_timeout / 2) * 1000)
        self._is_dirty = False
        self._next_time = 0.0
        self._reached = "unknown"
        self._last_snapshot: float | None = None

    def native_options(self) -> dict[str, Any]:
        """What the extension adds to each write."""
        return {
            "wait_replicas": self._replicas,
            "wait_aof": self._mode == "waitaof",
            "wait_ms": max(1, self._wait_ms),
        }

    def note_write(self, acknowledged: int | None) -> None:
        """After each write; `acknowledged` is how many replicas (or disks) have it where the write waited."""
        self._is_dirty = True
        if acknowledged is None:
            return
        if acknowledged >= max(1, self._replicas):
            reached = "waitaof" if self._mode == "waitaof" else f"wait:{acknowledged}"
            self._change(reached, logging.INFO, "as configured")
        elif acknowledged < 0:
            self._change("none", logging.WARNING, "the server refuses to wait (WAITAOF needs appendonly yes)")
        else:
            self._change(f"{self._mode}:{acknowledged}", logging.WARNING, "fewer copies than configured in time")

    def is_due(self) -> bool:
        """Whether persist() has something to do now; costs next to nothing."""
        return self._is_dirty and self._mode in ("auto", "bgsave") and time.monotonic() >= self._next_time

    async def persist(self, store: Store) -> None:
        self._is_dirty = False
        self._next_time = time.monotonic() + self._interval
        try:
            if self._mode == "auto" and await _keeps_aof(store):
                self._change("aof", logging.INFO, "the server keeps an append-only file")
            else:
                await self._snapshot(store)
        except RedisKVError as error:
            self._change("none", logging.WARNING, f"no snapshot: {error}")
        except asyncio.CancelledError:
            self._is_dirty, self._next_time = True, 0.0  # the next callback sees to it
            raise

    async def _snapshot(self, store: Store) -> None:
        try:
            await store.execute(("BGSAVE", "SCHEDULE"), repeatable=True)
        except RedisKVError as error:
            if "in progress" not in str(error):
                raise
        self._last_snapshot = time.time()
        self._change("bgsave", logging.INFO, f"a snapshot at most every {self._interval:g} s")

    def _change(self, reached: str, level: int, why: str) -> None:
        """One log line per change, not per call."""
        if reached != self._reached:
            self._reached = reached
            text = "%s: durability is %s (configured: %s): %s"
            logger.log(level, text, self._endpoint, reached, self._configured, why)

    def report(self) -> dict[str, Any]:
        """For get_stats(): what was asked for, what was really reached, and when the last snapshot was started."""
        return {"configured": self._configured, "reached": self._reached, "last_snapshot": self._last_snapshot}


async def _keeps_aof(store: Store) -> bool:
    """Whether the server writes an append-only file; "no" where it does not tell. An outage raises: asking for a
    snapshot then would wait for the same server a second time."""
    try:
        info: bytes = await store.execute(("INFO", "persistence"), repeatable=True)
    except (RedisConnectionError, RedisTimeoutError):
        raise
    except RedisKVError:
        return False
    return b"aof_enabled:1" in info


_keepers: dict[tuple[ConnectionKey, str, float], Keeper] = {}


def keeper_for(settings: Settings) -> Keeper:
    """The keeper that all storages with these settings share in this process."""
    key = (settings.connection_key(), str(settings.durability), settings.bgsave_interval)
    return _keepers.setdefault(key, Keeper(settings))
