"""What TLS shares with the rest of the process: OpenSSL's error queue, forked children, logs and messages."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import HERE, Authority, Identity
from fresh import run
from relay import Relay
from scripted import ScriptedServer, answering
from storages import NO_PATIENCE, storage
from tls_servers import TlsScriptedServer, TlsServer, server_context

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import RedisKVError, TlsError

Trusting = Callable[..., Any]

# --- the error queue, which all users of OpenSSL in a thread share ------------------------------------------

crypto = ctypes.PyDLL(_native.__file__)  # finds the symbols of the libcrypto that the extension is linked with
crypto.ERR_peek_error.restype = ctypes.c_ulong


def poison() -> None:
    """Leaves errors behind, as a library does that looks at its return values only."""
    assert not crypto.BIO_new_file(b"/nonexistent/poison", b"r")
    assert not crypto.d2i_X509(None, ctypes.byref(ctypes.c_char_p(b"poison")), ctypes.c_long(6))
    assert crypto.ERR_peek_error() != 0


def fail_in_python() -> None:
    """A handshake of Python's ssl module that goes wrong."""
    inbox, outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    peer = context.wrap_bio(inbox, outbox, server_hostname="localhost")
    inbox.write(b"this is no TLS at all")
    with pytest.raises(ssl.SSLError):
        peer.do_handshake()


@pytest.mark.parametrize("disturb", [poison, fail_in_python])
async def test_errors_of_others_are_never_taken_for_ours(
    tls_server: TlsServer, trusting: Trusting, disturb: Callable[[], None]
) -> None:
    """They come before every step of the event loop: in the handshake, between records, before writes."""
    loop = asyncio.get_running_loop()
    is_over = False

    def again() -> None:
        disturb()
        if not is_over:
            loop.call_soon(again)

    again()
    for _ in range(5):
        async with trusting(tls_server.url, redis_retry_attempts=0, redis_max_connections=2) as kv:
            disturb()
            await kv.upsert({f"{n}": "x" * n * 1000 for n in range(60)})
            disturb()
            values = await asyncio.gather(*[kv.get_by_id(f"{n}") for n in range(60)], kv.get_by_ids(["1", "59"]))
            assert values == [*["x" * n * 1000 for n in range(60)], ["x" * 1000, "x" * 59_000]]
            assert (await kv.get_stats())["connections"]["lost"] == 0
    is_over = True


async def test_the_reason_of_a_failure_is_our_own(stranger: Authority, tmp_path: Path) -> None:
    with TlsScriptedServer(answering({}), server_context(stranger.issue(*HERE))) as server:
        kv = storage(server.url)
        poison()
        with pytest.raises(TlsError, match="unable to get local issuer certificate"):
            await kv.get_by_id("a")
        await kv.aclose()
        kv = storage(server.url, redis_ssl_ca_certs=__file__)
        poison()
        with pytest.raises(RedisKVError, match="no certificate or crl found"):
            await kv.get_by_id("a")
        await kv.aclose()


async def test_our_failures_leave_nothing_for_others(
    authority: Authority, stranger: Authority, identity: Identity
) -> None:
    """Python's ssl goes on with a handshake while ours fail in the same thread, in each way we know."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = ssl.create_default_context(cafile=authority.cert)
    client = theirs.wrap_bio(client_in, client_out, server_hostname="localhost")
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    partner = server_context(identity).wrap_bio(server_in, server_out, server_side=True)

    async def fail(url: str, **settings: Any) -> None:
        kv = storage(url, **{**NO_PATIENCE, **settings})
        with pytest.raises(RedisKVError):
            await kv.get_by_id("a")
        await kv.aclose()
        assert crypto.ERR_peek_error() == 0

    with (
        TlsScriptedServer(answering({}), server_context(stranger.issue(*HERE))) as unknown,
        ScriptedServer(lambda peer: peer.send(b"-ERR no TLS here\r\n")) as plain,
    ):
        failures = [
            (unknown.url, {"redis_ssl_ca_certs": authority.cert}),
            (unknown.url, {"redis_ssl_ca_certs": __file__}),
            (unknown.url, {"redis_ssl_certfile": identity.cert, "redis_ssl_keyfile": stranger.issue().key}),
            (plain.url.replace("redis://", "rediss://"), {}),
        ]
        for _ in range(3):  # flights of a handshake, each between failures of ours
            for url, settings in failures:
                await fail(url, **settings)
                for end in (client, partner):
                    with contextlib.suppress(ssl.SSLWantReadError):
                        end.do_handshake()
            server_in.write(client_out.read())
            client_in.write(server_out.read())
    client.do_handshake()
    client.write(b"still here")
    server_in.write(client_out.read())
    assert partner.read() == b"still here"


# --- fork ------------------------------------------------------------------------------------------------

FORKS = """
    import asyncio, gc, os, sys
    from nano_graphrag_redis import RedisKVStorage

    url, ca, way = sys.argv[1:]
    kv = RedisKVStorage("text_chunks", {"redis_url": url, "redis_ssl_ca_certs": ca})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(kv.upsert({"a": "before the fork"}))
    child = os.fork()
    if child == 0:
        if way == "uses":
            other = asyncio.new_event_loop()
            assert other.run_until_complete(kv.get_by_id("a")) == "before the fork"
            other.run_until_complete(kv.aclose())
            other.close()
        if way == "drops":
            del kv
            gc.collect()
        if way == "stops":
            os._exit(0)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert loop.run_until_complete(kv.get_by_id("a")) == "before the fork"
    stats = loop.run_until_complete(kv.get_stats())
    assert (stats["connections"]["opened"], stats["connections"]["lost"]) == (1, 0), stats
    loop.run_until_complete(kv.aclose())
    loop.close()
"""


@pytest.mark.not_sanitized(reason="in a forked child, the locks of threads that it has not count as leaks")
@pytest.mark.parametrize(("way", "connections"), [("uses", 2), ("drops", 1), ("exits", 1), ("stops", 1)])
def test_a_forked_child_leaves_the_connection_of_its_parent_alone(
    tls_server: TlsServer, authority: Authority, way: str, connections: int
) -> None:
    """A single byte from the child, such as a goodbye, would end the parent's stream."""
    with Relay(tls_server.port) as relay:
        run(FORKS, relay.url, authority.cert, way, within=20.0).assert_silent()
        assert relay.accepted == connections


# --- secrets ---------------------------------------------------------------------------------------------

CANARY = "canary-7f3a"


async def test_no_message_shows_a_password_or_a_key(
    start_tls: Callable[..., TlsServer],
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start_tls("--tls-auth-clients", "yes", password=f"not the {CANARY}")
    ours, theirs, locked = authority.issue(), stranger.issue(), authority.issue(passphrase=CANARY)
    url = server.url.replace("rediss://", "").rpartition("@")[2]
    failures: dict[str, dict[str, Any]] = {
        "unknown authority": {"redis_ssl_ca_certs": stranger.cert},
        "no certificate": {},
        "certificate of a stranger": {"redis_ssl_certfile": theirs.cert, "redis_ssl_keyfile": theirs.key},
        "key of another": {"redis_ssl_certfile": ours.cert, "redis_ssl_keyfile": theirs.key},
        "key with a passphrase": {"redis_ssl_certfile": locked.cert, "redis_ssl_keyfile": locked.key},
        "key in place of a certificate": {"redis_ssl_certfile": ours.key},
        "wrong password": {"redis_ssl_certfile": ours.cert, "redis_ssl_keyfile": ours.key},
    }
    secrets = [CANARY]
    for identity in (ours, theirs, locked):
        secrets += Path(identity.key).read_text().splitlines()[1:-1]
    said = []
    for case, settings in failures.items():
        kv = storage(f"rediss://user:{CANARY}@{url}", **{"redis_ssl_ca_certs": authority.cert, **settings})
        with pytest.raises(RedisKVError) as caught:
            await kv.get_by_id("a")
        stats = await kv.get_stats()
        said += [case, "".join(traceback.format_exception(caught.value)), repr(caught.value), repr(kv), str(stats)]
        await kv.aclose()
    shown = "\n".join([*said, caplog.text, server.log(1000)])
    assert [secret for secret in secrets if secret in shown] == []
    assert "WRONGPASS" in shown, "the last case got through to the server"
