"""Our own certificate, where the server asks for one, and the files that settings name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import HERE, Authority, Identity
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fresh import run
from scripted import answering, bulk
from storages import storage
from tls_servers import TlsScriptedServer, TlsServer, server_context

from nano_graphrag_redis.errors import ConfigurationError, TlsError

Trusting = Callable[..., Any]
STRICT = ("--tls-auth-clients", "yes", "--tls-protocols")


@pytest.fixture(scope="module", params=["TLSv1.2", "TLSv1.3"])
def strict(request: pytest.FixtureRequest, authority: Authority, identity: Identity) -> Iterator[TlsServer]:
    """A server that talks to those alone whom our authority has signed."""
    with TlsServer(identity, authority.cert, *STRICT, request.param) as server:
        yield server


def ours(identity: Identity) -> dict[str, str]:
    return {"redis_ssl_certfile": identity.cert, "redis_ssl_keyfile": identity.key}


async def test_a_client_certificate_is_shown(strict: TlsServer, trusting: Trusting, authority: Authority) -> None:
    async with trusting(strict.url, **ours(authority.issue())) as kv:
        await kv.upsert({"a": 1})
        assert await kv.get_by_id("a") == 1


async def test_certificate_and_key_may_share_a_file(
    strict: TlsServer, trusting: Trusting, authority: Authority, tmp_path: Path
) -> None:
    identity, both = authority.issue(), tmp_path / "both.pem"
    both.write_bytes(Path(identity.key).read_bytes() + Path(identity.cert).read_bytes())
    async with trusting(strict.url, redis_ssl_certfile=both) as kv:
        assert await kv.ping() is True


async def test_a_missing_client_certificate_is_an_error_of_tls(strict: TlsServer, trusting: Trusting) -> None:
    """TLS 1.3 says so only after its handshake, in answer to the first command; the outcome is the same."""
    for _ in range(50):  # the server may have refused and closed before the first command is written, or after
        kv = trusting(strict.url, redis_retry_attempts=0)
        with pytest.raises(TlsError, match=r"certificate required|handshake failure") as caught:
            await kv.get_by_id("a")
        assert "redis_ssl_certfile" in str(caught.value)
        await kv.aclose()


async def test_a_client_certificate_of_a_stranger_is_refused_by_the_server(
    strict: TlsServer, trusting: Trusting, stranger: Authority
) -> None:
    kv = trusting(strict.url, **ours(stranger.issue()))
    started = time.monotonic()
    with pytest.raises(TlsError, match="unknown ca"):
        await kv.get_by_id("a")
    assert time.monotonic() - started < 0.5, "what cannot get better is not tried again"
    await kv.aclose()


# --- files that cannot be used ---------------------------------------------------------------------------


def garbage(folder: Path) -> str:
    (folder / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nnothing of the kind\n")
    return str(folder / "garbage.pem")


def empty(folder: Path) -> str:
    (folder / "empty.pem").write_bytes(b"")
    return str(folder / "empty.pem")


def missing(folder: Path) -> str:
    return str(folder / "missing.pem")


def directory(folder: Path) -> str:
    return str(folder)


def loop(folder: Path) -> str:
    """Unreadable for everybody, root included."""
    (folder / "loop.pem").symlink_to("loop.pem")
    return str(folder / "loop.pem")


UNUSABLE = {
    "garbage": (garbage, r"it must hold .* in PEM form"),
    "empty": (empty, r"it must hold .* in PEM form"),
    "missing": (missing, r"No such file or directory"),
    "unreadable": (loop, r"Too many levels of symbolic links"),
    "directory": (directory, r"Is a directory"),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("setting", ["redis_ssl_ca_certs", "redis_ssl_certfile", "redis_ssl_keyfile"])
async def test_a_file_that_cannot_be_used_is_named(
    tls_server: TlsServer, authority: Authority, tmp_path: Path, setting: str, case: str
) -> None:
    make, fact = UNUSABLE[case]
    file = make(tmp_path)
    settings = {"redis_ssl_ca_certs": authority.cert, **ours(authority.issue()), setting: file}
    kv = storage(tls_server.url, **settings)
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match=fact) as caught:
        await kv.get_by_id("a")
    assert setting in str(caught.value)
    assert f"{file[-60:]} cannot be used" in str(caught.value)
    assert time.monotonic() - started < 0.5, "a wrong setting does not heal: no second try"
    await kv.aclose()


async def test_the_reason_is_told_even_when_the_path_is_long(tls_server: TlsServer, tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 200) / ("e" * 200)
    folder.mkdir(parents=True)
    kv = storage(tls_server.url, redis_ssl_ca_certs=folder / "authority.pem")
    with pytest.raises(ConfigurationError, match="No such file or directory") as caught:
        await kv.get_by_id("a")
    assert "redis_ssl_ca_certs" in str(caught.value)
    assert "authority.pem" in str(caught.value)
    await kv.aclose()


def key_of_another_kind(authority: Authority, folder: Path) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    file = folder / "ed25519.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(file)


def key_of_the_same_kind(authority: Authority, folder: Path) -> str:
    return authority.issue().key


@pytest.mark.parametrize("other", [key_of_the_same_kind, key_of_another_kind])
async def test_the_key_of_another_certificate_is_refused(
    tls_server: TlsServer, authority: Authority, tmp_path: Path, other: Callable[[Authority, Path], str]
) -> None:
    identity = Identity(authority.issue().cert, other(authority, tmp_path))
    kv = storage(tls_server.url, redis_ssl_ca_certs=authority.cert, **ours(identity))
    with pytest.raises(ConfigurationError) as caught:
        await kv.get_by_id("a")
    assert f"{identity.key} cannot be used: it is not the key of redis_ssl_certfile" in str(caught.value)
    await kv.aclose()


ASKS = """
    import asyncio, sys, time
    from nano_graphrag_redis import RedisKVStorage
    from nano_graphrag_redis.errors import ConfigurationError

    async def main(url, cert, key):
        settings = {"redis_url": url, "redis_ssl_certfile": cert, "redis_ssl_keyfile": key}
        try:
            await RedisKVStorage("text_chunks", settings).get_by_id("a")
        except ConfigurationError as error:
            print(error)

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("old_format", [False, True])
def test_a_key_with_a_passphrase_is_refused_without_a_prompt(
    tls_server: TlsServer, authority: Authority, old_format: bool
) -> None:
    identity = authority.issue(passphrase="a passphrase", old_format=old_format)
    ended = run(ASKS, tls_server.url, identity.cert, identity.key, within=10.0)
    assert ended.code == 0
    assert f"{identity.key[-60:]} cannot be used: it has a passphrase" in ended.out
    assert "Enter" not in ended.out + ended.err, "nobody is asked"


# --- when files change -----------------------------------------------------------------------------------


async def test_files_put_right_after_a_failure_are_used_by_the_next_call(
    tls_server: TlsServer, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "late.pem"
    kv = storage(tls_server.url, redis_ssl_ca_certs=file)
    with pytest.raises(ConfigurationError):
        await kv.get_by_id("a")
    file.write_bytes(Path(authority.cert).read_bytes())
    assert await kv.get_by_id("a") is None
    await kv.aclose()


async def test_files_are_read_once_until_the_storage_is_closed(
    authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    """New connections of open storages go on with what was read first; after aclose() the files count again."""
    file = tmp_path / "authority.pem"
    file.write_bytes(Path(authority.cert).read_bytes())
    context = server_context(authority.issue(*HERE))
    with TlsScriptedServer(answering({"GET": bulk(b"7")}), context) as server:
        kv = storage(server.url, redis_ssl_ca_certs=file)
        assert await kv.get_by_id("a") == 7
        file.write_bytes(Path(stranger.cert).read_bytes())
        server.hang_up()
        assert await kv.get_by_id("a") == 7
        assert server.accepted == 2
        await kv.aclose()
        with pytest.raises(TlsError, match="unable to get local issuer certificate"):
            await kv.get_by_id("a")
        await kv.aclose()
