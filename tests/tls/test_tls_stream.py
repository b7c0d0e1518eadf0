"""The encrypted stream under strain: cut, damaged, congested, cancelled, rekeyed.

Answers arrive whole or not at all.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from certificates import Identity
from proxy import Proxy, between
from relay import HEADER, Mistreatment, Records, Relay, ending_after
from scripted import GREETING, Peer, answering, bulk
from storages import QUICK_RETRIES, until_idle
from tls_servers import TlsScriptedServer, TlsServer, say_goodbye, server_context

from nano_graphrag_redis.errors import RedisConnectionError

Trusting = Callable[..., Any]
MIB = 1024 * 1024
RECORDS = {f"id-{n}": {"n": n, "text": "x" * (n % 700)} for n in range(300)}


def tls_1_2(identity: Identity) -> ssl.SSLContext:
    """A context whose records can be counted: in TLS 1.2 nothing but answers follows the handshake."""
    context = server_context(identity)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


# --- cut and damaged -------------------------------------------------------------------------------------


def damaging(record: int) -> Mistreatment:
    """Flips a bit at the end of one record; the rest goes on as it was."""

    def mistreat(pieces: Iterator[bytes]) -> Iterator[bytes]:
        seen = Records()
        for piece in pieces:
            changed = bytearray(piece)
            for position, byte in enumerate(piece):
                seen.take(byte)
                if seen.complete == record and not seen.partial:
                    changed[position] ^= 1
            yield bytes(changed)

    return mistreat


async def records_before_answers(server: TlsScriptedServer, trusting: Trusting) -> int:
    """How many records the server sends until the storage is ready."""
    seen = Records()

    def count(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            for byte in piece:
                seen.take(byte)
            yield piece

    with Relay(server.port, count) as relay:
        async with trusting(relay.url):
            pass
    return seen.complete


@pytest.mark.parametrize("extra", [0, 1, HEADER, 500])
@pytest.mark.parametrize("records", [0, 1, 5])
async def test_an_answer_cut_off_without_a_farewell_is_a_lost_connection_and_asked_again(
    identity: Identity, trusting: Trusting, records: int, extra: int
) -> None:
    """TCP may be closed by anybody on the way; only close_notify says that the server has finished."""
    answer = answering({"GET": bulk(b'"%s"' % (b"y" * 100_000))})
    with TlsScriptedServer(answer, tls_1_2(identity)) as server:
        ready = await records_before_answers(server, trusting)
        with Relay(server.port, ending_after(ready + records, extra)) as relay:
            async with trusting(relay.url, **QUICK_RETRIES) as kv:
                assert await kv.get_by_id("a") == "y" * 100_000
                assert (await kv.get_stats())["connections"]["lost"] == 1
            assert relay.accepted == 2


async def test_a_cut_answer_is_an_error_when_nothing_may_be_tried_again(
    identity: Identity, trusting: Trusting
) -> None:
    answer = answering({"GET": bulk(b'"%s"' % (b"y" * 100_000)), "DEL": b":1\r\n", "UNLINK": b":1\r\n"})
    with TlsScriptedServer(answer, tls_1_2(identity)) as server:
        ready = await records_before_answers(server, trusting)
        for call in ("get_by_id", "delete_by_id"):
            with Relay(server.port, ending_after(ready, 7)) as relay:
                retries = 0 if call == "get_by_id" else 3
                async with trusting(relay.url, **{**QUICK_RETRIES, "redis_retry_attempts": retries}) as kv:
                    with pytest.raises(RedisConnectionError, match="the connection was lost"):
                        await getattr(kv, call)("a")
                assert relay.accepted == 1


@pytest.mark.parametrize("record", [1, 2, 4, 7])
async def test_a_damaged_record_is_a_lost_connection_at_once(
    identity: Identity, trusting: Trusting, record: int
) -> None:
    """It may come behind good ones, in the same packet, and be the last that is ever heard."""
    sent, over = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] != b"GET":
                peer.send(GREETING[words[0].decode()])
                continue
            peer.send(bulk(b'"%s"' % (b"y" * 100_000)))  # seven records
            if not sent.is_set():
                sent.set()
                over.wait(8.0)  # deaf to complaints

    with TlsScriptedServer(script, tls_1_2(identity)) as server:
        ready = await records_before_answers(server, trusting)
        with Relay(server.port, damaging(ready + record)) as relay:
            async with trusting(relay.url, redis_socket_timeout=5.0) as kv:
                started = time.monotonic()
                call = asyncio.ensure_future(kv.get_by_id("a"))
                await asyncio.sleep(0)
                assert sent.wait(5.0)
                assert not over.wait(0.1)  # the loop is held up: all records arrive together
                assert await call == "y" * 100_000
                assert time.monotonic() - started < 2.0
                assert (await kv.get_stats())["connections"]["lost"] == 1
            assert relay.accepted == 2
        over.set()


async def test_a_goodbye_behind_half_an_answer_is_a_lost_connection_at_once(
    identity: Identity, trusting: Trusting
) -> None:
    """The server has finished, though TCP stays open: a stream is over when TLS says so."""
    sent, over = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] == b"GET" and not sent.is_set():
                peer.send(bulk(b'"half"')[:6])
                say_goodbye(peer)
                sent.set()
                over.wait(8.0)
                return
            peer.send(bulk(b"7") if words[0] == b"GET" else GREETING[words[0].decode()])

    with TlsScriptedServer(script, server_context(identity)) as server:
        async with trusting(server.url, redis_socket_timeout=5.0) as kv:
            started = time.monotonic()
            call = asyncio.ensure_future(kv.get_by_id("a"))
            await asyncio.sleep(0)
            assert sent.wait(5.0)
            assert await call == 7
            assert time.monotonic() - started < 2.0
        over.set()


async def test_what_is_wrong_with_a_damaged_stream_is_told(identity: Identity, trusting: Trusting) -> None:
    with TlsScriptedServer(answering({"GET": bulk(b'"%s"' % (b"y" * 40_000))}), tls_1_2(identity)) as server:
        ready = await records_before_answers(server, trusting)
        with Relay(server.port, damaging(ready + 2)) as relay:
            async with trusting(relay.url, redis_retry_attempts=0) as kv:
                with pytest.raises(RedisConnectionError, match="bad record mac"):
                    await kv.get_by_id("a")


# --- a server that has closed ----------------------------------------------------------------------------


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_a_delete_is_not_sent_into_a_connection_that_was_closed_meanwhile(
    identity: Identity, trusting: Trusting, says_goodbye: bool
) -> None:
    """It could not be repeated: its second answer would lie. A goodbye in the buffer must not look like life."""
    has_closed = threading.Event()

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] == b"GET":
                peer.send(bulk(b"7"))
                if not has_closed.is_set():
                    if says_goodbye:
                        say_goodbye(peer)
                    peer.close()
                    has_closed.set()
                    return
            peer.send({b"UNLINK": b":1\r\n", b"DEL": b":1\r\n", b"PING": b"+PONG\r\n"}.get(words[0], b"+OK\r\n"))

    with TlsScriptedServer(script, server_context(identity)) as server:
        async with trusting(server.url, **QUICK_RETRIES) as kv:
            assert await kv.get_by_id("a") == 7
            assert has_closed.wait(5.0)  # the loop stands still, and cannot notice
            assert await kv.delete_by_id("a") is True
        assert server.accepted == 2


async def test_a_restarted_server_is_found_again(start_tls: Callable[..., TlsServer], trusting: Trusting) -> None:
    server = start_tls()
    async with trusting(server.url, **QUICK_RETRIES) as kv:
        for _ in range(3):
            await kv.upsert({"a": 1})
            server.restart()
            assert await kv.get_by_id("a") is None
            assert await kv.delete_by_id("a") is False


# --- large amounts ---------------------------------------------------------------------------------------


async def test_64_mib_cross_each_other_on_one_connection(identity: Identity, trusting: Trusting) -> None:
    """The server sends its answer to the end before it reads on: whoever does not read while writing hangs."""
    large = "z" * (64 * MIB)

    def script(peer: Peer) -> None:
        table = {b"GET": bulk(b'"%s"' % large.encode()), b"PING": b"+PONG\r\n"}
        while (words := peer.read_command()) is not None:
            peer.send(table.get(words[0], b"+OK\r\n"))

    with TlsScriptedServer(script, server_context(identity)) as server:
        async with trusting(
            server.url, redis_max_connections=1, redis_max_atomic_bytes="128MiB", redis_retry_attempts=0
        ) as kv:
            value, _, again = await asyncio.gather(kv.get_by_id("a"), kv.upsert({"b": large}), kv.get_by_id("c"))
            assert value == again == large
    written = [words for words in server.heard if words[0] not in (b"GET", b"PING", b"CLIENT")]
    assert [len(words[2]) for words in written] == [64 * MIB + 2]
    assert server.accepted == 1


async def test_no_byte_stays_behind_in_the_filter(identity: Identity, trusting: Trusting) -> None:
    """Records are read whole: the end of an answer may be inside already, and no event will announce it.

    The sizes lie around the amounts that are read at a time. The loop is held up until all has arrived.
    """
    sizes = [k * 65536 + d for k in (1, 2, 4, 5, 8) for d in (-16384, -30, -12, -11, -10, -9, 0, 1, 100, 16384)]
    sent = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] == b"GET":
                size = int(words[1].rpartition(b":")[2])
                peer.send(bulk(b'"%s"' % (b"w" * size)))
                sent.release()
            else:
                peer.send(GREETING[words[0].decode()])

    with TlsScriptedServer(script, server_context(identity)) as server:
        async with trusting(server.url, redis_max_connections=1, redis_socket_timeout=2.0) as kv:
            for size in sizes:
                call = asyncio.ensure_future(kv.get_by_id(str(size)))
                await asyncio.sleep(0)
                assert sent.acquire(timeout=5.0)
                assert len(await asyncio.wait_for(call, 1.0)) == size
        assert server.accepted == 1


async def test_many_megabytes_at_once_do_not_stall(tls_server: TlsServer, trusting: Trusting) -> None:
    values = {f"{n}": "v" * (300_000 + 7919 * n) for n in range(40)}
    async with trusting(tls_server.url, redis_max_connections=2, redis_socket_timeout=2.0) as kv:
        await asyncio.gather(*[kv.upsert({id: value}) for id, value in values.items()])
        answers = await asyncio.gather(*[kv.get_by_id(id) for id in values], kv.get_by_ids(list(values)))
        assert answers == [*values.values(), list(values.values())]
        assert (await kv.get_stats())["connections"]["lost"] == 0


async def test_a_busy_connection_does_not_starve_the_loop(tls_server: TlsServer, trusting: Trusting) -> None:
    async with trusting(tls_server.url, redis_max_connections=1) as kv:
        await kv.upsert({f"{n}": "v" * MIB for n in range(24)})
        call = asyncio.ensure_future(kv.get_by_ids([f"{n}" for n in range(24)]))
        ticks = 0
        while not call.done():
            await asyncio.sleep(0)
            ticks += 1
        assert len(call.result()) == 24
        assert ticks > 24 * MIB / (4 * 65536) / 2, "one wake-up reads a bounded amount"


# --- cancelling ------------------------------------------------------------------------------------------


def secure(proxy: Proxy) -> str:
    return proxy.url.replace("redis://", "rediss://")


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_storm_of_cancels_mixes_no_answers_up(
    tls_server: TlsServer, trusting: Trusting, connections: int
) -> None:
    chance = random.Random(2665 + connections)

    async def ask(n: int) -> bool:
        ids = [f"id-{(n + step * 7) % 300}" for step in range(1 + n % 20)]
        if n % 2:
            return bool(await kv.get_by_id(ids[0]) == RECORDS[ids[0]])
        return bool(await kv.get_by_ids(ids) == [RECORDS[id] for id in ids])

    with Proxy(tls_server.port, between(0.0, 0.01, seed=16)) as slow:
        async with trusting(secure(slow), redis_max_connections=connections) as kv:
            await kv.upsert(RECORDS)
            outcomes: list[object] = []
            for _ in range(5):
                tasks = [asyncio.ensure_future(ask(n)) for n in chance.sample(range(300), 250)]
                while any(not task.done() for task in tasks):
                    if chance.random() < 0.4:
                        chance.choice(tasks).cancel()
                    await asyncio.sleep(0 if chance.random() < 0.9 else 0.001)
                outcomes += await asyncio.gather(*tasks, return_exceptions=True)
            kinds = {type(outcome) for outcome in outcomes}
            assert kinds == {bool, asyncio.CancelledError}
            assert False not in outcomes
            assert outcomes.count(True) > 100, "the storm was too strong to show anything"
            slow.delay = lambda: 0.0
            assert await kv.get_by_ids(list(RECORDS)) == list(RECORDS.values())
            await until_idle(kv)
            stats = await kv.get_stats()
            assert stats["connections"]["lost"] == 0
            assert slow.accepted == stats["connections"]["opened"] <= connections


@pytest.mark.parametrize("after", [0.0, 0.002, 0.01])
async def test_cancelling_in_the_tls_handshake_leaves_nothing_behind(
    tls_server: TlsServer, trusting: Trusting, after: float
) -> None:
    with Proxy(tls_server.port, lambda: 0.02) as slow:
        kv = trusting(secure(slow))
        tasks = [asyncio.ensure_future(kv.get_by_id(f"{n}")) for n in range(20)]
        await asyncio.sleep(after)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await kv.get_by_id("a") is None
        await until_idle(kv)
        assert slow.accepted == 1
        await kv.aclose()


# --- new keys in the middle ------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "command"), [("-tls1_3", b"K\n"), ("-tls1_2", b"r\n")])
async def test_the_server_may_ask_for_new_keys_at_any_time(
    identity: Identity, trusting: Trusting, version: str, command: bytes
) -> None:
    """`openssl s_server` sends what it is told, and takes the letters K and r as KeyUpdate and renegotiation."""
    program = ["openssl", "s_server", "-accept", "127.0.0.1:0", version, "-crlf"]
    server = await asyncio.create_subprocess_exec(
        *program, "-cert", identity.cert, "-key", identity.key,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert server.stdin
    assert server.stdout
    try:
        port = (await said(server.stdout, b"ACCEPT ")).split(b":")[-1].strip().decode()
        kv = trusting(f"rediss://127.0.0.1:{port}", redis_retry_attempts=0)
        call = asyncio.ensure_future(kv.get_by_id("a"))
        await said(server.stdout, b"PING")
        server.stdin.write(b"+OK\n+PONG\n")
        for answer in (b"1", b"2", b"3"):
            await said(server.stdout, b"text_chunks:a")
            server.stdin.write(command)  # one read of the terminal, one command
            await server.stdin.drain()
            await asyncio.sleep(0.1)
            server.stdin.write(b"$1\n" + answer + b"\n")
            assert await asyncio.wait_for(call, 5.0) == int(answer)
            call = asyncio.ensure_future(kv.get_by_id("a"))
        call.cancel()
        assert (await kv.get_stats())["connections"]["opened"] == 1
        await kv.aclose()
    finally:
        server.kill()
        await server.wait()


async def said(stream: asyncio.StreamReader, text: bytes) -> bytes:
    """Reads lines up to the one that holds `text`."""

    async def find() -> bytes:
        while text not in (line := await stream.readline()):
            assert line, f"the server ended before it said {text!r}"
        return line

    return await asyncio.wait_for(find(), 5.0)
