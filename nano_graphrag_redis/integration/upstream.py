"""Changes the default storage class of a GraphRAG that is a dataclass, as released nano-graphrag's is.

The default lives in three places: in the signature of the generated `__init__` (which decides), in the field
(which subclasses made later copy) and as a class attribute (which only shows). All three change together.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ..errors import UnsupportedFeatureError

FIELD = "key_string_value_json_storage_cls"


def get_default(rag: Any) -> type:
    default: type = _field(rag).default
    return default


def set_default(rag: Any, storage: type) -> None:
    """Makes `storage` the default of `rag` and of the dataclasses that already inherit its default."""
    field = _field(rag)
    for init in _generated_inits(rag, field):
        _replace_default(init, storage)
    field.default = storage
    setattr(rag, FIELD, storage)


def _field(rag: Any) -> Any:
    try:
        return rag.__dataclass_fields__[FIELD]
    except (AttributeError, KeyError):
        raise UnsupportedFeatureError(
            f"this nano-graphrag has neither a StorageFactory nor a GraphRAG with the field {FIELD}: "
            "install() does not know where to plug in"
        ) from None


def _generated_inits(cls: Any, field: object) -> Iterator[FunctionType]:
    """The `__init__` functions that dataclass wrote from this very field, of `cls` and its subclasses."""
    if cls.__dataclass_fields__.get(FIELD) is not field:
        return  # overridden: a choice of its own
    own_init = vars(cls).get("__init__")
    if own_init is not None:
        function = inspect.unwrap(own_init)
        if isinstance(function, FunctionType) and function.__code__.co_filename == "<string>":
            yield function
    for subclass in cls.__subclasses__():
        yield from _generated_inits(subclass, field)


def _replace_default(init: FunctionType, storage: type) -> None:
    code = init.__code__
    parameters = code.co_varnames[: code.co_argcount]
    defaults = list(init.__defaults__ or ())
    defaults[parameters.index(FIELD) - len(parameters)] = storage  # defaults belong to the last parameters
    init.__defaults__ = tuple(defaults)
