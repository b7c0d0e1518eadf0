"""Servers that are down, silent, slow or crash: every call ends within its bound, once, and never with "absent"."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from figures import Figure
from scripted import GREETING, Peer, ScriptedServer, bulk
from servers import Server, free_port
from storages import NO_PATIENCE, OUTAGE, QUICK_RETRIES, storage

from nano_graphrag_redis.errors import RedisConnectionError, RedisTimeoutError

CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv: kv.get_by_id("a"),
    "get_by_ids": lambda kv: kv.get_by_ids(["a", "b"]),
    "filter_keys": lambda kv: kv.filter_keys(["a", "b"]),
    "all_keys": lambda kv: kv.all_keys(),
    "upsert": lambda kv: kv.upsert({"a": 1, "b": 2}),
    "delete_by_id": lambda kv: kv.delete_by_id("a"),
    "drop": lambda kv: kv.drop(),
}
SLACK = 0.7  # seconds for a busy machine


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


PATIENT = {
    "redis_retry_attempts": 2,
    "redis_retry_base": 0.1,
    "redis_retry_cap": 0.2,
    "redis_connection_timeout": 0.3,
    "redis_socket_timeout": 0.3,
}


async def ended(
    kv: Any, calls: dict[str, Callable[[Any], Awaitable[Any]]] = CALLS
) -> tuple[dict[str, Any], float]:
    """What each call ended with, all made at once, and how long that took."""
    started = time.monotonic()
    outcomes = await asyncio.gather(*[call(kv) for call in calls.values()], return_exceptions=True)
    return dict(zip(calls, outcomes, strict=True)), time.monotonic() - started


# --- down ----------------------------------------------------------------------------------------------


async def test_a_server_that_is_down_is_an_error_within_the_bound() -> None:
    kv = storage(f"redis://127.0.0.1:{free_port()}", **PATIENT)
    outcomes, took = await ended(kv)
    for name, outcome in outcomes.items():
        assert type(outcome) is RedisConnectionError, (name, outcome)
        assert str(outcome).startswith(f"{name} in namespace 'text_chunks': redis://127.0.0.1:")
        assert "cannot connect: Connection refused (3 tries in 0." in str(outcome)
        assert str(outcome).endswith("check that the server runs and that redis_url names it")
    assert 0.15 <= took < 0.3 + SLACK, "two waits: 0.1 and 0.2 s, each times a jitter of one half to one"
    await kv.aclose()


async def test_a_missing_socket_file_is_an_error_that_names_it() -> None:
    kv = storage("unix:///tmp/no-such-folder/redis.sock", **NO_PATIENCE)
    with pytest.raises(RedisConnectionError, match=r"unix:///tmp/no-such-folder/redis\.sock.*No such file"):
        await kv.get_by_id("a")
    await kv.aclose()


async def test_descriptors_that_have_run_out_are_an_error_that_says_so(server: Server) -> None:
    kv = storage(server.url, **NO_PATIENCE)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as files:
        lowest = files.enter_context(socket.socket()).fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
        try:
            with pytest.raises(RedisConnectionError, match="Too many open files"):
                await kv.get_by_id("a")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert await kv.get_by_id("a") is None
    await kv.aclose()


# --- silent --------------------------------------------------------------------------------------------


async def test_calls_outlive_a_short_silence(server: Server) -> None:
    async with storage(server.url, redis_socket_timeout=5) as kv:
        await kv.upsert({"a": 1})
        server.freeze()
        calls = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(100)]
        await asyncio.sleep(0.2)
        server.thaw()
        assert await asyncio.gather(*calls) == [1] * 100
        assert (await kv.get_stats())["connections"]["lost"] == 0


async def test_an_idle_connection_into_a_black_hole_is_noticed_before_it_costs_a_call(server: Server) -> None:
    settings = {**NO_PATIENCE, "redis_health_check_interval": 0.1, "redis_socket_timeout": 0.2}
    async with storage(server.url, **settings) as kv:
        await kv.upsert({"a": 1})
        with server.frozen():
            stats = await kv.get_stats()
            assert stats["connections"]["open"] == 1
            await asyncio.sleep(0.6)
            assert (await kv.get_stats())["connections"]["open"] == 0
        assert await kv.get_by_id("a") == 1


async def test_a_peer_that_trickles_is_making_progress() -> None:
    """The time limit is for silence: a large value over a slow line arrives."""

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] == b"GET":
                peer.send_in_pieces(bulk(b'"' + b"x" * 40 + b'"'), 8, pause=0.15)
            else:
                answer = GREETING[words[0].decode()]
                assert isinstance(answer, bytes)
                peer.send(answer)

    with ScriptedServer(script) as server:
        async with storage(server.url, **{**NO_PATIENCE, "redis_socket_timeout": 0.4}) as kv:
            assert await kv.get_by_id("a") == "x" * 40


async def test_the_first_call_keeps_to_the_bound_even_when_it_looks_around(
    server: Server, tmp_path: Path
) -> None:
    """With rows in the JSON file the first call asks the server about its own first; a silent server must not
    cost the time twice."""
    (tmp_path / "kv_store_full_docs.json").write_text(json.dumps({"doc-1": {"content": "x"}}))
    kv = storage(server.url, "full_docs", working_dir=str(tmp_path), **PATIENT)
    with server.frozen():
        started = time.monotonic()
        with pytest.raises(OUTAGE):
            await kv.get_by_id("doc-1")
        took = time.monotonic() - started
        with pytest.raises(OUTAGE):
            await kv.get_by_id("doc-1")
        alone = time.monotonic() - started - took
    assert took < alone * 1.5 + 0.2, f"the first call took {took:.2f} s, the second {alone:.2f} s"
    await kv.aclose()


# --- full of data --------------------------------------------------------------------------------------


async def test_sixty_four_mebibytes_to_a_peer_that_writes_before_it_reads(figure: Figure) -> None:
    """The peer answers GETs with much data and reads on only when that was taken: neither side may insist."""
    filler = bulk(b'"' + b"f" * 4_000_000 + b'"')

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            name = words[0].decode()
            if name == "GET":
                peer.send(filler)
            else:
                answer = GREETING.get(name, b"+OK\r\n")
                assert isinstance(answer, bytes)
                peer.send(answer)

    with ScriptedServer(script) as server:
        async with storage(server.url, redis_max_connections=1, redis_socket_timeout=5) as kv:
            batch = {f"id-{n}": "x" * 1024 * 1024 for n in range(64)}
            started = time.monotonic()
            reads = [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(12)]
            write = asyncio.ensure_future(kv.upsert(batch))
            reads += [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(12)]
            answers = await asyncio.wait_for(asyncio.gather(*reads), 20)
            assert {len(answer) for answer in answers} == {4_000_000}
            await asyncio.wait_for(write, 20)
            figure("64 MiB there, 96 MB back", time.monotonic() - started, "s")


async def test_a_batch_larger_than_one_atomic_step_arrives_whole(server: Server) -> None:
    batch = {f"id-{n}": "x" * 10_000 for n in range(2000)}
    async with storage(server.url, redis_max_atomic_bytes="1MB") as kv:
        await kv.upsert(batch)
        assert await kv.get_by_ids(list(batch)) == list(batch.values())
    assert 15 <= server.calls("mset") <= 25


# --- crash ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [0, 5000], ids=["MSET", "MULTI"])
async def test_every_acknowledged_write_survives_a_crash_and_no_batch_is_half_there(
    start_server: Callable[..., Server], figure: Figure, ttl: int
) -> None:
    server = start_server("redis", "--appendfsync", "always", appendonly=True)
    acknowledged: set[int] = set()
    size = 20
    for round in range(3):
        kv = storage(
            server.url, redis_ttl={"text_chunks": ttl}, **{**NO_PATIENCE, "redis_max_connections": 4}
        )

        async def write(first: int, kv: Any = kv) -> None:
            for n in range(first, first + 2000, 8):
                await kv.upsert({f"batch-{n}-{item}": {"n": n, "text": "x" * 500} for item in range(size)})
                acknowledged.add(n)

        writers = [asyncio.ensure_future(write(round * 100_000 + lane)) for lane in range(8)]
        await asyncio.sleep(0.25)
        server.kill()
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {RedisConnectionError, RedisTimeoutError}
        await kv.aclose()
        server.start()
    assert len(acknowledged) > 30
    with contextlib.closing(server.client()) as client:
        there: dict[int, int] = {}
        for key in client.scan_iter(count=5000):
            n = int(key.split(b"-")[1])
            there[n] = there.get(n, 0) + 1
    figure("batches acknowledged", len(acknowledged))
    figure("acknowledged and lost", len(acknowledged - set(there)))
    figure("half batches", sum(count != size for count in there.values()))
    assert acknowledged <= set(there), "acknowledged and lost"
    assert set(there.values()) == {size}, "half a batch"


async def test_reads_and_writes_ride_over_a_crash_and_a_restart(start_server: Callable[..., Server]) -> None:
    server = start_server("redis", "--appendfsync", "always", appendonly=True)
    settings = {"redis_retry_attempts": 20, "redis_retry_base": 0.05, "redis_retry_cap": 0.2}
    async with storage(server.url, **settings) as kv:
        await kv.upsert({f"id-{n}": n for n in range(500)})
        is_over = False
        wrong = 0

        async def work(lane: int) -> int:
            nonlocal wrong
            rounds = 0
            while not is_over:
                n = (lane * 31 + rounds) % 500
                wrong += await kv.get_by_id(f"id-{n}") != n
                await kv.upsert({f"lane-{lane}": rounds})
                wrong += await kv.get_by_id(f"lane-{lane}") != rounds
                rounds += 1
            return rounds

        lanes = [asyncio.ensure_future(work(lane)) for lane in range(10)]
        for _ in range(3):
            await asyncio.sleep(0.1)
            server.kill()
            server.start()
        await asyncio.sleep(0.1)
        is_over = True
        assert min(await asyncio.gather(*lanes)) > 3
        assert wrong == 0


async def test_connections_killed_by_the_server_again_and_again_cost_nothing(server: Server) -> None:
    async with storage(
        server.url, redis_max_connections=4, **{**QUICK_RETRIES, "redis_retry_attempts": 10}
    ) as kv:
        await kv.upsert({f"id-{n}": n for n in range(300)})
        is_over = threading.Event()

        def kill() -> None:
            with contextlib.closing(server.client()) as client:
                while not is_over.wait(0.02):
                    client.client_kill_filter(_type="normal", skipme=True)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for _ in range(30):
                assert await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(300)]) == list(
                    range(300)
                )
                assert await kv.get_by_ids([f"id-{n}" for n in range(300)]) == list(range(300))
                await asyncio.sleep(0.005)
        finally:
            is_over.set()
            killer.join()
        lost = (await kv.get_stats())["connections"]["lost"]
        assert lost > 3
