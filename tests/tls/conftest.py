"""Certificates and TLS servers, made once for all tests of this folder."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from certificates import HERE, Authority, Identity
from storages import storage
from tls_servers import TlsServer

from nano_graphrag_redis import RedisKVStorage


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the storages trust."""
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom they do not."""
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """The certificate of a server that is in order."""
    return authority.issue(*HERE)


@pytest.fixture(scope="session")
def shared_tls_server(authority: Authority, identity: Identity) -> Iterator[TlsServer]:
    with TlsServer(identity, authority.cert) as server:
        yield server


@pytest.fixture
def tls_server(shared_tls_server: TlsServer) -> TlsServer:
    """A running TLS server without data, which asks nobody for a certificate."""
    shared_tls_server.wipe()
    return shared_tls_server


@pytest.fixture
def start_tls(authority: Authority, identity: Identity) -> Iterator[Callable[..., TlsServer]]:
    """Starts TLS servers with further arguments, which belong to this test alone."""
    started: list[TlsServer] = []

    def start(*arguments: str, **options: Any) -> TlsServer:
        started.append(TlsServer(identity, authority.cert, *arguments, **options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def trusting(authority: Authority) -> Callable[..., RedisKVStorage]:
    """Builds a storage that trusts our authority."""

    def build(url: str, **settings: Any) -> RedisKVStorage:
        return storage(url, **{"redis_ssl_ca_certs": authority.cert, **settings})

    return build


@pytest.fixture
def every_name_is_here(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called inside a test, its event loop finds every host name on this machine."""

    def apply() -> None:
        async def resolve(host: str, port: int, **options: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)

    return apply
