"""A server that says exactly what a test tells it to: for peers that are hostile, broken, slow or silent.

It runs in threads of its own with blocking sockets, so that it goes on whatever the client's event loop
does. A script is a function called once per connection; what goes wrong in it is raised where the test
leaves the `with` block. Nothing here waits without a bound.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE = 10.0  # seconds that any one step of a script may take

Words = list[bytes]
Answer = bytes | Callable[[Words], bytes]


class Peer:
    """The server's end of one connection."""

    def __init__(self, line: socket.socket, heard: list[Words]) -> None:
        self._line = line
        self._line.settimeout(PATIENCE)
        self._stream = line.makefile("rb")
        self._heard = heard

    def read_command(self) -> Words | None:
        """The next request; None when the client has closed."""
        header = self._stream.readline()
        if not header:
            return None
        assert header.startswith(b"*"), f"not a RESP request: {header!r}"
        words = [self._read_bulk() for _ in range(int(header[1:]))]
        self._heard.append(words)
        return words

    def _read_bulk(self) -> bytes:
        header = self._stream.readline()
        if not header:
            raise ConnectionResetError("the client left in the middle of a request")
        assert header.startswith(b"$"), f"not a RESP bulk string: {header!r}"
        return self._stream.read(int(header[1:]) + 2)[:-2]

    def send(self, data: bytes) -> None:
        self._line.sendall(data)

    def send_in_pieces(self, data: bytes, size: int, pause: float = 0.0) -> None:
        """Sends `size` bytes at a time, in packets of their own."""
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            time.sleep(pause)

    def close(self) -> None:
        """Ends the connection in order (FIN)."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        self._line.close()

    def reset(self) -> None:
        """Ends the connection as a crash does (RST)."""
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stream.close()
        self._line.close()

    def wait_until_closed(self) -> None:
        """Reads and forgets until the client closes; the client has to."""
        while self._stream.read1(65536):
            pass


Script = Callable[[Peer], None]


def bulk(data: bytes | None) -> bytes:
    return b"$-1\r\n" if data is None else b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items: bytes) -> bytes:
    """An array of items that are RESP already."""
    return b"*%d\r\n%s" % (len(items), b"".join(items))


# What a client may say before its first real request, and while it is idle.
GREETING: Mapping[str, Answer] = {
    "AUTH": b"+OK\r\n",
    "CLIENT": b"+OK\r\n",
    "PING": b"+PONG\r\n",
    "SELECT": b"+OK\r\n",
}


def answering(table: Mapping[str, Answer]) -> Script:
    """A script that answers each request by its command name, GREETING included, until the client closes."""
    answers = {**GREETING, **table}

    def script(peer: Peer) -> None:
        while (words := peer.read_command()) is not None:
            answer = answers.get(words[0].decode().upper(), b"-ERR unknown command\r\n")
            peer.send(answer(words) if callable(answer) else answer)

    return script


class ScriptedServer:
    """Listens on a loopback port, or with `unix` on a socket file, while the `with` block lasts."""

    def __init__(self, script: Script, unix: bool = False) -> None:
        self._script = script
        self._folder = tempfile.TemporaryDirectory(prefix="ngr-", dir="/tmp") if unix else None
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._lines: list[socket.socket] = []
        self._is_closing = False
        self.heard: list[Words] = []  # every request of every connection, in the order of arrival
        self.accepted = 0  # connections so far

    def __enter__(self) -> ScriptedServer:
        if self._folder:
            self._door = socket.socket(socket.AF_UNIX)
            self._door.bind(str(Path(self._folder.name) / "socket"))
            self._door.listen()
        else:
            self._door = socket.create_server(("127.0.0.1", 0))
        self._spawn(self._accept)
        return self

    @property
    def url(self) -> str:
        if self._folder:
            return f"unix://{self._folder.name}/socket"
        return f"redis://127.0.0.1:{self._door.getsockname()[1]}"

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            line, _ = self._door.accept()
            if self._is_closing:
                line.close()
                return
            self.accepted += 1
            self._lines.append(line)
            self._spawn(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        peer = Peer(line, self.heard)
        try:
            self._script(peer)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client may leave at any moment
        except BaseException as error:
            if not self._is_closing:
                self._errors.append(error)
        finally:
            peer.close()

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        with socket.socket(self._door.family) as last_knock:  # accept() does not wake up for a close()
            last_knock.connect(self._door.getsockname())
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE)
        self._door.close()
        if self._folder:
            self._folder.cleanup()
        if self._errors:
            raise self._errors[0]
