"""Storage classes by name. Built-in ones register themselves on first use, if the table is still empty."""

from collections.abc import Callable
from typing import Any, ClassVar


class StorageFactory:
    ALLOWED_KV: ClassVar[set[str]] = {"json", "redis"}
    _kv_backends: ClassVar[dict[str, Callable[[], type]]] = {}

    @classmethod
    def register_kv(cls, name: str, backend_loader: Callable[[], type]) -> None:
        if name not in cls.ALLOWED_KV:
            raise ValueError(f"{name} is not one of {cls.ALLOWED_KV}")
        cls._kv_backends[name] = backend_loader

    @classmethod
    def create_kv_storage(
        cls, backend: str, namespace: str, global_config: dict[str, Any], **kwargs: Any
    ) -> Any:
        if backend not in cls._kv_backends:
            _register_backends()
        if backend not in cls._kv_backends:
            raise ValueError(f"{backend} is not registered; these are: {list(cls._kv_backends)}")
        storage_class = cls._kv_backends[backend]()
        return storage_class(namespace=namespace, global_config=global_config, **kwargs)


def _load_json_class() -> type:
    from .kv import JsonKVStorage

    return JsonKVStorage


def _load_redis_class() -> type:
    from .kv import BuiltInRedisStorage

    return BuiltInRedisStorage


def _register_backends() -> None:
    if not StorageFactory._kv_backends:
        StorageFactory.register_kv("json", _load_json_class)
        StorageFactory.register_kv("redis", _load_redis_class)
