"""Host names: several addresses, dead ones first, unknown ones, a resolver that is slow, odd or cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from servers import Server, free_port
from storages import NO_PATIENCE, QUICK_RETRIES, storage

from nano_graphrag_redis.errors import ClosedError, RedisConnectionError, RedisTimeoutError

Answer = Callable[[int], Any]


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Awaitable[Any]]], list[str]]:
    """Puts a resolver into the running loop; answers the list of the names it is asked for."""

    def install(answer: Callable[[int], Awaitable[Any]]) -> list[str]:
        asked: list[str] = []

        async def getaddrinfo(host: str, port: int, **options: Any) -> Any:
            asked.append(host)
            return await answer(port)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return asked

    return install


def address(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = (host, port, 0, 0) if ":" in host else (host, port)
    return (family, socket.SOCK_STREAM, 6, "", place)


def addresses(*hosts: str) -> Callable[[int], Awaitable[Any]]:
    async def answer(port: int) -> Any:
        return [address(host, port) for host in hosts]

    return answer


async def test_localhost_is_found(server: Server) -> None:
    async with storage(f"redis://localhost:{server.port}", **NO_PATIENCE) as kv:
        assert await kv.ping()


@pytest.mark.parametrize("hosts", [["::1"], ["127.0.0.2"], ["::1", "127.0.0.2", "127.0.0.3"]], ids=str)
async def test_addresses_that_refuse_are_passed_over(server: Server, resolver: Any, hosts: list[str]) -> None:
    asked = resolver(addresses(*hosts, "127.0.0.1"))
    kv = storage(f"redis://some.name:{server.port}", **NO_PATIENCE)
    await kv.upsert({"a": 1})
    assert await kv.get_by_id("a") == 1
    assert asked == ["some.name"]
    assert (await kv.get_stats())["connections"]["opened"] == 1
    await kv.aclose()


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    server: Server, resolver: Any
) -> None:
    with contextlib.ExitStack() as crowd:
        door = crowd.enter_context(socket.socket())
        door.bind(("127.0.0.2", server.port))
        door.listen(0)
        for _ in range(3):  # nobody accepts: once the queue is full, a connection attempt waits
            guest = crowd.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(("127.0.0.2", server.port))
        resolver(addresses("127.0.0.2", "127.0.0.1"))
        kv = storage(f"redis://some.name:{server.port}", **{**NO_PATIENCE, "redis_connection_timeout": 0.8})
        started = time.monotonic()
        assert await kv.get_by_id("a") is None
        assert 0.3 < time.monotonic() - started < 0.8
        await kv.aclose()


async def test_a_name_all_of_whose_addresses_refuse(resolver: Any) -> None:
    resolver(addresses("127.0.0.2", "127.0.0.3"))
    kv = storage(f"redis://some.name:{free_port()}", **NO_PATIENCE)
    with pytest.raises(
        RedisConnectionError, match=r"redis://some\.name:\d+/0: cannot connect: Connection refused"
    ):
        await kv.get_by_id("a")
    await kv.aclose()


async def test_an_unknown_name_says_what_the_resolver_said(resolver: Any) -> None:
    async def unknown(port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    asked = resolver(unknown)
    kv = storage("redis://no.such.name", **QUICK_RETRIES)
    with pytest.raises(RedisConnectionError, match=r"cannot be resolved: .*Name or service not known"):
        await kv.get_by_id("a")
    assert len(asked) == 4, "it is asked again: a resolver may be down for a moment"
    await kv.aclose()


async def test_a_name_without_addresses(resolver: Any) -> None:
    resolver(addresses())
    kv = storage("redis://no.addresses", **NO_PATIENCE)
    with pytest.raises(RedisConnectionError, match="no address"):
        await kv.get_by_id("a")
    await kv.aclose()


ODD: dict[str, Any] = {
    "none": None,
    "a number": 7,
    "a short entry": [(1, 2)],
    "bytes for the host": [(2, 1, 6, "", (b"127.0.0.1", 80))],
    "text for the port": [(2, 1, 6, "", ("127.0.0.1", "80"))],
    "a name for the host": [(2, 1, 6, "", ("localhost", 80))],
    "no place": [(2, 1, 6, "", None)],
}


@pytest.mark.parametrize("odd", ODD)
async def test_a_resolver_that_answers_nonsense_is_an_error(resolver: Any, odd: str) -> None:
    async def nonsense(port: int) -> Any:
        return ODD[odd]

    resolver(nonsense)
    kv = storage("redis://some.name", **NO_PATIENCE)
    with pytest.raises(RedisConnectionError):
        await kv.get_by_id("a")
    await kv.aclose()


async def test_a_slow_resolver_counts_for_the_connection_timeout(server: Server, resolver: Any) -> None:
    async def slow(port: int) -> Any:
        await asyncio.sleep(0.6)
        return [address("127.0.0.1", port)]

    asked = resolver(slow)
    kv = storage(f"redis://some.name:{server.port}", **{**NO_PATIENCE, "redis_connection_timeout": 0.3})
    started = time.monotonic()
    with pytest.raises(RedisTimeoutError, match=r"not connected within 0\.3 s \(last state: resolving\)"):
        await kv.get_by_id("a")
    assert time.monotonic() - started < 1.0
    await asyncio.sleep(0.5)  # its late answer finds nobody
    assert asked == ["some.name"]
    await kv.aclose()


async def test_closing_while_a_name_is_resolved(server: Server, resolver: Any) -> None:
    answer = asyncio.Event()

    async def waiting(port: int) -> Any:
        await answer.wait()
        return [address("127.0.0.1", port)]

    resolver(waiting)
    kv = storage(f"redis://some.name:{server.port}")
    call = asyncio.ensure_future(kv.get_by_id("a"))
    await asyncio.sleep(0.02)
    await kv.aclose()
    with pytest.raises(ClosedError):
        await call
    answer.set()
    assert await kv.get_by_id("a") is None
    await kv.aclose()


async def test_a_lookup_that_somebody_else_cancels_is_an_error(resolver: Any) -> None:
    async def for_ever(port: int) -> Any:
        await asyncio.Event().wait()

    resolver(for_ever)
    kv = storage("redis://some.name", **NO_PATIENCE)
    before = asyncio.all_tasks()
    call = asyncio.ensure_future(kv.get_by_id("a"))
    await asyncio.sleep(0.02)
    for task in asyncio.all_tasks() - before - {call}:
        task.cancel()
    with pytest.raises(RedisConnectionError, match="cannot be resolved"):
        await call
    await kv.aclose()
