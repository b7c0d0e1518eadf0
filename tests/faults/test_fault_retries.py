"""The table of retries, row by row: how often a call is tried, and how long it waits before each further try."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from figures import Figure
from scripted import GREETING, Peer, Script, ScriptedServer, bulk
from servers import free_port
from storages import storage

from nano_graphrag_redis import errors

WAITS = {"redis_retry_attempts": 3, "redis_retry_base": 0.1, "redis_retry_cap": 0.2}
BACKOFF = [0.1, 0.2, 0.2]  # the longest wait before each retry; the jitter takes up to half of it
SLACK = 1.0  # seconds for a busy machine; no wait may be shorter than it should, though

READ: tuple[str, Callable[[Any], Awaitable[Any]]] = ("GET", lambda kv: kv.get_by_id("a"))
WRITE: tuple[str, Callable[[Any], Awaitable[Any]]] = ("SET", lambda kv: kv.upsert({"a": 1}))
DELETE: tuple[str, Callable[[Any], Awaitable[Any]]] = ("DEL", lambda kv: kv.delete_by_id("a"))


def says(answer: bytes) -> Callable[[Peer], bool]:
    """To the request: this answer. True: the connection goes on."""
    return lambda peer: peer.send(answer) or True


def hangs_up(peer: Peer) -> bool:
    peer.close()
    return False


def is_silent(peer: Peer) -> bool:
    peer.wait_until_closed()
    return False


# what the server does: (error, waits before the tries of a read or a write, the same of a delete)
ROWS: dict[str, tuple[Callable[[Peer], bool], type[Exception], list[float], list[float]]] = {
    "LOADING": (says(b"-LOADING x\r\n"), errors.LoadingError, BACKOFF, BACKOFF),
    "MASTERDOWN": (says(b"-MASTERDOWN x\r\n"), errors.LoadingError, BACKOFF, BACKOFF),
    "TRYAGAIN": (says(b"-TRYAGAIN x\r\n"), errors.ClusterDownError, BACKOFF, BACKOFF),
    "CLUSTERDOWN": (says(b"-CLUSTERDOWN x\r\n"), errors.ClusterDownError, BACKOFF, BACKOFF),
    "max clients": (
        says(b"-ERR max number of clients reached\r\n"),
        errors.RedisConnectionError,
        BACKOFF,
        BACKOFF,
    ),
    "lost": (hangs_up, errors.RedisConnectionError, [0.0, 0.2, 0.2], []),
    "silent": (is_silent, errors.RedisTimeoutError, BACKOFF, []),
    "NOAUTH": (says(b"-NOAUTH x\r\n"), errors.AuthenticationError, [], []),
    "WRONGPASS": (says(b"-WRONGPASS x\r\n"), errors.AuthenticationError, [], []),
    "NOPERM": (says(b"-NOPERM x\r\n"), errors.NoPermissionError, [], []),
    "READONLY": (says(b"-READONLY x\r\n"), errors.ReadOnlyError, [], []),
    "OOM": (says(b"-OOM x\r\n"), errors.OutOfMemoryError, [], []),
    "MISCONF": (says(b"-MISCONF x\r\n"), errors.MisconfError, [], []),
    "WRONGTYPE": (says(b"-WRONGTYPE x\r\n"), errors.WrongTypeError, [], []),
    "MOVED": (says(b"-MOVED 1 h:1\r\n"), errors.CrossSlotError, [], []),
    "ASK": (says(b"-ASK 1 h:1\r\n"), errors.CrossSlotError, [], []),
    "CROSSSLOT": (says(b"-CROSSSLOT x\r\n"), errors.CrossSlotError, [], []),
    "nonsense": (says(b"?\r\n"), errors.ProtocolError, [], []),
    "unknown": (says(b"-ERR what\r\n"), errors.ResponseError, [], []),
}


def script_for(command: str, act: Callable[[Peer], bool], asked: list[float]) -> Script:
    """Greets, and acts on each `command`, whose times of arrival are noted."""

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0].decode() != command:
                answer = GREETING[words[0].decode()]
                assert isinstance(answer, bytes)
                peer.send(answer)
                continue
            asked.append(time.monotonic())
            if not act(peer):
                return

    return script


@pytest.mark.parametrize("kind", [READ, WRITE, DELETE], ids=["read", "write", "delete"])
@pytest.mark.parametrize("row", ROWS)
async def test_each_row_is_tried_so_often_and_waits_so_long(
    figure: Figure, row: str, kind: tuple[str, Callable[[Any], Awaitable[Any]]]
) -> None:
    act, error, waits, waits_of_delete = ROWS[row]
    command, call = kind
    expected = waits_of_delete if command == "DEL" else waits
    silence = 0.2 if act is is_silent else 0.0
    asked: list[float] = []
    with ScriptedServer(script_for(command, act, asked)) as server:
        kv = storage(server.url, redis_socket_timeout=silence or 5, redis_max_connections=1, **WAITS)
        await kv.ping()
        with pytest.raises(error) as caught:
            await asyncio.wait_for(call(kv), 10.0)
        await kv.aclose()
    assert type(caught.value) is error
    assert len(asked) == 1 + len(expected), "the number of tries"
    gaps = [after - before - silence for before, after in itertools.pairwise(asked)]
    for gap, wait in zip(gaps, expected, strict=True):
        assert wait / 2 - 0.02 <= gap <= wait + SLACK, gaps
    if expected:
        assert "4 tries in" in str(caught.value)
        late = max(gap - wait for gap, wait in zip(gaps, expected, strict=True))
        figure("a try later than the table says, at most", max(0.0, late), "s")


async def test_a_server_that_refuses_to_connect_is_tried_so_often_and_waits_so_long() -> None:
    kv = storage(f"redis://127.0.0.1:{free_port()}", **WAITS)
    for _, call in (READ, WRITE, DELETE):
        started = time.monotonic()
        with pytest.raises(errors.RedisConnectionError, match="4 tries in"):
            await call(kv)
        assert sum(BACKOFF) / 2 - 0.02 <= time.monotonic() - started <= sum(BACKOFF) + SLACK
    await kv.aclose()


async def test_the_answer_after_any_number_of_refusals_is_the_answer() -> None:
    """What the server said before counts for nothing."""
    for refusals in range(4):
        left = iter([b"-LOADING x\r\n"] * refusals)
        asked: list[float] = []
        with ScriptedServer(
            script_for("GET", lambda peer, left=left: peer.send(next(left, bulk(b"7"))) or True, asked)
        ) as server:
            kv = storage(server.url, **{**WAITS, "redis_retry_base": 0.01})
            assert await kv.get_by_id("a") == 7
            assert len(asked) == refusals + 1
            await kv.aclose()
