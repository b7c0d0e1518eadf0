"""install() on a nano-graphrag with a StorageFactory: registered under "redis", the built-in ones kept."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nano_graphrag_redis
from nano_graphrag_redis import RedisKVStorage, install, uninstall
from nano_graphrag_redis.errors import ConfigurationError
from nano_graphrag_redis.integration import hook, startup


def factory() -> Any:
    return importlib.import_module("nano_graphrag._storage.factory").StorageFactory


def create(backend: str) -> Any:
    return factory().create_kv_storage(backend, "full_docs", {"working_dir": "."})


@pytest.mark.usefixtures("fork")
def test_redis_means_our_class_after_install() -> None:
    assert type(create("redis")).__name__ == "BuiltInRedisStorage"
    install()
    assert type(create("redis")) is RedisKVStorage


@pytest.mark.usefixtures("fork")
def test_installing_before_first_use_hides_no_backend() -> None:
    install()
    assert set(factory()._kv_backends) == {"json", "redis"}
    assert type(create("json")).__name__ == "JsonKVStorage"


@pytest.mark.usefixtures("fork")
def test_uninstall_restores_the_loader_that_was_there() -> None:
    install()
    install()
    uninstall()
    assert type(create("redis")).__name__ == "BuiltInRedisStorage"


@pytest.mark.usefixtures("fork")
def test_uninstall_removes_the_name_where_there_was_none() -> None:
    importlib.import_module("nano_graphrag._storage.factory")._register_backends()
    del factory()._kv_backends["redis"]
    install()
    uninstall()
    assert set(factory()._kv_backends) == {"json"}


@pytest.mark.usefixtures("fork")
def test_loader_that_somebody_registered_after_install_is_kept() -> None:
    install()
    factory().register_kv("redis", lambda: dict)
    uninstall()
    assert factory()._kv_backends["redis"]() is dict


def test_config_that_names_redis_gets_our_class(fork: ModuleType) -> None:
    config = importlib.import_module("nano_graphrag.config")
    install()
    rag = fork.GraphRAG(config.GraphRAGConfig(storage=config.StorageConfig(kv_backend="redis")))
    assert type(rag.llm_response_cache) is RedisKVStorage


def test_our_graphrag_reads_its_storage_part_from_the_environment(
    fork: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/5")
    rag = nano_graphrag_redis.GraphRAG()
    assert isinstance(rag, fork.GraphRAG)
    assert type(rag.full_docs) is RedisKVStorage
    assert rag.full_docs.global_config["redis_url"] == "redis://127.0.0.1:1/5"


@pytest.mark.usefixtures("fork")
def test_our_graphrag_leaves_the_default_alone_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_KV_BACKEND", raising=False)
    assert type(nano_graphrag_redis.GraphRAG().full_docs).__name__ == "JsonKVStorage"


@pytest.mark.usefixtures("fork")
def test_explicit_config_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    config = importlib.import_module("nano_graphrag.config")
    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    rag = nano_graphrag_redis.GraphRAG(config.GraphRAGConfig())
    assert type(rag.full_docs).__name__ == "JsonKVStorage"


def test_launcher_serves_a_program_that_configures_from_the_environment(
    run_python: Any, fork_home: Path, tmp_path: Path
) -> None:
    tmp_path.joinpath("app.py").write_text(
        "from nano_graphrag import GraphRAG\n"
        "from nano_graphrag.config import GraphRAGConfig, StorageConfig\n"
        "rag = GraphRAG(GraphRAGConfig(storage=StorageConfig.from_env()))\n"
        "print(type(rag.full_docs).__module__)"
    )
    launch = ("-m", "nano_graphrag_redis", "run", "-m", "app")
    result = run_python(*launch, path=(fork_home,), STORAGE_KV_BACKEND="redis")
    assert result.stdout.startswith("nano_graphrag_redis."), result.stderr


@pytest.mark.usefixtures("fork")
def test_backend_that_nobody_knows_is_refused_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "memcached")
    with pytest.raises(ConfigurationError, match="STORAGE_KV_BACKEND is 'memcached'"):
        startup.arm()
    monkeypatch.setattr(hook, "_hook", hook._ImportHook())  # forget the action that was refused


@pytest.mark.usefixtures("fork")
def test_backend_that_only_the_factory_knows_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "memcached")
    monkeypatch.setattr(factory(), "ALLOWED_KV", {"json", "redis", "memcached"})
    startup.arm()
    assert type(create("redis")).__name__ == "BuiltInRedisStorage"
