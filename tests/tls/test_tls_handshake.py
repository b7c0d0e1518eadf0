"""Peers that do not get through the handshake: those who speak something else, and those who stop in the middle."""

from __future__ import annotations

import asyncio
import ssl
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from certificates import Identity
from relay import HEADER, Mistreatment, Relay, ending_after, one_byte_at_a_time, stalling_after, untouched
from scripted import Peer, ScriptedServer, answering
from servers import Server
from storages import NO_PATIENCE, OUTAGE, QUICK_RETRIES, storage
from tls_servers import TlsScriptedServer, TlsServer, server_context

from nano_graphrag_redis.errors import ProtocolError, RedisConnectionError, RedisKVError, RedisTimeoutError, TlsError

Trusting = Callable[..., Any]


async def failure(kv: Any) -> tuple[RedisKVError, float]:
    """How the first call fails, and after how many seconds; then the storage is closed."""
    started = time.monotonic()
    with pytest.raises(RedisKVError) as caught:
        await kv.get_by_id("a")
    took = time.monotonic() - started
    await kv.aclose()
    return caught.value, took


# --- versions --------------------------------------------------------------------------------------------


async def test_a_server_that_knows_nothing_newer_than_tls_1_1_is_refused(
    identity: Identity, trusting: Trusting
) -> None:
    context = server_context(identity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with TlsScriptedServer(answering({}), context) as server:
        error, took = await failure(trusting(server.url))
        assert isinstance(error, TlsError)
        assert "protocol version" in str(error) or "unsupported protocol" in str(error)
        assert took < 1.0


# --- the wrong scheme ------------------------------------------------------------------------------------


async def test_tls_to_a_plain_server_ends_within_the_bound(start_server: Callable[..., Server]) -> None:
    """Redis takes the greeting of TLS for the beginning of a command, and mostly waits for the rest of it."""
    url = start_server().url.replace("redis://", "rediss://")
    error, took = await failure(storage(url, **NO_PATIENCE))
    assert isinstance(error, (TlsError, RedisTimeoutError, RedisConnectionError))
    assert "TLS" in str(error)
    assert took < 1.0


async def test_a_plain_answer_in_place_of_a_handshake_is_an_error_of_tls() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"-ERR unknown command\r\n")
        peer.wait_until_closed()

    with ScriptedServer(script) as server:
        error, took = await failure(storage(server.url.replace("redis://", "rediss://")))
    assert isinstance(error, TlsError)
    assert "wrong version number" in str(error)
    assert took < 1.0


async def test_plain_text_to_a_tls_server_ends_within_the_bound(tls_server: TlsServer) -> None:
    error, took = await failure(storage(tls_server.url.replace("rediss://", "redis://"), **NO_PATIENCE))
    assert isinstance(error, (ProtocolError, RedisConnectionError))
    assert "TLS" in str(error) or "rediss://" in str(error)
    assert took < 1.0


# --- stops and ends --------------------------------------------------------------------------------------

# Where a server's side of TLS 1.3 is stopped: after so many records, and so many bytes of the next one. Its records
# are hello, (change cipher spec,) extensions, certificate, signature, finished, two tickets and the answer to the
# commands of the handshake; of TLS 1.2 hello, certificate, key, done, (ticket,) change, finished and that answer.
PLACES = [(records, extra) for records in range(6) for extra in (0, 1, HEADER)]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("mistreat", [ending_after, stalling_after])
async def test_a_handshake_that_stops_anywhere_fails_within_the_bound(
    identity: Identity, trusting: Trusting, version: str, mistreat: Callable[[int, int], Mistreatment]
) -> None:
    context = server_context(identity)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with TlsScriptedServer(answering({}), context) as server:
        outcomes = await asyncio.gather(
            *[stopped_at(server, trusting, mistreat(*place)) for place in PLACES]
        )
    assert [type(error) for error, _ in outcomes if not isinstance(error, OUTAGE)] == []
    assert max(took for _, took in outcomes) < 1.5
    told = {str(error).partition(": ")[2] for error, _ in outcomes}
    if mistreat is stalling_after:
        assert all("not connected within 0.5 s" in text for text in told), told
        assert any("last state: negotiating TLS" in text for text in told), told
    else:
        assert all("closed the connection" in text for text in told), told


async def stopped_at(
    server: TlsScriptedServer, trusting: Trusting, mistreatment: Mistreatment
) -> tuple[RedisKVError, float]:
    with Relay(server.port, mistreatment) as relay:
        return await failure(trusting(relay.url, **NO_PATIENCE))


async def test_a_handshake_that_was_cut_is_tried_again(tls_server: TlsServer, trusting: Trusting) -> None:
    with Relay(tls_server.port, ending_after(0, 0), ending_after(1, 3), ending_after(3, 0)) as relay:
        async with trusting(relay.url, **QUICK_RETRIES) as kv:
            assert await kv.get_by_id("a") is None
        assert relay.accepted == 4


async def test_a_handshake_that_was_reset_is_tried_again(identity: Identity, trusting: Trusting) -> None:
    """A server that restarts resets what its backlog holds; that is no fault of certificates."""
    resets = iter([True, True])

    class Restarting(TlsScriptedServer):
        def _serve(self, line: Any) -> None:
            if next(resets, False):
                line.recv(1)
                Peer(line, self.heard).reset()
            else:
                super()._serve(line)

    with Restarting(answering({"GET": b"$1\r\n7\r\n"}), server_context(identity)) as server:
        async with trusting(server.url, **QUICK_RETRIES) as kv:
            assert await kv.get_by_id("a") == 7
        assert server.accepted == 3


async def test_one_byte_at_a_time_is_enough(tls_server: TlsServer, trusting: Trusting) -> None:
    values = {f"{n}": "x" * n for n in range(0, 20_000, 1999)}
    async with trusting(tls_server.url) as kv:
        await kv.upsert(values)
    with Relay(tls_server.port, one_byte_at_a_time) as relay:
        async with trusting(relay.url, redis_max_connections=1) as kv:
            assert await kv.get_by_ids(list(values)) == list(values.values())
        assert relay.accepted == 1


async def test_the_relay_itself_does_no_harm(tls_server: TlsServer, trusting: Trusting) -> None:
    with Relay(tls_server.port, untouched) as relay:
        async with trusting(relay.url) as kv:
            assert await kv.ping() is True
