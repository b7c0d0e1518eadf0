"""The clients that are compared. Each is one file that shows how a program would use that client as
nano-graphrag's key-value storage; its library is imported in `open`, so that memory and import time can be
told apart."""

from __future__ import annotations

from .base import KV, Contestant
from .coredis_client import Coredis
from .glide_client import Glide
from .json_file import JsonFile
from .native import Native
from .redis_expert import RedisExpert
from .redis_replaced import RedisReplaced

ALL: tuple[type[Contestant], ...] = (Native, RedisReplaced, RedisExpert, Glide, Coredis, JsonFile)

__all__ = [
    "ALL",
    "KV",
    "Contestant",
    "Coredis",
    "Glide",
    "JsonFile",
    "Native",
    "RedisExpert",
    "RedisReplaced",
    "by_name",
]


def by_name(name: str) -> type[Contestant]:
    return next(kind for kind in ALL if kind.name == name)
