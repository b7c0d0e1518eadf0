"""The stream of replies: cut at every byte, hostile, off by one, ending in the middle."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
from figures import Figure
from proxy import Proxy
from scripted import GREETING, Peer, ScriptedServer, answering, array, bulk
from servers import Server
from storages import NO_PATIENCE, QUICK_RETRIES, storage, until_idle

from nano_graphrag_redis.errors import (
    ProtocolError,
    RedisConnectionError,
    ResponseError,
    ValueTooLargeError,
    WrongTypeError,
)

# One reply of each kind that a storage reads, and what it means.
VALUES = [b'{"a":[1,2.5,null]}', None, b'"text \xc3\xbc"', b"0", b"[]", b'"' + b"x" * 300 + b'"']
EXPECTED = [{"a": [1, 2.5, None]}, None, "text ü", 0, [], "x" * 300]
SENTINEL = b'"the sentinel"'


def stream_for(words: list[bytes]) -> bytes:
    name = words[0].decode()
    if name == "MGET":
        wanted = [int(key.rpartition(b"-")[2]) for key in words[1:]]
        return array(*[bulk(VALUES[n]) for n in wanted])
    if name == "GET":
        id = words[1].rpartition(b":")[2]
        return bulk(SENTINEL if id == b"sentinel" else VALUES[int(id[3:])])
    if name == "EXISTS":
        return b":1\r\n"
    if name == "SCAN":
        return array(bulk(b"0"), array(bulk(b"nano_graphrag:text_chunks:a"), bulk(b"other:b")))
    reply = GREETING.get(name, b"+OK\r\n")
    assert isinstance(reply, bytes)
    return reply


def in_pieces(size: Callable[[], int]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            data = stream_for(words)
            while data:
                piece, data = data[: (cut := size())], data[cut:]
                peer.send_in_pieces(piece, len(piece), pause=0.0002)

    return script


SIZES: dict[str, Callable[[], int]] = {
    "every byte": lambda: 1,
    "every two": lambda: 2,
    "every seven": lambda: 7,
    "at random": (lambda chance: lambda: chance.randrange(1, 40))(random.Random(4)),
}


@pytest.mark.parametrize("how", SIZES)
async def test_a_stream_of_replies_cut_anywhere_means_the_same(figure: Figure, how: str) -> None:
    ids = [f"id-{n}" for n in range(len(VALUES))]
    with ScriptedServer(in_pieces(SIZES[how])) as server:
        async with storage(server.url, redis_max_connections=1) as kv:
            assert await kv.get_by_ids(ids) == EXPECTED
            assert [await kv.get_by_id(id) for id in ids] == EXPECTED
            assert await kv.filter_keys(["id-0"]) == set()
            assert await kv.all_keys() == ["a"]
            assert await kv.get_by_id("sentinel") == "the sentinel"
            traffic = (await kv.get_stats())["traffic"]
            figure("most reads that the answers came in", traffic["reads"])
            assert server.accepted == 1


# --- hostile -------------------------------------------------------------------------------------------

HOSTILE: dict[str, bytes] = {
    "an array of two billion": b"*2147483647\r\n",
    "an array beyond every int": b"*99999999999999999999\r\n",
    "an array of minus five": b"*-5\r\n",
    "a string of minus five": b"$-5\r\n",
    "a string without a length": b"$\r\nabc\r\n",
    "a string of x": b"$x\r\n",
    "deep nesting": b"*1\r\n" * 5000,
    "an unknown type": b"?what\r\n",
    "a wrong terminator": b"$1\r\n1XY",
    "a wrong terminator, half": b"$1\r\n1\rX",
    "a RESP3 map": b"%1\r\n+a\r\n:1\r\n",
    "a RESP3 push": b">2\r\n+message\r\n+hello\r\n",
    "a RESP3 null": b"_\r\n",
    "a RESP3 double": b",1.5\r\n",
    "a RESP3 boolean": b"#t\r\n",
    "an endless line": b"+" + b"x" * 3_000_000,
    "an endless length": b"$" + b"0" * 3_000_000,
    "an endless integer": b":" + b"1" * 3_000_000,
    "an integer that is none": b":12a\r\n",
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "zeros": b"\0" * 1000,
    "a status for a value": b"+OK\r\n",
    "an integer for a value": b":5\r\n",
    "an array for a value": array(bulk(b"1")),
    "an error inside an array": b"*1\r\n-ERR what\r\n",
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_answer_ends_the_connection_with_a_clear_error(figure: Figure, case: str) -> None:
    """One call fails with the cause, those behind it with the loss of the connection; memory is bounded."""
    answers = iter([HOSTILE[case]])
    with ScriptedServer(answering({"GET": lambda words: next(answers, bulk(b"1"))})) as server:
        kv = storage(server.url, redis_max_connections=1, **{**NO_PATIENCE, "redis_socket_timeout": 5})
        await kv.ping()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        outcomes = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(3)], return_exceptions=True)
        took, grown = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        figure("longest time to the error", took, "s")
        figure("most memory grown", grown, "KiB")
        assert took < 1.0, "a hostile server must not hold the caller up"
        assert grown < 64 * 1024
        assert type(outcomes[0]) is ProtocolError, outcomes[0]
        assert "get_by_id" in str(outcomes[0])
        assert {type(outcome) for outcome in outcomes[1:]} <= {RedisConnectionError, int}
        assert await kv.get_by_id("next") == 1
        assert (await kv.get_stats())["connections"]["lost"] == 1
        assert server.accepted == 2
        await until_idle(kv)
        await kv.aclose()


async def test_a_value_beyond_the_limit_is_refused_by_its_announcement() -> None:
    with ScriptedServer(answering({"GET": b"$9223372036854775807\r\n"})) as server:
        kv = storage(server.url, **{**NO_PATIENCE, "redis_socket_timeout": 30})
        with pytest.raises(ValueTooLargeError, match="redis_max_value_bytes"):
            await asyncio.wait_for(kv.get_by_id("a"), 2.0)
        await kv.aclose()


async def test_a_surplus_reply_is_never_given_to_the_next_caller() -> None:
    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] == b"GET":
                last = words[1].rpartition(b":")[2]
                peer.send(bulk(last) + (bulk(b'"of nobody"') if last == b"7" else b""))
            else:
                peer.send(stream_for(words))

    with ScriptedServer(script) as server:
        async with storage(server.url, redis_max_connections=1, **QUICK_RETRIES) as kv:
            for _ in range(20):
                for n in ("7", "1", "2"):
                    assert await kv.get_by_id(n) == int(n)
                    await asyncio.sleep(0)
            lost = (await kv.get_stats())["connections"]["lost"]
            assert 1 <= lost <= 20, "a connection that said too much is not trusted any more"


HOSTILE_TO: dict[str, tuple[Callable[[Any], Any], dict[str, bytes]]] = {
    "delete, a string": (lambda kv: kv.delete_by_id("a"), {"DEL": bulk(b"1")}),
    "delete, an array": (lambda kv: kv.delete_by_id("a"), {"DEL": array(b":1\r\n", b":0\r\n")}),
    "delete, nil": (lambda kv: kv.delete_by_id("a"), {"DEL": b"$-1\r\n"}),
    "exists, a string": (lambda kv: kv.filter_keys(["a"]), {"EXISTS": bulk(b"1")}),
    "exists, nil": (lambda kv: kv.filter_keys(["a"]), {"EXISTS": b"$-1\r\n"}),
    "mget, too few": (lambda kv: kv.get_by_ids(["a", "b"]), {"MGET": array(bulk(b"1"))}),
    "mget, too many": (lambda kv: kv.get_by_ids(["a", "b"]), {"MGET": array(*[bulk(b"1")] * 3)}),
    "mget, nested": (lambda kv: kv.get_by_ids(["a", "b"]), {"MGET": array(bulk(b"1"), array(bulk(b"1")))}),
    "mget, no array": (lambda kv: kv.get_by_ids(["a", "b"]), {"MGET": bulk(b"1")}),
    "mget, nil": (lambda kv: kv.get_by_ids(["a", "b"]), {"MGET": b"*-1\r\n"}),
    "set, an integer": (lambda kv: kv.upsert({"a": 1}), {"SET": b":1\r\n"}),
    "set, nil": (lambda kv: kv.upsert({"a": 1}), {"SET": b"$-1\r\n"}),
    "mset, an array": (lambda kv: kv.upsert({"a": 1, "b": 2}), {"MSET": array(b"+OK\r\n")}),
    "scan, no array": (lambda kv: kv.all_keys(), {"SCAN": b"+OK\r\n"}),
    "scan, one element": (lambda kv: kv.all_keys(), {"SCAN": array(bulk(b"0"))}),
    "scan, no cursor": (lambda kv: kv.all_keys(), {"SCAN": array(b"$-1\r\n", b"*0\r\n")}),
    "scan, an empty cursor": (lambda kv: kv.all_keys(), {"SCAN": array(bulk(b""), b"*0\r\n")}),
    "scan, a long cursor": (lambda kv: kv.all_keys(), {"SCAN": array(bulk(b"1" * 50), b"*0\r\n")}),
    "scan, numbers for keys": (lambda kv: kv.all_keys(), {"SCAN": array(bulk(b"0"), array(b":1\r\n"))}),
    "drop, no number": (
        lambda kv: kv.drop(),
        {
            "SCAN": array(bulk(b"0"), array(bulk(b"nano_graphrag:text_chunks:a"))),
            "UNLINK": b"+OK\r\n",
        },
    ),
}


@pytest.mark.parametrize("case", HOSTILE_TO)
async def test_an_answer_of_the_wrong_form_is_an_error_and_no_result(case: str) -> None:
    call, table = HOSTILE_TO[case]
    with ScriptedServer(answering(table)) as server:
        kv = storage(server.url, **NO_PATIENCE)
        with pytest.raises(ProtocolError):
            await call(kv)
        assert await kv.ping()
        assert server.accepted == 2, "a stream that is out of step is not used on"
        await kv.aclose()


# --- connections that die in the middle ----------------------------------------------------------------

BATCH = [f"id-{n}" for n in range(12)]


async def lengths_of_requests(server: Server, call: Callable[[Any], Any]) -> tuple[int, int]:
    """Bytes sent until the handshake is done, and until a first call is."""
    with Proxy(server.port) as proxy:
        async with storage(proxy.url, redis_max_connections=1) as kv:
            before = proxy.passed
            await call(kv)
            length = proxy.passed - before
    with Proxy(server.port) as proxy:
        kv = storage(proxy.url, redis_max_connections=1)
        await call(kv)
        total = proxy.passed
        await kv.aclose()
    return total - length, total


CUT_CALLS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "get_by_ids": (lambda kv: kv.get_by_ids(BATCH), list(range(12))),
    "filter_keys": (lambda kv: kv.filter_keys([*BATCH[:4], "absent"]), {"absent"}),
    "upsert": (lambda kv: kv.upsert({id: n for n, id in enumerate(BATCH)}), None),
    "ttl upsert": (lambda kv: kv.upsert({id: n for n, id in enumerate(BATCH[:5])}), None),
    "all_keys": (lambda kv: kv.all_keys(), None),
}


@pytest.mark.parametrize("name", CUT_CALLS)
async def test_a_connection_that_dies_at_any_byte_of_a_batch_costs_nothing(
    start_server: Callable[..., Server], figure: Figure, name: str
) -> None:
    """Reads and writes are tried again: the caller sees the right answer, once."""
    server = start_server()
    settings = {"redis_ttl": {"text_chunks": 1000}} if name == "ttl upsert" else {}
    call, expected = CUT_CALLS[name]
    async with storage(server.url) as kv:
        await kv.upsert({id: n for n, id in enumerate(BATCH)})
    greeting, total = await lengths_of_requests(server, call)
    step = max(1, (total - greeting) // 60)
    with Proxy(server.port) as proxy:
        for cut in range(greeting + 1, total, step):
            kv = storage(proxy.url, redis_max_connections=1, **settings, **QUICK_RETRIES)
            proxy.cut_after = cut
            before = proxy.accepted
            answer = await asyncio.wait_for(call(kv), 5.0)
            assert answer == expected or (name == "all_keys" and sorted(answer) == sorted(BATCH))
            assert proxy.accepted == before + 2, f"the connection did not die after byte {cut}"
            assert await kv.get_by_ids(BATCH) == list(range(12))
            await kv.aclose()
    figure("places to die at", len(range(greeting + 1, total, step)))


async def test_a_delete_whose_answer_was_lost_raises_instead_of_lying(
    start_server: Callable[..., Server], figure: Figure
) -> None:
    server = start_server()
    async with storage(server.url) as kv:
        await kv.upsert({f"id-{n}": n for n in range(200)})
    greeting, total = await lengths_of_requests(server, lambda kv: kv.delete_by_id("id-199"))
    sure = lost = 0
    with Proxy(server.port) as proxy:
        for cut in range(1, total):
            kv = storage(proxy.url, redis_max_connections=1, **QUICK_RETRIES)
            proxy.cut_after = cut
            try:
                assert await kv.delete_by_id(f"id-{cut}") is True
                sure += 1
            except RedisConnectionError:
                assert cut > greeting, "a request that was never sent can be sent again"
                lost += 1
            await kv.aclose()
    figure("deletes that could not know", lost)
    assert (sure, lost) == (greeting, total - greeting - 1)


async def test_a_peer_that_dies_after_part_of_a_reply_is_asked_again() -> None:
    reply = array(*[bulk(b"%d" % n) for n in range(12)])
    cuts = iter(range(1, len(reply)))

    def script(peer: Peer) -> None:
        cut = next(cuts)
        while (words := peer.read_command()) is not None:
            if words[0] != b"MGET":
                peer.send(stream_for(words))
            elif cut % 2:
                peer.send(reply[:cut])
                return
            else:
                peer.send(reply)

    with ScriptedServer(script) as server:
        kv = storage(server.url, redis_max_connections=1, **QUICK_RETRIES)
        for _ in range((len(reply) - 1) // 2):
            assert await kv.get_by_ids(BATCH) == list(range(12))
            await kv.aclose()


async def test_errors_of_single_keys_name_them(start_server: Callable[..., Server]) -> None:
    async with storage(start_server().url) as kv:
        await kv._store.execute(("LPUSH", "nano_graphrag:text_chunks:list", "x"))
        with pytest.raises(WrongTypeError, match="key nano_graphrag:text_chunks:list"):
            await kv.get_by_ids(["a", "list", "b"])
        with pytest.raises(ResponseError, match="unknown command"):
            await kv._store.execute(("NO-SUCH-COMMAND",))
