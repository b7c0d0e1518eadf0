"""install() and uninstall(): make this process's nano-graphrag use RedisKVStorage, and take it back.

Both may be called at any time, from any thread, any number of times. What is installed is read from
nano-graphrag itself each time, so a reloaded nano-graphrag can be installed again.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from .upstream import get_default, set_default

_FACTORY = "nano_graphrag._storage.factory"
_lock = threading.Lock()
_undo: list[Callable[[], None]] = []


def install() -> None:
    """Makes RedisKVStorage the storage that nano-graphrag uses from now on, in this process.

    With a StorageFactory it is registered under the name "redis"; without one it becomes the default of
    GraphRAG. A storage class that is passed explicitly still wins.
    """
    # Imports come before the lock: another thread may hold import locks while it waits for ours.
    rag = import_nano_graphrag().GraphRAG
    factory = import_factory()
    redis_class = storage_class()
    with _lock:
        if factory is not None:
            _register(factory)
        elif get_default(rag) is not redis_class:
            _undo.append(partial(_put_back_default, rag, get_default(rag)))
            set_default(rag, redis_class)


def uninstall() -> None:
    """Puts back what install() replaced; objects made meanwhile keep their storage."""
    with _lock:
        while _undo:
            _undo.pop()()


def storage_class() -> type:
    """RedisKVStorage, imported on first use. It is also the loader that the factory gets."""
    from ..storage import RedisKVStorage

    return RedisKVStorage


def import_nano_graphrag() -> ModuleType:
    try:
        return importlib.import_module("nano_graphrag")
    except ModuleNotFoundError as error:
        if error.name != "nano_graphrag":
            raise
        raise ModuleNotFoundError(
            f"nano-graphrag is not installed for {sys.executable}: pip install nano-graphrag",
            name="nano_graphrag",
        ) from None


def import_factory() -> ModuleType | None:
    """The module of nano-graphrag that holds StorageFactory; released versions have none."""
    try:
        return importlib.import_module(_FACTORY)
    except ModuleNotFoundError as error:
        if error.name != _FACTORY:
            raise
        return None


def _put_back_default(rag: Any, previous: type) -> None:
    if get_default(rag) is storage_class():
        set_default(rag, previous)


def _register(module: Any) -> None:
    # First the built-in ones: this does nothing once any backend is there, and "json" would be missing.
    module._register_backends()
    factory = module.StorageFactory
    previous = factory._kv_backends.get("redis")
    if previous is not storage_class:
        _undo.append(partial(_put_back_loader, factory, previous))
        factory.register_kv("redis", storage_class)


def _put_back_loader(factory: Any, previous: Callable[[], type] | None) -> None:
    if factory._kv_backends.get("redis") is not storage_class:
        return
    if previous is None:
        del factory._kv_backends["redis"]
    else:
        factory.register_kv("redis", previous)
