"""Configuration: storages are chosen by name, and the environment is read only by from_env()."""

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StorageConfig:
    kv_backend: str = "json"
    working_dir: str = "."
    redis_url: str = "redis://localhost:6379"
    redis_password: str | None = None

    @classmethod
    def from_env(cls) -> "StorageConfig":
        return cls(
            kv_backend=os.environ.get("STORAGE_KV_BACKEND", "json"),
            working_dir=os.environ.get("STORAGE_WORKING_DIR", "."),
            redis_url=os.environ.get("REDIS_URL", "redis://localhost:6379"),
            redis_password=os.environ.get("REDIS_PASSWORD"),
        )


@dataclass(frozen=True)
class GraphRAGConfig:
    storage: StorageConfig = field(default_factory=StorageConfig)

    def to_dict(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"working_dir": self.storage.working_dir, "addon_params": {}}
        if self.storage.kv_backend == "redis":
            settings |= {"redis_url": self.storage.redis_url, "redis_password": self.storage.redis_password}
        return settings
