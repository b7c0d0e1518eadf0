"""Redis part: a server that is away is an error within the bound, never an absent record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted import Peer, ScriptedServer, answering
from servers import Server
from subject import NO_PATIENCE, OUTAGE

pytestmark = pytest.mark.redis_part

CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv: kv.get_by_id("a"),
    "get_by_ids": lambda kv: kv.get_by_ids(["a", "b"]),
    "get_by_ids with fields": lambda kv: kv.get_by_ids(["a", "b"], fields={"n"}),
    "filter_keys": lambda kv: kv.filter_keys(["a", "b"]),
    "all_keys": lambda kv: kv.all_keys(),
    "upsert": lambda kv: kv.upsert({"a": {"n": 2}}),
    "delete_by_id": lambda kv: kv.delete_by_id("a"),
    "drop": lambda kv: kv.drop(),
}
WITHIN = (
    1.0 + 1.0
)  # one try, half a second to connect and half a second of silence, and a second for a busy machine


async def outcomes(kv: Any) -> dict[str, Any]:
    """What each kind of call answers or raises, all called at once."""
    started = time.monotonic()
    results = await asyncio.gather(*[call(kv) for call in CALLS.values()], return_exceptions=True)
    assert time.monotonic() - started < WITHIN
    return dict(zip(CALLS, results, strict=True))


def assert_all_raise(
    outcomes: dict[str, Any], kind: type[BaseException] | tuple[type[BaseException], ...]
) -> None:
    answered = {name: result for name, result in outcomes.items() if not isinstance(result, kind)}
    assert not answered, f"these calls should have raised {kind}"


# --- away ----------------------------------------------------------------------------------------------


async def test_a_server_that_was_never_there_is_an_error(make_kv: Any, own_server: Server) -> None:
    own_server.stop()
    assert_all_raise(await outcomes(make_kv(redis_url=own_server.url, **NO_PATIENCE)), OUTAGE)


async def test_a_server_that_died_is_an_error(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, **NO_PATIENCE)
    await kv.upsert({"a": {"n": 1}})
    own_server.kill()
    assert_all_raise(await outcomes(kv), OUTAGE)


async def test_a_server_that_is_silent_is_an_error(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, **NO_PATIENCE)
    await kv.upsert({"a": {"n": 1}})
    with own_server.frozen():
        assert_all_raise(await outcomes(kv), OUTAGE)


async def test_a_silent_server_is_an_error_on_the_first_call_too(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, **NO_PATIENCE)
    with own_server.frozen():
        assert_all_raise(await outcomes(kv), OUTAGE)


async def test_a_peer_that_hangs_up_at_once_is_an_error(make_kv: Any) -> None:
    with ScriptedServer(Peer.close) as server:
        assert_all_raise(await outcomes(make_kv(redis_url=server.url, **NO_PATIENCE)), OUTAGE)


async def test_a_peer_that_speaks_another_protocol_is_an_error(make_kv: Any) -> None:
    def web_server(peer: Peer) -> None:
        peer.read_command()
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with ScriptedServer(web_server) as server:
        assert_all_raise(await outcomes(make_kv(redis_url=server.url, **NO_PATIENCE)), OUTAGE)


async def test_a_server_that_still_loads_is_an_error(make_kv: Any) -> None:
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    names = (
        "PING",
        "GET",
        "MGET",
        "EXISTS",
        "SCAN",
        "SET",
        "MSET",
        "SETEX",
        "MULTI",
        "EXEC",
        "DEL",
        "UNLINK",
    )
    with ScriptedServer(answering(dict.fromkeys(names, loading))) as server:
        assert_all_raise(await outcomes(make_kv(redis_url=server.url, **NO_PATIENCE)), OUTAGE)


async def test_awaiting_the_storage_finds_an_outage(make_kv: Any, own_server: Server) -> None:
    own_server.stop()
    with pytest.raises(OUTAGE):
        await make_kv(redis_url=own_server.url, **NO_PATIENCE)


async def test_health_is_false_in_an_outage_and_true_again(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, **NO_PATIENCE)
    assert await kv.check_health() is True
    own_server.stop()
    assert await kv.check_health() is False
    own_server.start()
    assert await kv.check_health() is True


# --- back again ----------------------------------------------------------------------------------------


async def test_the_storage_recovers_when_the_server_restarts(
    make_kv: Any, subject: Any, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, "--appendfsync", "always", appendonly=True)
    kv = make_kv(redis_url=server.url, **NO_PATIENCE)
    await kv.upsert({"a": {"n": 1}})
    server.kill()
    with pytest.raises(OUTAGE):
        await kv.get_by_id("a")
    server.start()
    assert await kv.get_by_id("a") == {"n": 1}


async def test_the_storage_recovers_when_a_silent_server_answers(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, **NO_PATIENCE)
    await kv.upsert({f"id-{n}": n for n in range(20)})
    with own_server.frozen(), pytest.raises(OUTAGE):
        await kv.get_by_id("id-0")
    answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(20)])
    assert answers == list(range(20)), "late answers must not reach later calls"


async def test_a_short_outage_is_bridged_by_retries(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, redis_retry_attempts=8, redis_retry_base=0.1, redis_retry_cap=0.4)
    await kv.upsert({"a": {"n": 1}})
    own_server.stop()
    asyncio.get_running_loop().call_later(0.3, own_server.start, False)
    assert await kv.get_by_id("a") is None, "the restarted server is empty: it keeps nothing on disk"


async def test_a_cancelled_call_does_not_disturb_the_next(make_kv: Any, own_server: Server) -> None:
    kv = make_kv(redis_url=own_server.url, redis_max_connections=1)
    await kv.upsert({f"id-{n}": n for n in range(10)})
    own_server.freeze()
    calls = [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(10)]
    await asyncio.sleep(0.05)
    for call in calls[::2]:
        call.cancel()
    own_server.thaw()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[1::2] == [1, 3, 5, 7, 9]
    assert [await kv.get_by_id(f"id-{n}") for n in range(10)] == list(range(10))


# --- refusals ------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_a_permission_error_that_does_not_show_it(
    make_kv: Any, subject: Any, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, password="the right one")
    address = f"redis://127.0.0.1:{server.port}"
    kv = make_kv(redis_url=address, redis_password="canary/4711", **NO_PATIENCE)
    results = await outcomes(kv)
    assert_all_raise(results, PermissionError)
    assert "canary" not in f"{kv!r} {results} {[str(result) for result in results.values()]}"


async def test_a_missing_password_is_a_permission_error(
    make_kv: Any, subject: Any, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, password="the right one")
    kv = make_kv(redis_url=f"redis://127.0.0.1:{server.port}", **NO_PATIENCE)
    assert_all_raise(await outcomes(kv), PermissionError)


@pytest.mark.parametrize("place", ["url", "setting"])
async def test_a_password_of_special_characters_opens(
    make_kv: Any, subject: Any, start_server: Callable[..., Server], place: str
) -> None:
    server = start_server(subject.flavour, password="p@ss:w/o?r#d %41&+='\"[é]")
    address = {"redis_url": server.url}
    if place == "setting":
        address = {"redis_url": f"redis://127.0.0.1:{server.port}", "redis_password": server.password}
    kv = make_kv(**address)
    await kv.upsert({"a": 1})
    assert await kv.get_by_id("a") == 1


async def test_a_command_that_the_acl_forbids_is_a_permission_error(
    make_kv: Any, subject: Any, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour, acl="user default on nopass ~* &* +@all -get -mget\n")
    kv = make_kv(redis_url=server.url, **NO_PATIENCE)
    await kv.upsert({"a": 1})
    with pytest.raises(PermissionError):
        await kv.get_by_id("a")
    assert await kv.filter_keys(["a", "b"]) == {"b"}


async def test_a_full_server_refuses_writes_and_still_answers(
    make_kv: Any, subject: Any, start_server: Callable[..., Server]
) -> None:
    server = start_server(subject.flavour)
    kv = make_kv(redis_url=server.url, **NO_PATIENCE)
    await kv.upsert({"a": 1})
    with server.client() as client:
        client.config_set("maxmemory", 1)
    with pytest.raises(OSError, match=r"OOM|memory"):
        await kv.upsert({"b": 2})
    assert await kv.get_by_ids(["a", "b"]) == [1, None]
