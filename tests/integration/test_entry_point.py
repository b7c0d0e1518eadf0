"""Tools that look storages up by entry point find ours."""

from __future__ import annotations

from importlib.metadata import entry_points

from nano_graphrag_redis import RedisKVStorage


def test_entry_point_gives_the_class() -> None:
    (entry,) = entry_points(group="nano_graphrag.kv_storage", name="redis")
    assert entry.load() is RedisKVStorage


def test_command_is_installed() -> None:
    from nano_graphrag_redis.cli import main

    (entry,) = entry_points(group="console_scripts", name="ngr-redis")
    assert entry.load() is main
