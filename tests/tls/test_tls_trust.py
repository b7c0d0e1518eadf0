"""Which servers are believed to be who they claim to be, and what is said of the others."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import HERE, Authority, Identity
from scripted import answering, bulk
from storages import storage
from tls_servers import TlsScriptedServer, server_context

from nano_graphrag_redis.errors import TlsError

NAMED = answering({"GET": bulk(b"7")})
DAY = timedelta(days=1)


async def first_answer(identity: Identity, host: str = "127.0.0.1", **settings: Any) -> Any:
    """What a storage gets from a server with this certificate. A refusal is final: there is no second attempt."""
    with TlsScriptedServer(NAMED, server_context(identity)) as server:
        kv = storage(f"rediss://{host}:{server.port}", **{"redis_connection_timeout": 3.0, **settings})
        try:
            return await kv.get_by_id("a")
        finally:
            assert server.accepted == 1
            assert bool(server.heard) is (kv._initialized), "a server that is refused must not hear a word"
            await kv.aclose()


def refused(because: str) -> Any:
    return pytest.raises(TlsError, match=f"the server's certificate is refused: {because}")


async def test_a_server_whose_authority_is_given_is_trusted(authority: Authority, identity: Identity) -> None:
    assert await first_answer(identity, redis_ssl_ca_certs=authority.cert) == 7


async def test_an_unknown_authority_is_refused(authority: Authority, stranger: Authority) -> None:
    with refused("unable to get local issuer certificate") as caught:
        await first_answer(stranger.issue(*HERE), redis_ssl_ca_certs=authority.cert)
    assert "redis_ssl_ca_certs" in str(caught.value)


async def test_without_a_file_the_system_decides(
    authority: Authority, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused("unable to get local issuer certificate"):
        await first_answer(identity)
    monkeypatch.setenv("SSL_CERT_FILE", authority.cert)
    assert await first_answer(identity) == 7


async def test_a_file_may_hold_several_authorities(
    authority: Authority, stranger: Authority, identity: Identity, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_text(Path(stranger.cert).read_text() + Path(authority.cert).read_text())
    assert await first_answer(identity, redis_ssl_ca_certs=both) == 7
    assert await first_answer(stranger.issue(*HERE), redis_ssl_ca_certs=both) == 7


@pytest.mark.parametrize(
    ("since", "until", "because"),
    [(-2 * DAY, -DAY, "certificate has expired"), (DAY, 2 * DAY, "certificate is not yet valid")],
)
async def test_a_certificate_is_valid_in_its_time_only(
    authority: Authority, since: timedelta, until: timedelta, because: str
) -> None:
    with refused(because):
        await first_answer(
            authority.issue(*HERE, since=since, until=until), redis_ssl_ca_certs=authority.cert
        )


# --- names and addresses ---------------------------------------------------------------------------------

RIGHT = [
    ("localhost", ("localhost",)),
    ("LocalHost", ("localhost",)),
    ("127.0.0.1", ("127.0.0.1",)),
    ("127.0.0.1", ("10.9.8.7", "127.0.0.1")),
    ("one.example.test", ("*.example.test",)),
]
WRONG = [
    ("localhost", ("elsewhere.test",), "hostname mismatch"),
    ("localhost", ("127.0.0.1",), "hostname mismatch"),
    ("127.0.0.1", ("10.9.8.7",), "IP address mismatch"),
    ("127.0.0.1", ("localhost",), "IP address mismatch"),
    ("one.example.test", ("o*.example.test",), "hostname mismatch"),
    ("two.one.example.test", ("*.example.test",), "hostname mismatch"),
    ("example.test.evil.test", ("example.test",), "hostname mismatch"),
]


@pytest.mark.parametrize(("host", "named"), RIGHT)
async def test_a_certificate_that_names_the_host_is_right(
    authority: Authority, every_name_is_here: Callable[[], None], host: str, named: tuple[str, ...]
) -> None:
    every_name_is_here()
    assert await first_answer(authority.issue(*named), host, redis_ssl_ca_certs=authority.cert) == 7


@pytest.mark.parametrize(("host", "named", "because"), WRONG)
async def test_a_certificate_for_another_host_is_refused(
    authority: Authority, every_name_is_here: Callable[[], None], host: str, named: tuple[str, ...], because: str
) -> None:
    every_name_is_here()
    with refused(because) as caught:
        await first_answer(authority.issue(*named), host, redis_ssl_ca_certs=authority.cert)
    assert f"rediss://{host}:" in str(caught.value)


async def test_a_common_name_does_not_make_an_address(authority: Authority) -> None:
    with refused("IP address mismatch"):
        await first_answer(
            authority.issue("elsewhere.test", common_name="127.0.0.1"), redis_ssl_ca_certs=authority.cert
        )


# --- less than everything --------------------------------------------------------------------------------


async def test_without_the_host_check_any_host_will_do_but_not_any_authority(
    authority: Authority, stranger: Authority
) -> None:
    settings = {"redis_ssl_ca_certs": authority.cert, "redis_ssl_check_hostname": False}
    assert await first_answer(authority.issue("elsewhere.test"), **settings) == 7
    with refused("unable to get local issuer certificate"):
        await first_answer(stranger.issue(*HERE), **settings)


async def test_cert_reqs_none_takes_whoever_answers(stranger: Authority) -> None:
    identity = stranger.issue("elsewhere.test", since=-2 * DAY, until=-DAY)
    assert await first_answer(identity, redis_ssl_cert_reqs="none") == 7


async def test_cert_reqs_optional_verifies_what_is_there(authority: Authority, stranger: Authority) -> None:
    """A server always shows a certificate, so that for a client "optional" is as strict as "required"."""
    settings = {"redis_ssl_ca_certs": authority.cert, "redis_ssl_cert_reqs": "optional"}
    assert await first_answer(authority.issue(*HERE), **settings) == 7
    with refused("unable to get local issuer certificate"):
        await first_answer(stranger.issue(*HERE), **settings)
    with refused("IP address mismatch"):
        await first_answer(authority.issue("localhost"), **settings)


# --- the name the server is asked for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "sent"), [("localhost", "localhost"), ("one.example.test", "one.example.test"), ("127.0.0.1", None)]
)
async def test_a_name_is_sent_to_the_server_and_an_address_is_not(
    authority: Authority, every_name_is_here: Callable[[], None], host: str, sent: str | None
) -> None:
    every_name_is_here()
    asked: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    context = server_context(authority.issue("localhost", "one.example.test", "127.0.0.1"))
    context.sni_callback = note
    with TlsScriptedServer(NAMED, context) as server:
        kv = storage(f"rediss://{host}:{server.port}", redis_ssl_ca_certs=authority.cert)
        assert await kv.get_by_id("a") == 7
        await kv.aclose()
    assert asked == [sent]
