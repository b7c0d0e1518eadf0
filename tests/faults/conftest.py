"""Servers for faults that must be survived the same way with and without TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from certificates import HERE, Authority
from servers import Server
from tls_servers import TlsServer
from ways import Way


@pytest.fixture(scope="session")
def fault_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("faults"), "faults")


@pytest.fixture(params=["plain", "tls"])
def way(
    request: pytest.FixtureRequest, start_server: Callable[..., Server], fault_authority: Authority
) -> Iterator[Way]:
    if request.param == "plain":
        yield Way(start_server(), "redis", None)
        return
    with TlsServer(fault_authority.issue(*HERE), fault_authority.cert) as server:
        yield Way(server, "rediss", fault_authority.cert)
