"""A redis-server of the benchmark's own, on a free loopback port and a Unix socket, gone when the run
ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

import redis

from .endpoint import Endpoint, key
from .records import Record, encoded

Transport = Literal["tcp", "unix", "tls"]

FILL = "for i = ARGV[1], ARGV[2] do redis.call('SET', KEYS[1] .. string.format('%d', i), ARGV[3]) end"
FILL_STEP = 50_000  # a script must end before clients give up
READY_WITHIN = 15.0  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def certificates(folder: Path) -> tuple[str, list[str]]:
    """Who signs (a PEM file), and the server's options."""
    import trustme

    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    files = {name: str(folder / f"{name}.pem") for name in ("authority", "cert", "key")}
    authority.cert_pem.write_to_path(files["authority"])
    own.cert_chain_pems[0].write_to_path(files["cert"])
    own.private_key_pem.write_to_path(files["key"])
    options = ["--tls-cert-file", files["cert"], "--tls-key-file", files["key"]]
    options += ["--tls-ca-cert-file", files["authority"], "--tls-auth-clients", "no"]
    return files["authority"], options


class Admin:
    """The benchmark's own way to the rows on a server, beside the client that is measured."""

    def __init__(self, endpoint: Endpoint, path: str) -> None:
        self.endpoint = endpoint
        self.path = path  # of the Unix socket
        self.admin = redis.Redis(unix_socket_path=path, protocol=2)

    @property
    def version(self) -> str:
        return str(self.admin.info("server")["redis_version"])

    def load(self, namespace: str, rows: Mapping[str, Record]) -> None:
        self.load_encoded(namespace, ((id, encoded(row)) for id, row in rows.items()))

    def load_encoded(self, namespace: str, rows: Iterable[tuple[str, bytes]]) -> None:
        pipe = self.admin.pipeline(transaction=False)
        for id, document in rows:
            pipe.set(key(namespace, id), document)
            if len(pipe) == 500:
                pipe.execute()
        pipe.execute()

    def fill(self, namespace: str, count: int, document: bytes) -> None:
        """`count` rows with the ids 0, 1, 2 ..., made by the server itself."""
        for start in range(0, count, FILL_STEP):
            last = min(count, start + FILL_STEP) - 1
            self.admin.eval(FILL, 1, key(namespace, ""), start, last, document)

    def remove(self, namespace: str, ids: list[str]) -> None:
        if ids:
            self.admin.unlink(*(key(namespace, id) for id in ids))

    def rows(self, namespace: str, ids: list[str]) -> list[bytes | None]:
        """What is stored, byte for byte."""
        found: list[bytes | None] = list(self.admin.mget([key(namespace, id) for id in ids]))  # type: ignore[arg-type]
        return found

    def busy(self) -> float:
        """The seconds that it has spent in commands, by its own clock."""
        stats = self.admin.info("commandstats")
        return sum(stat["usec"] for name, stat in stats.items() if name != "cmdstat_info") / 1e6

    def settle(self) -> None:
        """Waits until a snapshot that somebody asked for is written: it would cost the next one time."""
        while self.admin.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.02)


class Server(Admin):
    """One redis-server process; use it as a context manager."""

    def __init__(self, transport: Transport = "tcp") -> None:
        program = shutil.which("redis-server")
        if not program:
            raise SystemExit("bench: redis-server is missing: apt-get install -y redis-server")
        self._folder = Path(tempfile.mkdtemp(prefix="ngr-bench-"))
        path = str(self._folder / "socket")
        port = free_port()
        command = [program, "--bind", "127.0.0.1", "--unixsocket", path, "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        authority = None
        if transport == "tls":
            authority, options = certificates(self._folder)
            command += ["--port", "0", "--tls-port", str(port), *options]
        else:
            command += ["--port", str(port)]
        endpoint = Endpoint(port, socket=path if transport == "unix" else None, authority=authority)
        super().__init__(endpoint, path)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Server:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                self.admin.ping()
                return self
            except redis.ConnectionError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.__exit__(None, None, None)
                    raise SystemExit("bench: redis-server did not start") from None
                time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.admin.close()
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._process.pid
