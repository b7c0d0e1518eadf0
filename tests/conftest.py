"""What all tests share: real servers, emptied for each test, and an environment without settings.

Nothing here skips: a missing server or package is a failure that names the command which brings it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from figures import Figure, Figures
from sanitized import IS_SANITIZED
from servers import FLAVOURS, Server

MEASURED = pytest.StashKey[Figures]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract suite")
    group.addoption(
        "--kv",
        metavar="MODULE:CLASS",
        help="run the contract suite on this class instead of ours",
    )
    group.addoption(
        "--kv-server", choices=FLAVOURS, help="run the contract suite on this server only (default: on each)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = Figures()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Notes what the test has measured, for the table at the end of the run: figure("longest wait", 0.4, "s")."""
    test = request.node.nodeid.partition("[")[0]

    def note(what: str, value: float, unit: str = "") -> None:
        request.config.stash[MEASURED].add(test, what, value, unit)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[MEASURED].lines():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under AddressSanitizer, leaves out what is marked so, with the reason."""
    if not IS_SANITIZED:
        return
    for item in items:
        for mark in item.iter_markers("not_sanitized"):
            item.add_marker(pytest.mark.skip(reason=f"under AddressSanitizer: {mark.kwargs['reason']}"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own REDIS_URL must not reach a test."""
    for name in list(os.environ):
        if name.startswith(("REDIS_", "NGR_", "STORAGE_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    with Server("redis") as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    with Server("valkey") as server:
        yield server


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest) -> Server:
    """A running server without data; the test runs on each flavour.

    It is shared: stop, freeze or reconfigure only servers from start_server.
    """
    shared: Server = request.getfixturevalue(f"{request.param}_server")
    shared.wipe()
    return shared


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Starts servers with the arguments of Server(...), which belong to this test alone."""
    started: list[Server] = []

    def start(flavour: str = "redis", *arguments: str, **options: object) -> Server:
        started.append(Server(flavour, *arguments, **options))  # type: ignore[arg-type]
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the servers said."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for server in Server.running:
            report.sections.append((f"log of {server}", server.log()))  # type: ignore[attr-defined]
    return report
