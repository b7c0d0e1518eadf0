"""What a server may refuse: the right exception, tried again or not, and said once in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from figures import Figure
from fresh import run
from scripted import ScriptedServer, answering, bulk
from servers import Server
from storages import NO_PATIENCE, QUICK_RETRIES, storage

from nano_graphrag_redis import errors
from nano_graphrag_redis.errors import CorruptValueError, EncodeError, ValueTooLargeError, WrongTypeError

# --- errors by name ------------------------------------------------------------------------------------

# answer: (exception, built-in that catches it, is it tried again?)
ANSWERS: dict[bytes, tuple[str, type[Exception], bool]] = {
    b"-READONLY You can't write against a read only replica.": ("ReadOnlyError", PermissionError, False),
    b"-LOADING Redis is loading the dataset in memory": ("LoadingError", ConnectionError, True),
    b"-MASTERDOWN Link with MASTER is down": ("LoadingError", ConnectionError, True),
    b"-OOM command not allowed when used memory > 'maxmemory'.": ("OutOfMemoryError", OSError, False),
    b"-MISCONF Redis is configured to save RDB snapshots": ("MisconfError", OSError, False),
    b"-NOAUTH Authentication required.": ("AuthenticationError", PermissionError, False),
    b"-NOPERM this user has no permissions": ("NoPermissionError", PermissionError, False),
    b"-WRONGTYPE Operation against a key": ("WrongTypeError", ValueError, False),
    b"-ERR max number of clients reached": ("RedisConnectionError", ConnectionError, True),
    b"-CLUSTERDOWN Hash slot not served": ("ClusterDownError", ConnectionError, True),
    b"-TRYAGAIN Multiple keys request during rehashing": ("ClusterDownError", ConnectionError, True),
    b"-MOVED 3999 127.0.0.1:6381": ("CrossSlotError", ValueError, False),
    b"-CROSSSLOT Keys in request don't hash to the same slot": ("CrossSlotError", ValueError, False),
    b"-ERR something nobody has heard of": ("ResponseError", Exception, False),
    b"-": ("ResponseError", Exception, False),
}
CALLS: dict[str, tuple[str, Callable[[Any], Awaitable[Any]]]] = {
    "get_by_id": ("GET", lambda kv: kv.get_by_id("a")),
    "get_by_ids": ("MGET", lambda kv: kv.get_by_ids(["a", "b"])),
    "filter_keys": ("EXISTS", lambda kv: kv.filter_keys(["a"])),
    "upsert": ("SET", lambda kv: kv.upsert({"a": 1})),
    "upsert of two": ("MSET", lambda kv: kv.upsert({"a": 1, "b": 2})),
    "delete_by_id": ("DEL", lambda kv: kv.delete_by_id("a")),
    "all_keys": ("SCAN", lambda kv: kv.all_keys()),
    "drop": ("SCAN", lambda kv: kv.drop()),
}


@pytest.mark.parametrize(
    "answer", ANSWERS, ids=lambda answer: answer[1:].split(b" ")[0].decode() or "nothing"
)
async def test_an_error_reply_is_the_right_exception_and_tried_again_only_if_that_helps(
    answer: bytes,
) -> None:
    name, builtin, is_retried = ANSWERS[answer]
    for call_name, (command, call) in CALLS.items():
        with ScriptedServer(answering({command: answer + b"\r\n"})) as server:
            kv = storage(server.url, **QUICK_RETRIES)
            with pytest.raises(builtin) as caught:
                await asyncio.wait_for(call(kv), 5.0)
            await kv.aclose()
            tries = sum(words[0] == command.encode() for words in server.heard)
            assert server.accepted == 1, "an error reply is an answer: the connection is kept"
        assert type(caught.value) is getattr(errors, name), call_name
        assert answer[1:].decode() in str(caught.value)
        assert call_name.split()[0] in str(caught.value)
        assert tries == (4 if is_retried else 1), call_name


@pytest.mark.parametrize("where", ["MULTI", "SETEX", "EXEC"])
async def test_an_error_anywhere_in_a_transaction_fails_the_batch(where: str) -> None:
    table = dict.fromkeys(["MULTI", "SETEX", "EXEC"], b"+OK\r\n")
    table["EXEC"] = b"*2\r\n+OK\r\n+OK\r\n"
    table[where] = b"-OOM command not allowed\r\n"
    with ScriptedServer(answering(table)) as server:
        kv = storage(server.url, redis_ttl={"text_chunks": 60}, **NO_PATIENCE)
        with pytest.raises(errors.OutOfMemoryError):
            await kv.upsert({"a": 1, "b": 2})
        assert await kv.ping()
        await kv.aclose()


async def test_an_error_inside_the_answer_of_a_transaction_fails_the_batch() -> None:
    table = {
        "MULTI": b"+OK\r\n",
        "SETEX": b"+QUEUED\r\n",
        "EXEC": b"*2\r\n+OK\r\n-OOM command not allowed\r\n",
    }
    with ScriptedServer(answering(table)) as server:
        kv = storage(server.url, redis_ttl={"text_chunks": 60}, **NO_PATIENCE)
        with pytest.raises(errors.OutOfMemoryError):
            await kv.upsert({"a": 1, "b": 2})
        await kv.aclose()


async def test_a_transaction_that_the_server_gave_up_is_an_error() -> None:
    table = {"MULTI": b"+OK\r\n", "SETEX": b"+QUEUED\r\n", "EXEC": b"*-1\r\n"}
    with ScriptedServer(answering(table)) as server:
        kv = storage(server.url, redis_ttl={"text_chunks": 60}, **NO_PATIENCE)
        with pytest.raises(errors.RedisKVError):
            await kv.upsert({"a": 1, "b": 2})
        await kv.aclose()


async def test_a_replica_of_a_real_server_is_read_only(start_server: Callable[..., Server]) -> None:
    primary = start_server("redis", "--repl-diskless-sync-delay", "0")
    async with storage(primary.url) as kv:
        await kv.upsert({"a": 1})
    replica = start_server("redis", "--replicaof", "127.0.0.1", str(primary.port))
    async with storage(replica.url) as kv:
        for _ in range(100):
            if await kv.get_by_id("a") == 1:
                break
            await asyncio.sleep(0.05)
        with pytest.raises(errors.ReadOnlyError, match="point redis_url at the primary"):
            await kv.upsert({"a": 2})
        assert await kv.get_by_id("a") == 1


# --- values --------------------------------------------------------------------------------------------

CORRUPT = [
    b"",
    b"{",
    b'{"a": 1',
    b"nul",
    b"{'a': 1}",
    b"\x00\x01",
    b'"\xff"',
    b"[1,]",
    b"1 2",
    b'{"a":1}}',
    b"\xef\xbb\xbf1",
]


@pytest.mark.parametrize("value", CORRUPT, ids=repr)
async def test_a_corrupt_value_is_an_error_that_names_its_key(redis_server: Server, value: bytes) -> None:
    redis_server.wipe()
    with contextlib.closing(redis_server.client()) as client:
        client.set("nano_graphrag:text_chunks:bad", value)
    async with storage(redis_server.url) as kv:
        await kv.upsert({"good": 1})
        for call in (kv.get_by_id("bad"), kv.get_by_ids(["good", "bad"]), kv.get_by_ids(["bad"], {"a"})):
            with pytest.raises(CorruptValueError, match="nano_graphrag:text_chunks:bad"):
                await call
        assert (await kv.get_stats())["values"]["corrupt"] == 3
        assert await kv.get_by_id("good") == 1
        assert await kv.filter_keys(["bad"]) == set()


async def test_a_batch_whose_last_value_cannot_be_stored_leaves_the_server_untouched(
    redis_server: Server,
) -> None:
    redis_server.wipe()
    batch: dict[str, Any] = {f"id-{n}": {"text": "x" * 2000} for n in range(5000)}
    bad: dict[str, tuple[Any, type[Exception], str]] = {
        "a cycle": ((lambda cycle: cycle.append(cycle) or cycle)([]), EncodeError, r"'last'.*\$"),
        "a key": ({"deep": [{"er": {(1, 2): 3}}]}, EncodeError, r"'last'.*\$\.deep\[0\]\.er"),
        "a size": ({"text": "x" * 3_000_000}, ValueTooLargeError, "'last'"),
    }
    async with storage(redis_server.url, redis_max_value_bytes="2MB", redis_max_atomic_bytes="1MB") as kv:
        for value, error_class, text in bad.values():
            with pytest.raises(error_class, match=text):
                await kv.upsert({**batch, "last": value})
            assert await kv.all_keys() == []
        with pytest.raises(EncodeError, match="surrogate"):
            await kv.upsert({**batch, "last\udc80": 1})
        with pytest.raises(TypeError, match="an id must be str, not int"):
            await kv.upsert({**batch, 7: 1})
        assert await kv.all_keys() == []
    assert redis_server.calls("mset") == redis_server.calls("set") == 0


async def test_keys_of_other_types_are_errors_not_absences(redis_server: Server) -> None:
    redis_server.wipe()
    with contextlib.closing(redis_server.client()) as client:
        client.lpush("nano_graphrag:text_chunks:list", "x")
        client.hset("nano_graphrag:text_chunks:hash", "k", "v")
    async with storage(redis_server.url) as kv:
        await kv.upsert({"a": 1})
        for call in (
            kv.get_by_id("list"),
            kv.get_by_ids(["a", "hash"]),
            kv.get_by_ids(["list", "hash"], {"n"}),
        ):
            with pytest.raises(WrongTypeError, match="another program uses this key"):
                await call
        assert await kv.filter_keys(["list", "x"]) == {"x"}


async def test_a_walk_touches_none_of_two_hundred_thousand_foreign_keys(
    redis_server: Server, figure: Figure
) -> None:
    redis_server.wipe()
    with contextlib.closing(redis_server.client()) as client:
        for start in range(0, 200_000, 20_000):
            client.mset({f"foreign:{n}": "x" for n in range(start, start + 20_000)})
        client.mset(
            {
                "nano_graphrag:text_chunks": "1",
                "nano_graphrag:text_chunksx:a": "2",
                "anano_graphrag:text_chunks:a": "3",
            }
        )
        async with storage(redis_server.url) as kv:
            await kv.upsert({f"id-{n}": n for n in range(3000)})
            ids = await kv.all_keys()
            assert sorted(ids) == sorted(f"id-{n}" for n in range(3000))
            await kv.drop()
            assert await kv.all_keys() == []
        figure("foreign keys missing", 200_003 - client.dbsize())
        assert client.dbsize() == 200_003
    redis_server.wipe()


# --- rights --------------------------------------------------------------------------------------------

LEAST = "+get +mget +exists +set +mset +setex +multi +exec +del +unlink +scan +getex +ping +client|setname"


async def test_least_rights_are_enough_and_told_once(
    start_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    """INFO, CONFIG and BGSAVE are refused, as managed services do: one line, then silence."""
    server = start_server("redis", acl=f"user default off\nuser kv on >secret ~nano_graphrag:* {LEAST}\n")
    with caplog.at_level(logging.INFO, "nano_graphrag_redis"):
        kv = storage(f"redis://kv:secret@127.0.0.1:{server.port}", redis_bgsave_interval=0)
        for n in range(20):
            await kv.upsert({"a": n, "b": n})
            await kv.index_done_callback()
            assert await kv.get_by_id("a") == n
        assert await kv.delete_by_id("a")
        assert await kv.all_keys() == ["b"]
        assert await kv.check_health()
        await kv.drop()
        assert (await kv.get_stats())["durability"]["reached"] == "none"
        await kv.aclose()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1, lines
    assert "durability is none" in lines[0]


async def test_a_user_without_ping_and_setname_works(start_server: Callable[..., Server]) -> None:
    server = start_server("redis", acl="user default off\nuser kv on >secret ~nano_graphrag:* +get +set\n")
    async with storage(f"redis://kv:secret@127.0.0.1:{server.port}", redis_health_check_interval=0.05) as kv:
        assert await kv.ping() is True
        assert await kv.check_health() is True
        assert await kv._redis_client.ping() is True
        await kv.upsert({"a": 1})
        await asyncio.sleep(0.2)
        assert await kv.get_by_id("a") == 1
        with pytest.raises(errors.NoPermissionError, match="ACL SETUSER"):
            await kv.delete_by_id("a")
        with pytest.raises(errors.NoPermissionError):
            await kv.all_keys()
        assert (await kv.get_stats())["connections"]["opened"] == 1


async def test_answers_of_one_storage_do_not_reach_one_with_another_password(
    start_server: Callable[..., Server],
) -> None:
    server = start_server("redis", password="right")
    good = storage(server.url)
    await good.upsert({"a": 1})
    bad = storage(server.url.replace("right", "wrong"), **NO_PATIENCE)
    with pytest.raises(errors.AuthenticationError):
        await bad.get_by_id("a")
    assert await good.get_by_id("a") == 1
    await good.aclose()
    await bad.aclose()


async def test_a_value_that_is_half_a_document_by_a_cut_reply_is_never_returned() -> None:
    with ScriptedServer(answering({"GET": bulk(b'{"a": [1, 2')})) as server:
        async with storage(server.url) as kv:
            with pytest.raises(CorruptValueError):
                await kv.get_by_id("a")


@pytest.mark.not_sanitized(reason="every byte of 1.5 GB has its shadow looked at: ten minutes")
def test_a_document_of_five_hundred_megabytes_is_read(
    start_server: Callable[..., Server], figure: Figure
) -> None:
    code = """
    import asyncio, resource, sys
    from storages import storage

    async def main():
        text = "x" * (500 * 1024 * 1024)
        async with storage(sys.argv[1], redis_socket_timeout=30) as kv:
            await kv.upsert({"large": text, "small": 1})
            assert await kv.get_by_id("large") == text
            assert await kv.get_by_id("small") == 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(peak)
        assert peak < 1900, f"{peak} MiB: the text, its JSON or reply, the answer, and no copy more"

    asyncio.run(main())
    """
    ended = run(code, start_server().url)
    ended.assert_silent()
    figure("peak memory of the process, two copies of the text among it", int(ended.out), "MiB")
