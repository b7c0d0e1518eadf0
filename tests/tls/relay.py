"""A relay in front of a TLS server that knows where records begin, and mistreats the server's side of the stream.

It cannot read what it passes on. It runs in threads of its own with blocking sockets.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

PATIENCE = 10.0
HEADER = 5  # bytes of a record before its content

# Takes each piece of the server's bytes and gives what is sent in its place; ends when the line is to be closed.
Mistreatment = Callable[[Iterator[bytes]], Iterator[bytes]]


class Records:
    """Follows a stream of TLS records: how many are complete, how many bytes of the next one have passed."""

    def __init__(self) -> None:
        self.complete = 0
        self.partial = b""

    def take(self, byte: int) -> None:
        self.partial += bytes([byte])
        if len(self.partial) >= HEADER:
            (length,) = struct.unpack(">H", self.partial[3:HEADER])
            if len(self.partial) == HEADER + length:
                self.complete, self.partial = self.complete + 1, b""


def untouched(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces


def one_byte_at_a_time(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for byte in piece:
            yield bytes([byte])


def ending_after(records: int, extra: int) -> Mistreatment:
    """Passes so many records on, and `extra` bytes of the next; then the line is closed without a word."""

    def mistreat(pieces: Iterator[bytes]) -> Iterator[bytes]:
        seen = Records()
        for piece in pieces:
            for position, byte in enumerate(piece):
                if seen.complete == records and len(seen.partial) == extra:
                    yield piece[:position]
                    return
                seen.take(byte)
            yield piece

    return mistreat


def stalling_after(records: int, extra: int) -> Mistreatment:
    """The same, but the line stays open and silent."""

    def mistreat(pieces: Iterator[bytes]) -> Iterator[bytes]:
        yield from ending_after(records, extra)(pieces)
        for _ in pieces:
            pass

    return mistreat


class Relay:
    """Forwards to 127.0.0.1:`port` while the `with` block lasts.

    Each connection gets the next of `mistreatments`; those that come after the last are left alone.
    """

    def __init__(self, port: int, *mistreatments: Mistreatment) -> None:
        self._target = port
        self._mistreatments = iter(mistreatments)
        self._threads: list[threading.Thread] = []
        self._lines: list[socket.socket] = []
        self._is_closing = False
        self.accepted = 0

    def __enter__(self) -> Relay:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._spawn(self._accept)
        return self

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}"

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
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            there = socket.create_connection(("127.0.0.1", self._target))
            self._lines += [line, there]
            self._spawn(self._copy, line, there, untouched)
            self._spawn(self._copy, there, line, next(self._mistreatments, untouched))

    def _copy(self, source: socket.socket, target: socket.socket, mistreat: Mistreatment) -> None:
        with contextlib.suppress(OSError):
            for piece in mistreat(iter(lambda: source.recv(65536), b"")):
                target.sendall(piece)
        for line in (target, source):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        with socket.create_connection(("127.0.0.1", self.port)):
            pass  # accept() does not wake up for a close()
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the relay does not end"
        for line in (*self._lines, self._door):
            line.close()
