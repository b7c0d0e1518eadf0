from collections.abc import Collection
from typing import Any

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
