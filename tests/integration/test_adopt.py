"""RedisKVStorage is a BaseKVStorage as soon as nano-graphrag is imported, and never imports it itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nano_graphrag.base import BaseKVStorage

from nano_graphrag_redis import RedisKVStorage
from nano_graphrag_redis.integration.base import adopt

STORAGE_FIRST = """
import sys
from nano_graphrag_redis import RedisKVStorage
assert "nano_graphrag" not in sys.modules
storage = RedisKVStorage("full_docs", {})
from nano_graphrag.base import BaseKVStorage
assert isinstance(storage, BaseKVStorage)
assert issubclass(RedisKVStorage, BaseKVStorage)
"""

NANO_GRAPHRAG_FIRST = """
from nano_graphrag.base import BaseKVStorage
from nano_graphrag_redis import RedisKVStorage
assert issubclass(RedisKVStorage, BaseKVStorage)
assert isinstance(RedisKVStorage("full_docs", {}), BaseKVStorage)
"""


@pytest.mark.parametrize("program", [STORAGE_FIRST, NANO_GRAPHRAG_FIRST], ids=["storage first", "base first"])
def test_either_import_order_gives_a_base_kv_storage(run_python: Any, fork_home: Path, program: str) -> None:
    result = run_python("-c", program, path=(fork_home,))
    assert result.returncode == 0, result.stderr


def test_released_nano_graphrag_is_served_as_well(run_python: Any) -> None:
    result = run_python("-c", STORAGE_FIRST)
    assert result.returncode == 0, result.stderr


def test_storage_works_without_nano_graphrag(run_python: Any) -> None:
    program = (
        "import sys; sys.modules['nano_graphrag'] = None\n"
        "from nano_graphrag_redis import RedisKVStorage\n"
        "RedisKVStorage('full_docs', {})"
    )
    result = run_python("-c", program)
    assert result.returncode == 0, result.stderr


def test_importing_the_package_imports_no_nano_graphrag(run_python: Any) -> None:
    program = "import sys, nano_graphrag_redis; sys.exit('nano_graphrag' in sys.modules)"
    assert run_python("-c", program).returncode == 0


class _Detached:
    pass


def make_class(**members: Any) -> type:
    return type("Storage", (_Detached,), members)


def test_object_made_before_becomes_a_base_kv_storage() -> None:
    cls = make_class()
    storage = cls()
    adopt(cls)
    assert isinstance(storage, BaseKVStorage)


def test_methods_of_the_class_come_before_those_of_the_base() -> None:
    async def get_by_id(self: Any, id: str) -> str:
        return "ours"

    cls = make_class(get_by_id=get_by_id)
    adopt(cls)
    assert cls.get_by_id is get_by_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["__init__", "__repr__", "__eq__", "__hash__"])
def test_dataclass_methods_of_the_base_do_not_replace_those_of_object(name: str) -> None:
    cls = make_class()
    before = getattr(cls, name)
    adopt(cls)
    assert getattr(cls, name) is before


def test_own_special_methods_stay() -> None:
    def __repr__(self: Any) -> str:
        return "ours"

    cls = make_class(__repr__=__repr__)
    adopt(cls)
    assert repr(cls()) == "ours"


def test_storages_stay_hashable_and_compare_by_identity() -> None:
    one, other = RedisKVStorage("full_docs", {}), RedisKVStorage("full_docs", {})
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_repr_shows_no_configuration() -> None:
    storage = RedisKVStorage("full_docs", {"redis_password": "canary-password"})
    assert isinstance(storage, BaseKVStorage)
    assert "canary" not in repr(storage)


def test_adopting_twice_adds_the_base_once() -> None:
    cls = make_class()
    adopt(cls)
    adopt(cls)
    assert cls.__mro__.count(BaseKVStorage) == 1


def test_subclass_of_an_adopted_class_is_a_base_kv_storage() -> None:
    class Counting(RedisKVStorage):  # type: ignore[misc,unused-ignore]
        pass

    assert isinstance(Counting("full_docs", {}), BaseKVStorage)
