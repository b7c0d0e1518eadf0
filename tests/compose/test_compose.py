"""docker-compose-redis.yml: what it says, and that its exact command and probe do what they should."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from compose_file import Container, MissingVariable, load
from scripted import GREETING, ScriptedServer, answering
from servers import READY_WITHIN, Server, raw_client

PASSWORD = "p@ss \"w'o\\rd$HOME `id` #é\n"  # every character that a shell or redis.conf might trip over


class Redis:
    """The running service, and a client that knows its password."""

    def __init__(self, folder: Path, **environment: str) -> None:
        server, cli = shutil.which("redis-server"), shutil.which("redis-cli")
        assert server, "the tests need redis-server: apt-get install -y redis-server"
        self.socket, self.log = folder / "socket", folder / "log"
        place = f"--port 0 --unixsocket {self.socket}"
        wrapped = {"redis-server": f'{server} "$@" {place}', "redis-cli": f'{cli} -s {self.socket} "$@"'}
        self.container = Container(folder, wrapped, REDIS_PASSWORD=PASSWORD, **environment)
        self.process = self.container.start(self.log)
        self.client = self.connect(password=PASSWORD)

    def connect(self, **options: object) -> redis.Redis:
        return raw_client(self.socket, **options)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(redis.ConnectionError):
                self.client.ping()
                return
            time.sleep(0.02)
        pytest.fail(f"the service did not start:\n{self.log.read_text()}")

    def close(self) -> None:
        self.client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # whatever the command has started
        self.process.wait()


@pytest.fixture
def start_service() -> Iterator[Callable[..., Redis]]:
    with tempfile.TemporaryDirectory(prefix="ngr-", dir="/tmp") as folder:
        started: list[Redis] = []

        def start(**environment: str) -> Redis:
            started.append(Redis(Path(folder), **environment))
            started[-1].wait_until_ready()
            return started[-1]

        yield start
        for service in started:
            service.close()


# --- what the file says --------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [{}, {"REDIS_PASSWORD": ""}])
def test_without_a_password_compose_stops_with_a_message(environment: dict[str, str]) -> None:
    with pytest.raises(MissingVariable, match="set REDIS_PASSWORD"):
        load(**environment)


def test_the_port_is_published_on_the_loopback_only() -> None:
    assert load(REDIS_PASSWORD="x")["services"]["redis"]["ports"] == ["127.0.0.1:6379:6379"]
    assert load(REDIS_PASSWORD="x", REDIS_PORT="7000")["services"]["redis"]["ports"] == [
        "127.0.0.1:7000:6379"
    ]


def test_data_network_and_limits_are_its_own() -> None:
    file = load(REDIS_PASSWORD="x")
    service = file["services"]["redis"]
    assert service["image"] == "redis:7-alpine"
    assert service["working_dir"] == "/data"
    assert service["volumes"] == ["data:/data"]
    assert service["networks"] == ["redis"]
    assert "data" in file["volumes"]
    assert "redis" in file["networks"]
    assert service["mem_limit"] == "4g"
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "1m"


def test_the_password_is_on_no_command_line() -> None:
    service = load(REDIS_PASSWORD="canary-4711")["services"]["redis"]
    assert "canary" not in f"{service['command']} {service['healthcheck']}"


# --- the server as the file starts it ------------------------------------------------------------------


def test_the_server_runs_with_what_the_file_asks_for(start_service: Callable[..., Redis]) -> None:
    client = start_service().client
    settings = client.config_get("*")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["save"] == "3600 1 300 100 60 10000"
    assert settings["maxmemory"] == str(2 * 1024**3)
    assert settings["maxmemory-policy"] == "volatile-lru"
    assert settings["requirepass"] == PASSWORD


def command_lines() -> str:
    """The command lines of all processes, as anybody on the machine may read them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            lines.append(path.read_bytes())
    return b"\n".join(lines).decode(errors="replace")


def test_the_running_processes_do_not_show_the_password(start_service: Callable[..., Redis]) -> None:
    service = start_service()
    shown = command_lines()
    assert str(service.socket) in shown, "the server is among them"
    assert "p@ss" not in shown
    assert "\\x70\\x40" not in shown


def test_the_server_refuses_clients_without_the_password(start_service: Callable[..., Redis]) -> None:
    service = start_service()
    with (
        contextlib.closing(service.connect()) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("key")


def test_stopping_the_container_reaches_the_server_and_keeps_the_data(
    start_service: Callable[..., Redis],
) -> None:
    """Docker signals the process it started: it has to be the server and not a shell in front of it."""
    service = start_service()
    service.client.set("nano_graphrag:full_docs:doc-1", "{}")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(10) == 0
    service.process = service.container.start(service.log)
    service.wait_until_ready()
    assert service.client.get("nano_graphrag:full_docs:doc-1") == b"{}"


def test_under_memory_pressure_documents_stay_and_answers_go(start_service: Callable[..., Redis]) -> None:
    client = start_service(REDIS_MAXMEMORY="16mb").client
    text = "x" * 10_000
    documents = {f"nano_graphrag:full_docs:{n}": text for n in range(500)}
    client.mset(documents)
    for n in range(3000):
        client.set(f"nano_graphrag:llm_response_cache:{n}", text, ex=43200)
    assert client.exists(*documents) == 500
    answers = client.dbsize() - 500
    assert 0 < answers < 3000


def test_documents_beyond_the_memory_are_an_error_and_evict_nothing(
    start_service: Callable[..., Redis],
) -> None:
    client = start_service(REDIS_MAXMEMORY="8mb").client
    written = 0
    with contextlib.suppress(redis.OutOfMemoryError):
        while client.set(f"nano_graphrag:full_docs:{written}", "x" * 10_000):
            written += 1
    assert client.dbsize() == written
    assert written > 100
    assert client.info("stats")["evicted_keys"] == 0


# --- the probe -----------------------------------------------------------------------------------------


def test_the_probe_is_healthy_when_the_server_is(start_service: Callable[..., Redis]) -> None:
    assert start_service().container.is_healthy()


def test_the_probe_fails_with_a_wrong_password(start_service: Callable[..., Redis]) -> None:
    assert not start_service().container.is_healthy(REDISCLI_AUTH="wrong")


def test_the_probe_fails_without_a_password(start_service: Callable[..., Redis]) -> None:
    """The server answers NOAUTH, and redis-cli exits with 0."""
    assert not start_service().container.is_healthy(REDISCLI_AUTH="")


def test_the_probe_fails_when_the_server_is_gone(start_service: Callable[..., Redis]) -> None:
    service = start_service()
    service.process.kill()
    service.process.wait()
    assert not service.container.is_healthy()


def probe_of(url: str, folder: Path) -> Container:
    """The file's probe, asking the server at a TCP address."""
    port = url.rpartition(":")[2]
    cli = f'{shutil.which("redis-cli")} -p {port} "$@"'
    return Container(folder, {"redis-cli": cli}, REDIS_PASSWORD="a password")


def test_the_probe_fails_while_a_server_loads_its_data(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    slow = ("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
    server = start_server("redis", *slow, password="a password")
    with contextlib.closing(server.client()) as client:
        client.mset({f"key-{n}": "x" * 200 for n in range(2000)})
        client.save()
    server.kill()
    server.start(wait=False)
    container = probe_of(f"redis://127.0.0.1:{server.port}", tmp_path)
    saw_loading = False
    deadline = time.monotonic() + READY_WITHIN
    while not (healthy := container.is_healthy()) and time.monotonic() < deadline:
        saw_loading = saw_loading or "loading" in server.log().lower()
    assert saw_loading
    assert healthy, "once loaded, it is healthy"


def test_the_probe_fails_on_any_answer_but_pong(tmp_path: Path) -> None:
    """As redis-cli prints it, LOADING is a text like any other and the exit code 0."""
    answers = dict.fromkeys(GREETING, b"-LOADING Redis is loading the dataset in memory\r\n")
    with ScriptedServer(answering(answers)) as server:
        assert not probe_of(server.url, tmp_path).is_healthy()
        assert [b"PING"] in [[word.upper() for word in words] for words in server.heard]
