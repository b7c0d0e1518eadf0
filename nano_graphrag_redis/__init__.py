"""Redis key-value storage for nano-graphrag (https://github.com/gusye1234/nano-graphrag).

    from nano_graphrag_redis import RedisKVStorage
    rag = GraphRAG(key_string_value_json_storage_cls=RedisKVStorage)

Names are loaded when they are first used, so that importing the package costs next to nothing and never
imports nano-graphrag.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        AuthenticationError as AuthenticationError,
    )
    from .errors import (
        CorruptValueError as CorruptValueError,
    )
    from .errors import (
        RedisKVError as RedisKVError,
    )
    from .integration.graphrag import GraphRAG as GraphRAG
    from .integration.install import install as install
    from .integration.install import uninstall as uninstall
    from .storage import RedisKVStorage as RedisKVStorage

__version__ = "0.1.0"

_HOMES = {
    "RedisKVStorage": "storage",
    "GraphRAG": "integration.graphrag",
    "install": "integration.install",
    "uninstall": "integration.install",
}

__all__ = ["CorruptValueError", "GraphRAG", "RedisKVError", "RedisKVStorage", "__version__", "install", "uninstall"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    module = importlib.import_module(f"{__name__}.{home or 'errors'}")
    if not home and name not in module.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from . import errors

    return sorted({*globals(), *_HOMES, *errors.__all__})
