"""nano_graphrag_redis.GraphRAG: a dataclass like its parent, whose default follows STORAGE_KV_BACKEND."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import nano_graphrag
import pytest
from nano_graphrag._storage import JsonKVStorage

from nano_graphrag_redis import GraphRAG, RedisKVStorage, install, uninstall
from nano_graphrag_redis.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("STORAGE_KV_BACKEND", raising=False)
    yield
    uninstall()


@pytest.mark.parametrize(("value", "expected"), [("redis", RedisKVStorage), ("json", JsonKVStorage)])
def test_default_follows_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: type
) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", value)
    assert type(GraphRAG(str(tmp_path)).full_docs) is expected


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_nano_graphrag_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("STORAGE_KV_BACKEND", value)
    assert type(GraphRAG(str(tmp_path)).full_docs) is JsonKVStorage
    install()
    assert type(GraphRAG(str(tmp_path)).full_docs) is RedisKVStorage


def test_json_is_json_even_after_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setenv("STORAGE_KV_BACKEND", "json")
    assert type(GraphRAG(str(tmp_path)).full_docs) is JsonKVStorage


def test_variable_is_read_for_each_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    first = GraphRAG(str(tmp_path))
    monkeypatch.setenv("STORAGE_KV_BACKEND", "json")
    second = GraphRAG(str(tmp_path))
    assert (type(first.full_docs), type(second.full_docs)) == (RedisKVStorage, JsonKVStorage)


def test_explicit_class_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    rag = GraphRAG(str(tmp_path), key_string_value_json_storage_cls=JsonKVStorage)
    assert type(rag.full_docs) is JsonKVStorage


@pytest.mark.parametrize("value", ["rediss", "Redis", "memcached", " "])
def test_unknown_value_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", value)
    with pytest.raises(ConfigurationError, match=f"STORAGE_KV_BACKEND is '{value}'.*json or redis"):
        GraphRAG(str(tmp_path))


def test_positional_arguments_mean_what_they_mean_in_the_parent() -> None:
    ours = [field.name for field in dataclasses.fields(GraphRAG)]
    assert ours == [field.name for field in dataclasses.fields(nano_graphrag.GraphRAG)]


def test_it_is_a_dataclass_that_can_be_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    rag = GraphRAG(str(tmp_path), chunk_token_size=99)
    values = dataclasses.asdict(rag)
    assert values["chunk_token_size"] == 99
    assert values["key_string_value_json_storage_cls"] is RedisKVStorage
    assert rag.full_docs.global_config["chunk_token_size"] == 99
    assert isinstance(rag, nano_graphrag.GraphRAG)


def test_user_may_derive_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Mine(GraphRAG):  # type: ignore[misc,unused-ignore]
        extra: list[int] = dataclasses.field(default_factory=list)

    monkeypatch.setenv("STORAGE_KV_BACKEND", "redis")
    assert type(copy.copy(Mine(str(tmp_path))).full_docs) is RedisKVStorage
