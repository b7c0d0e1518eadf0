"""The base classes of storages, as dataclasses, like the originals."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class StorageNameSpace:
    namespace: str
    global_config: dict[str, Any]


@dataclass
class BaseKVStorage(Generic[T], StorageNameSpace):
    async def get_by_id(self, id: str) -> T | None:
        raise NotImplementedError
