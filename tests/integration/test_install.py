"""install() makes Redis the default of released nano-graphrag, whose GraphRAG is a dataclass."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nano_graphrag
import pytest
from nano_graphrag import GraphRAG
from nano_graphrag._storage import JsonKVStorage

from nano_graphrag_redis import RedisKVStorage, install, uninstall
from nano_graphrag_redis.errors import UnsupportedFeatureError
from nano_graphrag_redis.integration.upstream import FIELD

NAMESPACES = ("full_docs", "text_chunks", "community_reports", "llm_response_cache")


@pytest.fixture(autouse=True)
def uninstalled() -> Iterator[None]:
    uninstall()
    yield
    uninstall()


class OtherStorage(JsonKVStorage):  # type: ignore[misc]
    """A storage that a user chose."""


def storage_of(rag: Any) -> type:
    (storage,) = {type(getattr(rag, namespace)) for namespace in NAMESPACES}
    return storage


def default_of(cls: Any) -> object:
    return inspect.signature(cls).parameters[FIELD].default


def test_without_install_nothing_changes(tmp_path: Path) -> None:
    assert storage_of(GraphRAG(str(tmp_path))) is JsonKVStorage


def test_all_namespaces_use_redis_after_install(tmp_path: Path) -> None:
    install()
    assert storage_of(GraphRAG(working_dir=str(tmp_path))) is RedisKVStorage


def test_explicit_class_wins(tmp_path: Path) -> None:
    install()
    rag = GraphRAG(str(tmp_path), key_string_value_json_storage_cls=OtherStorage)
    assert storage_of(rag) is OtherStorage


def test_positional_class_wins(tmp_path: Path) -> None:
    install()
    names = [field.name for field in dataclasses.fields(GraphRAG)]
    rag = GraphRAG(str(tmp_path))
    values = [getattr(rag, name) for name in names[: names.index(FIELD)]]
    assert storage_of(GraphRAG(*values, OtherStorage)) is OtherStorage
    assert storage_of(GraphRAG(*values)) is RedisKVStorage


def test_settings_arrive_by_asdict(tmp_path: Path) -> None:
    install()
    rag = GraphRAG(str(tmp_path), addon_params={"redis_key_prefix": "tenant"})
    assert rag.full_docs._prefix == "tenant:full_docs:"
    assert dataclasses.asdict(rag)[FIELD] is RedisKVStorage


def test_uninstall_restores_every_place_of_the_default() -> None:
    before = (default_of(GraphRAG), GraphRAG.__dataclass_fields__[FIELD].default, getattr(GraphRAG, FIELD))
    install()
    assert default_of(GraphRAG) is GraphRAG.key_string_value_json_storage_cls is RedisKVStorage
    uninstall()
    after = (default_of(GraphRAG), GraphRAG.__dataclass_fields__[FIELD].default, getattr(GraphRAG, FIELD))
    assert before == after == (JsonKVStorage,) * 3


def test_installing_twice_needs_one_uninstall() -> None:
    install()
    install()
    uninstall()
    assert default_of(GraphRAG) is JsonKVStorage


def test_uninstalling_without_install_does_nothing() -> None:
    uninstall()
    assert default_of(GraphRAG) is JsonKVStorage


def test_other_defaults_of_graphrag_are_untouched() -> None:
    before = inspect.signature(GraphRAG).parameters
    install()
    after = inspect.signature(GraphRAG).parameters
    assert [name for name in before if before[name] != after[name]] == [FIELD]


def test_dataclass_made_before_install_follows_it(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Mine(GraphRAG):  # type: ignore[misc]
        extra: int = 1

    install()
    assert storage_of(Mine(str(tmp_path))) is RedisKVStorage
    uninstall()
    assert storage_of(Mine(str(tmp_path))) is JsonKVStorage


def test_dataclass_made_after_install_follows_it_too(tmp_path: Path) -> None:
    install()

    @dataclasses.dataclass
    class Mine(GraphRAG):  # type: ignore[misc]
        extra: int = 1

    assert storage_of(Mine(str(tmp_path))) is RedisKVStorage
    uninstall()
    assert storage_of(Mine(str(tmp_path))) is JsonKVStorage


def test_default_that_a_subclass_chose_is_kept() -> None:
    @dataclasses.dataclass
    class Mine(GraphRAG):  # type: ignore[misc]
        key_string_value_json_storage_cls: type = OtherStorage

    @dataclasses.dataclass
    class MineToo(Mine):
        extra: int = 1

    install()
    assert default_of(Mine) is OtherStorage
    assert default_of(MineToo) is OtherStorage


def test_signature_that_a_user_wrote_is_kept() -> None:
    class Mine(GraphRAG):  # type: ignore[misc]
        def __init__(self, key_string_value_json_storage_cls: type = JsonKVStorage) -> None:
            self.chosen = key_string_value_json_storage_cls

    install()
    assert Mine().chosen is JsonKVStorage


def test_default_that_somebody_set_after_install_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from nano_graphrag_redis.integration.upstream import set_default

    install()
    set_default(GraphRAG, OtherStorage)
    uninstall()
    assert default_of(GraphRAG) is OtherStorage
    set_default(GraphRAG, JsonKVStorage)


def test_threads_install_once() -> None:
    start = threading.Barrier(8)

    def install_it() -> None:
        start.wait()
        install()

    threads = [threading.Thread(target=install_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert default_of(GraphRAG) is RedisKVStorage
    uninstall()
    assert default_of(GraphRAG) is JsonKVStorage


def test_graphrag_that_was_reloaded_can_be_installed_again(run_python: Any) -> None:
    program = (
        "import importlib, inspect, nano_graphrag, nano_graphrag_redis\n"
        "nano_graphrag_redis.install()\n"
        "importlib.reload(importlib.import_module('nano_graphrag.graphrag'))\n"
        "importlib.reload(nano_graphrag)\n"
        "nano_graphrag_redis.install()\n"
        f"parameter = inspect.signature(nano_graphrag.GraphRAG).parameters['{FIELD}']\n"
        "assert parameter.default is nano_graphrag_redis.RedisKVStorage, parameter"
    )
    result = run_python("-c", program)
    assert result.returncode == 0, result.stderr


def test_missing_nano_graphrag_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nano_graphrag", None)
    with pytest.raises(ModuleNotFoundError, match="pip install nano-graphrag"):
        install()


def test_unknown_nano_graphrag_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unknown:
        pass

    monkeypatch.setattr(nano_graphrag, "GraphRAG", Unknown)
    with pytest.raises(UnsupportedFeatureError, match=FIELD):
        install()
