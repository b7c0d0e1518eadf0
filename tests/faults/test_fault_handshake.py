"""The handshake, stalled or refused at each of its steps: the connection is discarded, the callers hear why in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from figures import Figure
from scripted import Peer, ScriptedServer, answering, bulk
from servers import Server
from storages import NO_PATIENCE, QUICK_RETRIES, storage

from nano_graphrag_redis.errors import (
    AuthenticationError,
    LoadingError,
    NoPermissionError,
    RedisConnectionError,
    RedisTimeoutError,
    ResponseError,
)

STEPS = ["AUTH", "SELECT", "CLIENT", "PING"]


def login(server: ScriptedServer) -> str:
    """An address whose handshake has every step."""
    return server.url.replace("redis://", "redis://user:secret@") + "/3"


def greets_until(step: str, then: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """Answers each command of the handshake before `step` well, then does something else."""

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0].decode() == step:
                then(peer)
                return
            peer.send(b"+OK\r\n")

    return script


async def outcome_of(kv: Any, calls: int = 10) -> tuple[BaseException, float]:
    """The error that all of several calls end with, and the time until then."""
    started = time.monotonic()
    outcomes = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(calls)], return_exceptions=True)
    assert len({(type(outcome), str(outcome)) for outcome in outcomes}) == 1, outcomes
    assert isinstance(outcomes[0], BaseException), outcomes[0]
    return outcomes[0], time.monotonic() - started


@pytest.mark.parametrize("step", STEPS)
async def test_a_handshake_that_stalls_ends_within_the_connection_timeout(figure: Figure, step: str) -> None:
    with ScriptedServer(greets_until(step, Peer.wait_until_closed)) as server:
        kv = storage(
            login(server), **{**NO_PATIENCE, "redis_connection_timeout": 0.3, "redis_socket_timeout": 30}
        )
        error, took = await outcome_of(kv)
        assert isinstance(error, RedisTimeoutError)
        assert "not connected within 0.3 s (last state: authenticating)" in str(error)
        figure("longest wait, the bound being 0.3 s", took, "s")
        assert 0.25 < took < 1.5
        assert server.accepted == 1, "twenty calls wait for one connection"
        assert (await kv.get_stats())["connections"]["open"] == 0
        await kv.aclose()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("end", [Peer.close, Peer.reset], ids=["closed", "reset"])
async def test_a_connection_that_ends_in_the_handshake_is_an_error(
    step: str, end: Callable[[Peer], None]
) -> None:
    with ScriptedServer(greets_until(step, end)) as server:
        kv = storage(login(server), **NO_PATIENCE)
        error, took = await outcome_of(kv)
        assert isinstance(error, RedisConnectionError)
        assert took < 1.5
        await kv.aclose()


@pytest.mark.parametrize("step", STEPS)
async def test_a_handshake_cut_at_any_byte_is_tried_again(step: str) -> None:
    """Half an answer of the first connection must not be taken for an answer of the second."""
    answers = iter([b"+", b"+O", b"+OK", b"+OK\r"])

    def script(peer: Peer) -> None:
        half = next(answers, None)
        if half is not None:
            greets_until(step, lambda peer: peer.send(half))(peer)
        else:
            answering({"GET": bulk(b"7")})(peer)

    with ScriptedServer(script) as server:
        kv = storage(login(server), **{**QUICK_RETRIES, "redis_retry_attempts": 6})
        assert await kv.get_by_id("a") == 7
        assert server.accepted == 5
        await kv.aclose()


REFUSALS: dict[str, tuple[str, bytes, type[Exception], str]] = {
    "wrong password": (
        "AUTH",
        b"-WRONGPASS invalid username-password pair\r\n",
        AuthenticationError,
        "WRONGPASS",
    ),
    "no password set": (
        "AUTH",
        b"-ERR AUTH <password> called without any password configured\r\n",
        AuthenticationError,
        "AUTH",
    ),
    "no such database": (
        "SELECT",
        b"-ERR DB index is out of range\r\n",
        ResponseError,
        "DB index is out of range",
    ),
    "password required": ("PING", b"-NOAUTH Authentication required.\r\n", AuthenticationError, "NOAUTH"),
    "loading": ("PING", b"-LOADING Redis is loading the dataset in memory\r\n", LoadingError, "LOADING"),
    "select forbidden": ("SELECT", b"-NOPERM no permissions to run SELECT\r\n", NoPermissionError, "NOPERM"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refused_handshake_says_what_the_server_said(case: str) -> None:
    step, answer, error_class, text = REFUSALS[case]
    with ScriptedServer(answering({step: answer})) as server:
        kv = storage(login(server), **NO_PATIENCE)
        error, _ = await outcome_of(kv)
        assert type(error) is error_class
        assert text in str(error)
        assert "secret" not in str(error)
        heard = [words[0].decode() for words in server.heard]
        assert heard == STEPS[: len(heard)], "and the order is the one that every server understands"
        await kv.aclose()


@pytest.mark.parametrize("case", ["wrong password", "no such database", "password required"])
async def test_a_permanent_refusal_is_not_tried_again(case: str) -> None:
    step, answer, error_class, _ = REFUSALS[case]
    with ScriptedServer(answering({step: answer})) as server:
        kv = storage(login(server), redis_retry_base=30, redis_retry_cap=30)
        with pytest.raises(error_class):
            await asyncio.wait_for(kv.get_by_id("a"), 2.0)
        assert server.accepted == 1
        await kv.aclose()


async def test_a_server_that_does_not_know_setname_is_used_all_the_same() -> None:
    table = {"CLIENT": b"-ERR unknown command 'CLIENT'\r\n", "GET": bulk(b"1")}
    with ScriptedServer(answering(table)) as server:
        async with storage(server.url, **NO_PATIENCE) as kv:
            assert await kv.get_by_id("a") == 1


async def test_a_user_who_may_not_ping_is_alive() -> None:
    table = {"PING": b"-NOPERM this user has no permissions to run the 'ping' command\r\n", "GET": bulk(b"1")}
    with ScriptedServer(answering(table)) as server:
        kv = storage(server.url, **{**NO_PATIENCE, "redis_health_check_interval": 0.05})
        assert await kv.get_by_id("a") == 1
        await asyncio.sleep(0.3)
        assert await kv.get_by_id("a") == 1
        assert server.accepted == 1
        await kv.aclose()


# --- no free client slot -------------------------------------------------------------------------------

FULL = b"-ERR max number of clients reached\r\n"


@pytest.mark.parametrize("has_login", [False, True], ids=["plain", "login"])
async def test_a_full_server_is_named_as_such(has_login: bool) -> None:
    """It says so, unasked, in place of the first answer, and hangs up."""

    def full(peer: Peer) -> None:
        peer.send(FULL)

    with ScriptedServer(full) as server:
        kv = storage(login(server) if has_login else server.url, **NO_PATIENCE)
        error, _ = await outcome_of(kv)
        assert isinstance(error, RedisConnectionError)
        assert "max number of clients reached" in str(error)
        assert "raise maxclients on the server or lower redis_max_connections" in str(error)
        await kv.aclose()


async def test_a_real_server_that_is_full_is_named_as_such_and_used_when_it_has_room(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("redis", "--maxclients", "3")
    crowd = [server.client() for _ in range(3)]
    for client in crowd:
        client.ping()
    kv = storage(server.url, **NO_PATIENCE)
    error, _ = await outcome_of(kv)
    assert "max number of clients reached" in str(error)
    waiting = storage(server.url, redis_retry_base=0.2, redis_retry_cap=0.2)
    task = asyncio.ensure_future(waiting.upsert({"a": 1}))
    await asyncio.sleep(0.1)
    for client in crowd:
        client.close()
    await task
    assert await kv.get_by_id("a") == 1
    await kv.aclose()
    await waiting.aclose()


async def test_a_server_with_little_room_serves_everyone_on_the_connections_there_are(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("redis", "--maxclients", "3")
    async with storage(server.url, redis_max_connections=8) as kv:
        await kv.upsert({f"id-{n}": n for n in range(3000)})
        answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(3000)])
        assert answers == list(range(3000))
