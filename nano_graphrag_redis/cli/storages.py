"""Opens the storages that `migrate` and `export` work on, from the shared options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..storage import RedisKVStorage


def open_storage(
    namespace: str, options: argparse.Namespace, ttl: Mapping[str, int] | None = None
) -> RedisKVStorage:
    """A storage; what the options leave out comes from the environment. It connects at its first use."""
    config: dict[str, Any] = {
        "redis_url": options.redis_url,
        "redis_key_prefix": options.key_prefix,
        "redis_ttl_sliding": False,  # looking at a record must not make it live longer
    }
    if ttl:
        config["redis_ttl"] = dict(ttl)
    return RedisKVStorage(namespace, config)
