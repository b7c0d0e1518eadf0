"""The password works whatever it holds, and no log line, repr, exception, statistic or list of processes shows it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from canary import CANARY, ENCODED, all_of, is_shown_in
from figures import Figure
from fresh import run
from scripted import GREETING, Peer, Script, ScriptedServer, answering, bulk
from servers import Server, free_port
from storages import NO_PATIENCE, storage

from nano_graphrag_redis import RedisKVStorage, errors
from nano_graphrag_redis.embedded import EmbeddedServer

SPELLINGS: dict[str, Callable[[str], dict[str, str]]] = {
    "in the URL": lambda address: {"redis_url": f"redis://:{ENCODED}@{address}"},
    "in the URL, with a user": lambda address: {"redis_url": f"redis://default:{ENCODED}@{address}"},
    "as an option of the URL": lambda address: {"redis_url": f"redis://{address}?password={ENCODED}"},
    "as a setting": lambda address: {"redis_url": f"redis://{address}", "redis_password": CANARY},
}


def with_login(url: str) -> str:
    """An address whose handshake has every step."""
    return url.replace("redis://", f"redis://user:{ENCODED}@") + "/3"


# --- it works ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_password_of_every_special_character_opens_and_is_shown_nowhere(
    start_server: Callable[..., Server], caplog: pytest.LogCaptureFixture, spelling: str
) -> None:
    server = start_server("redis", password=CANARY)
    seen: list[str] = []
    with caplog.at_level(logging.DEBUG):
        kv = RedisKVStorage("text_chunks", {**SPELLINGS[spelling](f"127.0.0.1:{server.port}"), **NO_PATIENCE})
        await kv.upsert({"a": 1})
        server.stop()
        for _ in range(2):
            with pytest.raises(ConnectionError) as caught:
                await kv.get_by_id("a")
            seen.append(all_of(caught.value))
        server.start()
        await kv.ping()
        await kv.index_done_callback()
        seen += [repr(kv), str(kv), f"{kv}", repr(kv._settings), repr(kv._store), repr(kv._redis_client)]
        seen += [json.dumps(await kv.get_stats()), repr(kv._settings.connection_key()), repr(kv._keeper)]
        with contextlib.closing(server.client()) as client:
            seen.append(str(client.client_list()))
        await kv.aclose()
    seen += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) >= 2, "the log has something to tell"
    assert not [text for text in seen if is_shown_in(text)]


# --- errors --------------------------------------------------------------------------------------------


def failing_at(step: str, answer: bytes) -> Script:
    """Answers the handshake well until `step`, to which it says `answer` and hangs up."""

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0].decode() == step:
                peer.send(answer)
                return
            peer.send(b"+OK\r\n")

    return script


STEPS = ("AUTH", "SELECT", "CLIENT", "PING")
ENDS = {
    "refuses": b"-ERR no\r\n",
    "forbids": b"-NOPERM no permissions\r\n",
    "wants a login": b"-NOAUTH Authentication required.\r\n",
    "says nonsense": b"?what\r\n",
    "says too much": b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
    "is not Redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "hangs up": b"",
}
ECHOES = {  # servers that do not know AUTH, or not with two arguments, repeat what they were given
    "old": b"-ERR unknown command 'AUTH', with args beginning with: '%s',\r\n",
    "older": b"-ERR unknown command `AUTH`, with args beginning with: `user`, `%s`,\r\n",
    "odd": b"-%s\r\n",
    "odder": b"-WRONGPASS %s\r\n",
    "oddest": b"-AUTH%s\r\n",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("step", STEPS)
async def test_no_failure_of_the_handshake_shows_it(step: str, end: str) -> None:
    with ScriptedServer(failing_at(step, ENDS[end])) as server:
        kv = storage(with_login(server.url), **NO_PATIENCE)
        with pytest.raises(errors.RedisKVError) as caught:
            await kv.get_by_id("a")
        assert not is_shown_in(all_of(caught.value))
        await kv.aclose()


@pytest.mark.parametrize("echo", ECHOES)
async def test_a_server_that_repeats_the_password_is_not_quoted(
    echo: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), ScriptedServer(
        answering({"AUTH": ECHOES[echo] % CANARY.encode()})
    ) as server:
        kv = storage(with_login(server.url), **NO_PATIENCE)
        with pytest.raises(errors.AuthenticationError) as caught:
            await kv.get_by_id("a")
        assert not is_shown_in(all_of(caught.value))
        assert not is_shown_in(caplog.text)
        await kv.aclose()


@pytest.mark.parametrize("answer", [b"", b"-ERR unknown command\r\n", b"+OK\r\n" * 4], ids=["none", "error", "consent"])
async def test_a_server_without_tls_does_not_hear_it_when_tls_was_asked_for(answer: bytes) -> None:
    heard = bytearray()

    def script(peer: Peer) -> None:
        peer.send(answer)
        while data := peer._stream.read1(65536):
            heard.extend(data)

    with ScriptedServer(script) as server:
        kv = storage(with_login(server.url).replace("redis://", "rediss://"), **NO_PATIENCE)
        with pytest.raises((ConnectionError, TimeoutError)):
            await kv.get_by_id("a")
        await kv.aclose()
    assert heard[:1] == b"\x16", "a TLS handshake"
    assert not is_shown_in(heard.decode("latin-1"))


FAILURES: dict[str, tuple[dict[str, bytes], Callable[[Any], Awaitable[Any]]]] = {
    "a corrupt value": ({"GET": bulk(b"{no json")}, lambda kv: kv.get_by_id("a")),
    "another type": ({"GET": b"-WRONGTYPE Operation\r\n"}, lambda kv: kv.get_by_id("a")),
    "a protocol error": ({"GET": b"?\r\n"}, lambda kv: kv.get_by_id("a")),
    "a large value": ({"GET": b"$999999999999\r\n"}, lambda kv: kv.get_by_id("a")),
    "a full server": ({"SET": b"-OOM command not allowed\r\n"}, lambda kv: kv.upsert({"a": 1})),
    "no rights": ({"DEL": b"-NOPERM no\r\n"}, lambda kv: kv.delete_by_id("a")),
    "no JSON": ({}, lambda kv: kv.upsert({"a": {(1, 2): 3}})),
    "an id that is no str": ({}, lambda kv: kv.get_by_id(5)),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_no_failure_of_a_call_shows_it(failure: str) -> None:
    table, call = FAILURES[failure]
    with ScriptedServer(answering(table)) as server:
        kv = storage(with_login(server.url), **NO_PATIENCE)
        with pytest.raises((errors.RedisKVError, TypeError)) as caught:
            await call(kv)
        assert not is_shown_in(all_of(caught.value))
        await kv.aclose()


async def test_neither_silence_nor_closing_nor_cancelling_shows_it() -> None:
    def silent(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            if words[0] != b"GET":
                answer = GREETING[words[0].decode()]
                assert isinstance(answer, bytes)
                peer.send(answer)

    with ScriptedServer(silent) as server:
        kv = storage(with_login(server.url), **NO_PATIENCE)
        with pytest.raises(TimeoutError) as late:
            await kv.get_by_id("a")
        tasks = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(2)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        await asyncio.sleep(0)
        await kv.aclose()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[1], errors.ClosedError)
    for error in (late.value, *outcomes):
        assert isinstance(error, BaseException)
        assert not is_shown_in(all_of(error))


# --- a whole process -----------------------------------------------------------------------------------


def test_a_process_that_logs_everything_and_prints_every_object_does_not_show_it(
    start_server: Callable[..., Server], figure: Figure
) -> None:
    """asyncio's debug mode prints each callback, task and future; then all objects of the package are printed."""
    server = start_server("redis", password=CANARY)
    code = """
    import asyncio, gc, json, logging, sys, warnings
    from nano_graphrag_redis import RedisKVStorage

    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")

    def show_all():
        for thing in gc.get_objects():
            if type(thing).__module__.startswith(("nano_graphrag_redis", "asyncio", "_asyncio")):
                print(type(thing).__name__, repr(thing))

    async def main():
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.0
        kv = RedisKVStorage("text_chunks", {"redis_retry_attempts": 0})
        other = RedisKVStorage("full_docs", {})
        await kv.upsert({f"id-{n}": {"n": n} for n in range(100)})
        waiting = [asyncio.ensure_future(kv.get_by_id("id-1")) for _ in range(10)]
        await asyncio.sleep(0)
        show_all()
        await asyncio.gather(*waiting)
        await other.all_keys()
        print(json.dumps(await kv.get_stats()), vars(kv)["_settings"], kv._store, kv._redis_client)
        show_all()
        wrong = RedisKVStorage("text_chunks", {"redis_password": sys.argv[1], "redis_retry_attempts": 0})
        try:
            await wrong.ping()
        except PermissionError:
            logging.exception("refused")
        await kv.aclose()
        await other.aclose()

    asyncio.run(main(), debug=True)
    with open("/proc/self/cmdline") as file:
        print(file.read().replace(sys.argv[1], ""))
    """
    environ = {"REDIS_URL": f"redis://127.0.0.1:{server.port}", "REDIS_PASSWORD": CANARY}
    ended = run(code, "a wrong password", flags=("-X", "dev"), PYTHONASYNCIODEBUG="1", **environ)
    assert ended.code == 0, ended.err
    assert "Executing <" in ended.out, "asyncio has shown its callbacks"
    assert "Settings(" in ended.out
    assert "refused" in ended.out
    figure("characters of logs and reprs looked through", len(ended.out + ended.err))
    assert not is_shown_in(ended.out + ended.err)


def test_a_pickle_holds_the_password_so_that_a_worker_can_log_in() -> None:
    kv = storage("redis://127.0.0.1:1", redis_password=CANARY)
    assert CANARY.encode() in pickle.dumps(kv), "SECURITY.md says so"
    assert not is_shown_in(repr(pickle.loads(pickle.dumps(kv))))


# --- the command line ----------------------------------------------------------------------------------

COMMANDS: dict[str, list[str]] = {
    "version": ["--version"],
    "migrate, a look": ["migrate", "{folder}", "--dry-run"],
    "migrate": ["migrate", "{folder}", "--no-ttl"],
    "migrate again": ["migrate", "{folder}", "--overwrite"],
    "export": ["export", "{folder}/out", "--overwrite"],
    "enable": ["enable", "--status"],
    "run": ["run", sys.executable, "-c", "print(open('/proc/self/cmdline').read())"],
    "run nothing": ["run", "no-such-program"],
    "a wrong option": ["export", "{folder}/out", "--no-such-option"],
    "a misspelt option": ["export", "{folder}/out", "--redis-ulr", "{url}"],
    "the option": ["migrate", "{folder}", "--dry-run", "--redis-url", "{url}"],
}


@pytest.mark.parametrize("is_up", [True, False], ids=["server up", "server down"])
def test_no_command_shows_it(start_server: Callable[..., Server], tmp_path: Path, is_up: bool) -> None:
    (tmp_path / "kv_store_full_docs.json").write_text(json.dumps({"doc-1": {"content": "x"}}))
    port = start_server("redis", password=CANARY).port if is_up else free_port()
    url = f"redis://:{ENCODED}@127.0.0.1:{port}"
    ways: list[tuple[list[str], dict[str, str]]] = [
        ([], {"REDIS_URL": f"redis://127.0.0.1:{port}", "REDIS_PASSWORD": CANARY}),
        (["--debug"], {"REDIS_URL": url}),
    ]
    for (debug, login), (name, words) in itertools.product(ways, COMMANDS.items()):
        arguments = [*debug, *[word.format(folder=tmp_path, url=url) for word in words]]
        done = subprocess.run(
            [sys.executable, "-m", "nano_graphrag_redis", *arguments],
            env={**os.environ, **login, "REDIS_RETRY_ATTEMPTS": "0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not is_shown_in(done.stdout + done.stderr), (name, debug)
        if name in ("migrate", "export", "the option"):
            assert (done.returncode == 0) is is_up, (name, done.stderr)


def test_run_adds_nothing_of_it_to_what_the_command_inherits() -> None:
    show = "import os; print({k: v for k, v in os.environ.items() if k not in ('REDIS_URL', 'REDIS_PASSWORD')})"
    login = {"REDIS_URL": f"redis://:{ENCODED}@h", "REDIS_PASSWORD": CANARY}
    done = subprocess.run(
        [sys.executable, "-m", "nano_graphrag_redis", "run", sys.executable, "-c", show],
        env={**os.environ, **login, "STORAGE_KV_BACKEND": "redis"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "PYTHONPATH" in done.stdout
    assert not is_shown_in(done.stdout + done.stderr)


def test_the_command_lines_of_an_embedded_server_and_its_watcher_do_not_show_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", CANARY)
    with EmbeddedServer() as server:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        lines = [Path(f"/proc/{child}/cmdline").read_text(errors="replace") for child in children]
        assert any("valkey-server" in line for line in lines), lines
        assert not is_shown_in("\n".join([*lines, repr(server), server.url]))
