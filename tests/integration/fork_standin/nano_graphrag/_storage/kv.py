"""The storages that are there before anybody plugs in another."""

from dataclasses import dataclass

from ..base import BaseKVStorage


@dataclass
class JsonKVStorage(BaseKVStorage):
    pass


@dataclass
class BuiltInRedisStorage(BaseKVStorage):
    pass
