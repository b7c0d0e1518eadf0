"""`GraphRAG` whose default key-value storage follows STORAGE_KV_BACKEND when an object is made.

Importing this module imports nano-graphrag, so the package loads it only when `GraphRAG` is asked for. What
the caller passes always wins over the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from typing import Any

import nano_graphrag

from .backend import chosen_backend
from .install import install, storage_class
from .upstream import FIELD

_Base: Any = nano_graphrag.GraphRAG


def _default_storage_class() -> type:
    """Named by the environment, else nano-graphrag's own default, as it is now."""
    backend = chosen_backend()
    if backend == "redis":
        return storage_class()
    if backend == "json":
        from nano_graphrag._storage import JsonKVStorage

        json_class: type = JsonKVStorage
        return json_class
    own_default: type = _Base.__dataclass_fields__[FIELD].default
    return own_default


if is_dataclass(_Base):

    @dataclass
    class GraphRAG(_Base):  # type: ignore[misc]
        """nano-graphrag's GraphRAG; without an explicit storage class, STORAGE_KV_BACKEND decides."""

        key_string_value_json_storage_cls: type = field(default_factory=_default_storage_class)

else:

    class GraphRAG(_Base):  # type: ignore[no-redef,misc]
        """nano-graphrag's GraphRAG; without an explicit config, the environment gives its storage part."""

        def __init__(self, config: Any = None) -> None:
            install()
            super().__init__(_config_from_environment() if config is None else config)


def _config_from_environment() -> Any:
    from nano_graphrag.config import GraphRAGConfig, StorageConfig

    return GraphRAGConfig() if chosen_backend() is None else GraphRAGConfig(storage=StorageConfig.from_env())
