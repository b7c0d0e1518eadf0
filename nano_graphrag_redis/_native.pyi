from collections.abc import Collection, Generator, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar, final

_T = TypeVar("_T")

build_info: dict[str, str]
"""Versions: hiredis (compiled with), openssl (loaded), openssl_compiled, cjson (loaded), python_compiled, compiler."""

def loads(data: bytes, fields: Collection[str] | None = None) -> object:
    """The value of a JSON document, as `json.loads(data.decode())` gives it.

    With `fields`, a top-level object keeps only these keys; the values of others are checked, not built.
    Raises CorruptValueError with the reason and the byte offset. Nesting may be 1,000 levels deep.
    """

def dumps(value: object, strict: bool = False) -> bytes:
    """The value as compact UTF-8 JSON, taking what `json.dumps(value, default=str)` takes.

    Numbers of numpy stay numbers. Raises EncodeError naming the path inside the value: for keys that JSON
    cannot tell apart, a value that contains itself or is nested deeper than 1,000 levels, and, with
    `strict`, a type that JSON does not know.
    """

def parse_url(url: str, /) -> dict[str, Any]:
    """The parts of a Redis URL: scheme, kind, tls, nodes, path, service, username, password, db, options.

    Raises ConfigurationError; its message says what is wrong without quoting the URL.
    """

@final
class Op(Generic[_T]):
    """A call under way. Cancelling the task that awaits it takes the call back, or drops its answer."""

    def __await__(self) -> Generator[Any, None, _T]: ...

class Store:
    """One namespace on one server. Methods must be called with an event loop running."""

    has_answered: bool
    """Whether the server has ever answered a call of this store."""
    is_connected: bool
    """Whether a connection is open on the running event loop."""

    def __new__(cls, namespace: str, prefix: str, key: Hashable, options: dict[str, Any]) -> Store:
        """`prefix` starts every key; stores with equal `key` share connections; `options` as config.py makes them."""
    def get(self, id: str, /) -> Op[Any]: ...
    def get_many(self, ids: Iterable[str], fields: Collection[str] | None = None, /) -> Op[list[Any]]: ...
    def missing(self, ids: Iterable[str], /) -> Op[set[str]]: ...
    def put(self, mapping: Mapping[str, Any], /) -> Op[int | None]:
        """None; where the write waited, how many replicas or disks have it (-1: the server refused to wait)."""
    def remove(self, id: str, /) -> Op[bool]: ...
    def keys(self) -> Op[list[str]]: ...
    def clear(self) -> Op[int]:
        """How many keys there were."""
    def execute(self, words: tuple[str | bytes | int, ...], *, repeatable: bool = False) -> Op[Any]:
        """bytes, str (a status), int, None or lists of these; an error reply raises."""
    def stats(self) -> dict[str, Any]: ...
    def close(self) -> None: ...
