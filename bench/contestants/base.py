"""What every contestant offers: a way in, a way out, and storages with nano-graphrag's methods."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.endpoint import PREFIX, Endpoint

if TYPE_CHECKING:
    from harness.server import Admin

TTL = {"llm_response_cache": 43200}  # seconds; the other namespaces of the benchmark do not expire


class KV(Protocol):
    """The part of nano-graphrag's BaseKVStorage that is measured."""

    async def get_by_id(self, id: str) -> Any: ...
    async def get_by_ids(self, ids: list[str], fields: set[str] | None = None) -> list[Any]: ...
    async def filter_keys(self, data: list[str]) -> set[str]: ...
    async def upsert(self, data: dict[str, Any]) -> None: ...
    async def index_done_callback(self) -> None: ...


class Contestant(ABC):
    """One client. A run makes one object of each, opens it, and asks for one storage per namespace."""

    name: ClassVar[str]
    imports: ClassVar[str]  # how a program imports it, in one line
    only: ClassVar[frozenset[str] | None] = None  # the workloads it takes part in; None: all
    share: ClassVar[float] = 1.0  # of the usual number of operations; less for one that would hold up all

    @classmethod
    def takes_part_in(cls, workload: str) -> bool:
        return cls.only is None or workload in cls.only

    @abstractmethod
    async def open(self, endpoint: Endpoint) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def storage(self, namespace: str) -> KV: ...

    def forget(self, server: Admin, namespace: str, ids: list[str]) -> None:
        """Makes these ids absent, behind the client's back."""
        server.remove(namespace, ids)

    def stored(self, server: Admin, namespace: str, ids: list[str]) -> list[Any]:
        """What has really been stored, read without the client."""
        return [data and json.loads(data) for data in server.rows(namespace, ids)]


class Namespace:
    """What the storages of other clients have in common: the keys and the lifetime of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.prefix = f"{PREFIX}:{namespace}:"
        self.ttl = TTL.get(namespace, 0)

    def keys(self, ids: Collection[str]) -> list[str]:
        prefix = self.prefix
        return [prefix + id for id in ids]

    async def index_done_callback(self) -> None:
        """Nothing: the server is left to its own persistence."""


def only_fields(record: Any, fields: set[str] | None) -> Any:
    if fields is None or not record:
        return record
    return {name: value for name, value in record.items() if name in fields}
