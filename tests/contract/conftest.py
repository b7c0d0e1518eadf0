"""Runs each test of the contract suite on the right storages.

A test that takes `kv` or `make_kv` runs on nano-graphrag's JsonKVStorage (the oracle) and on our storage
with each server; with the mark `redis_part` it runs on storages in Redis only. `--kv module:Class` puts
another class in the place of both, `--kv-server` keeps to one server. The suite knows the public
contract and a raw Redis client, nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis
from servers import FLAVOURS, Server
from subject import ORACLE, OURS, Candidate, Subject, close


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "redis_part: a promise that only storages in Redis make")
    hypothesis.settings.register_profile("first-failure", phases=[hypothesis.Phase.generate])
    path = config.getoption("--kv")
    if path and ":" not in path:
        raise pytest.UsageError(f"--kv {path}: say module:Class, for example {OURS}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The suite's tests of itself run the suite with --kv; there they must not start again."""
    return True if config.getoption("--kv") and collection_path.name == "test_suite_itself.py" else None


def candidates(config: pytest.Config, is_redis_part: bool) -> list[Candidate]:
    flavours = [config.getoption("--kv-server")] if config.getoption("--kv-server") else list(FLAVOURS)
    path = config.getoption("--kv")
    oracle = [] if path or is_redis_part else [Candidate(ORACLE, None)]
    return oracle + [Candidate(path or OURS, flavour) for flavour in flavours]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        is_redis_part = metafunc.definition.get_closest_marker("redis_part") is not None
        metafunc.parametrize("subject", candidates(metafunc.config, is_redis_part), ids=str, indirect=True)


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    candidate: Candidate = request.param
    server: Server | None = None
    if candidate.path != ORACLE:
        server = request.getfixturevalue(f"{candidate.flavour}_server")
        server.wipe()
    return Subject(candidate.load(), candidate.flavour, server, str(tmp_path))


@pytest.fixture
async def make_kv(subject: Subject) -> AsyncIterator[Callable[..., Any]]:
    """Builds storages: make_kv("full_docs", redis_ttl={...}); the keywords are entries of global_config."""
    built: list[Any] = []

    def make(namespace: str = "text_chunks", **settings: Any) -> Any:
        built.append(subject.cls(namespace=namespace, global_config=subject.config(**settings)))
        return built[-1]

    yield make
    for kv in built:
        await close(kv)


@pytest.fixture
def kv(make_kv: Callable[..., Any]) -> Any:
    """An empty storage, in a namespace that never expires."""
    return make_kv()


@pytest.fixture
def raw(subject: Subject) -> Iterator[redis.Redis]:
    """An independent client on the storage's server: what is really there."""
    assert subject.server is not None, "only tests of the Redis part may look into the server"
    with contextlib.closing(subject.server.client()) as client:
        yield client


@pytest.fixture
def own_server(subject: Subject, start_server: Callable[..., Server]) -> Server:
    """A server that the test may stop, kill or freeze."""
    return start_server(subject.flavour)
