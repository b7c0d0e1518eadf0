"""RedisKVStorage: what nano-graphrag sees. Each method is one line over the C extension, which knows the way.

The class promises what nano-graphrag's JsonKVStorage and the older Python class of the same name promise: the
same methods, keys, values and lifetimes, so that old and new workers may share one server.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _native, config
from .client_shim import RedisClientShim
from .durability import keeper_for
from .errors import RedisKVError
from .first_use import FirstUse
from .integration.base import adopt

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class _Detached:
    """The base until nano-graphrag's BaseKVStorage is imported; see integration/base.py."""


class RedisKVStorage(_Detached):
    """One namespace of nano-graphrag's key-value data on a Redis or Valkey server.

    `namespace` is a name such as "text_chunks"; `global_config` is nano-graphrag's configuration as a dict. Settings
    are looked up in `global_config`, its "addon_params" and the environment (see the README). Building a storage
    does no I/O; wrong settings raise ConfigurationError here. The first call connects.

    One storage may be used from several event loops and threads, each of which gets connections of its own;
    storages with equal settings share the connections of a loop. After `aclose()` a further call connects anew.
    """

    def __init__(self, namespace: str, global_config: dict[str, Any]) -> None:
        self._build(namespace, global_config, config.resolve(namespace, global_config))

    def _build(self, namespace: str, global_config: dict[str, Any], settings: config.Settings) -> None:
        settings.require_supported()
        self.namespace = namespace
        self.global_config = global_config
        self._settings = settings
        self._prefix = f"{settings.key_prefix}:{namespace}:"
        self._ttl_config = settings.ttl_config
        self._keeper = keeper_for(settings)
        options = {**settings.native_options(), "endpoint": settings.endpoint, **self._keeper.native_options()}
        self._store = _native.Store(namespace, self._prefix, settings.connection_key(), options)
        self._redis_client = RedisClientShim(self._store)
        self._first_use: FirstUse | None = FirstUse(settings)

    # --- reading ------------------------------------------------------------------------------------------

    async def get_by_id(self, id: str) -> Any | None:
        """The value of one id, or None where there is none.

        Raises CorruptValueError, naming the key, when what is stored is not JSON; an outage raises too and
        never reads as "absent".
        """
        value = await self._store.get(id)
        if self._first_use:
            await self._look_around()
        return value

    async def get_by_ids(self, ids: Iterable[str], fields: Collection[str] | None = None) -> list[Any | None]:
        """The values in the order of `ids`, None where absent.

        With `fields` (even an empty set) each record keeps only these keys; an empty record reads as None then,
        as with JsonKVStorage.
        """
        values = await self._store.get_many(ids, fields)
        if self._first_use:
            await self._look_around()
        return values

    async def filter_keys(self, data: Iterable[str]) -> set[str]:
        """Those of the given ids that are absent."""
        missing = await self._store.missing(data)
        if self._first_use:
            await self._look_around()
        return missing

    async def all_keys(self) -> list[str]:
        """Every id of the namespace, each once, in no particular order."""
        ids = await self._store.keys()
        if self._first_use:
            await self._look_around()
        return ids

    # --- writing ------------------------------------------------------------------------------------------

    async def upsert(self, data: Mapping[str, Any]) -> None:
        """Stores a batch: all of it or nothing, up to `redis_max_atomic_bytes`; beyond, in several such steps.

        A value that cannot be stored (EncodeError, naming the id and the path inside the value;
        ValueTooLargeError) leaves the server untouched. A call that was cancelled or timed out may still take
        effect.
        """
        acknowledged = await self._store.put(data)
        self._note_write(acknowledged)

    async def delete_by_id(self, id: str) -> bool:
        """Deletes one id; True if it was there.

        A connection that is lost after the command was sent raises instead of asking again, since the second
        answer would lie.
        """
        was_there = await self._store.remove(id)
        self._note_write(None)
        return was_there

    async def drop(self) -> None:
        """Removes this namespace, and nothing else, without blocking the server."""
        await self._store.clear()
        self._note_write(None)

    def _note_write(self, acknowledged: int | None) -> None:
        self._keeper.note_write(acknowledged)
        if self._first_use:
            self._first_use.tell_about_reports()

    # --- nano-graphrag's callbacks ------------------------------------------------------------------------

    async def index_start_callback(self) -> None:
        """Drops the namespace when `global_config["clear_on_start"]` is true."""
        if self.global_config.get("clear_on_start", False):
            await self.drop()

    async def index_done_callback(self) -> None:
        """Sees to it that what was written survives, as `redis_durability` says; never raises for that.

        nano-graphrag calls this after every LLM answer it had to pay for; nearly always nothing is left to do.
        """
        if self._keeper.is_due():
            await self._keeper.persist(self._store)

    async def query_done_callback(self) -> None:
        """Nothing to do: every answer of the server is final."""

    # --- life ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Self]:
        return self._connected().__await__()

    async def _connected(self) -> Self:
        await self._ensure_initialized()
        return self

    async def __aenter__(self) -> Self:
        return await self._connected()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends this storage's calls with ClosedError and closes connections that no other storage uses.

        Both on the running event loop; calls on other loops go on there.
        """
        self._store.close()

    async def ping(self) -> bool:
        """True once the server has answered; raises when it does not."""
        return await self._redis_client.ping()

    async def check_health(self) -> bool:
        """Whether the server answers; never raises for an outage."""
        try:
            return await self.ping()
        except RedisKVError:
            return False

    async def get_stats(self) -> dict[str, Any]:
        """Counters and state as plain JSON: connections, requests, traffic, hits and misses, durability."""
        counters = self._store.stats()
        core: Any = _native.loads((counters.pop("core") or "{}").encode())
        return {
            "backend": "redis",
            "namespace": self.namespace,
            "endpoint": self._settings.endpoint,
            "prefix": self._prefix,
            "ttl_seconds": self._settings.ttl,
            "values": counters,
            "durability": self._keeper.report(),
            **{name: part for name, part in core.items() if name != "endpoint"},
        }

    # --- what callers of the older class use --------------------------------------------------------------

    @property
    def _initialized(self) -> bool:
        return self._store.has_answered

    async def _ensure_initialized(self) -> None:
        """Connects now, and raises when that does not work."""
        if not self._store.is_connected:
            await self.ping()
        if self._first_use:
            await self._look_around()

    async def _cleanup(self) -> None:
        await self.aclose()

    async def _look_around(self) -> None:
        """Once, after the first call that went well: what the user should know about this namespace."""
        first_use, self._first_use = self._first_use, None
        if first_use:
            await first_use.tell(self._store)

    # --- copies -------------------------------------------------------------------------------------------

    @classmethod
    def _rebuild(cls, namespace: str, global_config: dict[str, Any], settings: config.Settings) -> Self:
        self = cls.__new__(cls)
        self._build(namespace, global_config, settings)
        return self

    def __copy__(self) -> Self:
        return self._rebuild(self.namespace, self.global_config, self._settings)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        import copy  # here and below: not worth the import time of everybody else

        return self._rebuild(self.namespace, copy.deepcopy(self.global_config, memo), self._settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the settings, the password among them, and of `global_config` what can be pickled."""
        plain = {name: value for name, value in self.global_config.items() if _is_picklable(value)}
        return type(self)._rebuild, (self.namespace, plain, self._settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(namespace={self.namespace!r}, endpoint={self._settings.endpoint!r})"


def _is_picklable(value: object) -> bool:
    import pickle

    try:
        pickle.dumps(value)
    except Exception:
        return False
    return True


adopt(RedisKVStorage)
