"""Servers that speak TLS: a real one, and a scripted one whose end of the handshake is Python's ssl module."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from certificates import Identity
from scripted import Peer, Script, ScriptedServer
from servers import Server


class TlsServer(Server):
    """A redis-server that speaks nothing but TLS on its port; the Unix socket stays plain, for looking inside."""

    def __init__(self, identity: Identity, ca: str, *arguments: str, **options: Any) -> None:
        """`ca` signs the certificates of clients; further arguments go to the server as they are."""
        super().__init__("redis", *arguments, **options)
        self._tls = ["--tls-cert-file", identity.cert, "--tls-key-file", identity.key, "--tls-ca-cert-file", ca]

    def _command(self) -> list[str]:
        only_tls = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        return [*super()._command(), *only_tls, *self._tls, *self._arguments]

    @property
    def url(self) -> str:
        return super().url.replace("redis://", "rediss://")


def server_context(identity: Identity) -> ssl.SSLContext:
    """The server's side of TLS, for a scripted server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert, identity.key)
    return context


def say_goodbye(peer: Peer) -> None:
    """Sends close_notify, and does not wait for the client's."""
    line = peer._line
    assert isinstance(line, ssl.SSLSocket)
    line.settimeout(0.05)
    with contextlib.suppress(OSError):
        line.unwrap()


class TlsScriptedServer(ScriptedServer):
    """A scripted server behind TLS. What goes wrong in TLS is the client's to tell."""

    def __init__(self, script: Script, context: ssl.SSLContext) -> None:
        def quiet(peer: Peer) -> None:
            with contextlib.suppress(ssl.SSLError):
                script(peer)

        super().__init__(quiet)
        self._context = context

    @property
    def port(self) -> int:
        return int(super().url.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """Ends all connections."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _serve(self, line: socket.socket) -> None:
        line.settimeout(10.0)
        with contextlib.suppress(OSError):
            secure = self._context.wrap_socket(line, server_side=True)
            self._lines.append(secure)  # wrapping has taken the descriptor away from `line`
            super()._serve(secure)
        line.close()
