"""The scripted server does what scripts say, and tells when a script goes wrong."""

from __future__ import annotations

import socket
import threading

import pytest
from scripted import Peer, ScriptedServer, Words, answering, array, bulk


def connect(server: ScriptedServer) -> socket.socket:
    place = server.url.partition("://")[2]
    if server.url.startswith("unix"):
        line = socket.socket(socket.AF_UNIX)
        line.connect(place)
    else:
        host, port = place.split(":")
        line = socket.create_connection((host, int(port)))
    line.settimeout(5)
    return line


@pytest.mark.parametrize("unix", [False, True])
def test_it_answers_by_command_name(unix: bool) -> None:
    table = {"GET": bulk(b"value"), "ECHO": lambda words: array(*map(bulk, words[1:]))}
    with ScriptedServer(answering(table), unix=unix) as server, connect(server) as line:
        line.sendall(b"*2\r\n$3\r\nget\r\n$1\r\na\r\n")
        assert line.recv(100) == b"$5\r\nvalue\r\n"
        line.sendall(b"*3\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n$0\r\n\r\n")
        assert line.recv(100) == b"*2\r\n$2\r\n\r\n\r\n$0\r\n\r\n"
        line.sendall(b"*1\r\n$4\r\nNOPE\r\n")
        assert line.recv(100).startswith(b"-ERR")
    assert server.heard == [[b"get", b"a"], [b"ECHO", b"\r\n", b""], [b"NOPE"]]
    assert server.accepted == 1


def test_what_goes_wrong_in_a_script_is_raised() -> None:
    server = ScriptedServer(answering({})).__enter__()
    with connect(server) as line:
        line.sendall(b"GET / HTTP/1.1\r\n")
        assert line.recv(100) == b""
    with pytest.raises(AssertionError, match="not a RESP request"):
        server.__exit__()


def test_a_client_that_leaves_is_no_error() -> None:
    with ScriptedServer(answering({})) as server:
        connect(server).close()
        with connect(server) as line:
            line.sendall(b"*2\r\n$3\r\nGET\r\n")


def test_it_can_dribble_and_it_can_crash() -> None:
    def script(peer: Peer) -> None:
        peer.send_in_pieces(b"+HELLO\r\n", 3)
        peer.read_command()
        peer.reset()

    with ScriptedServer(script) as server, connect(server) as line:
        assert line.makefile("rb").readline() == b"+HELLO\r\n"
        line.sendall(b"*1\r\n$4\r\nPING\r\n")
        with pytest.raises(ConnectionResetError):
            line.recv(100)


def test_leaving_ends_connections_that_are_still_open() -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.send(b"+HELLO\r\n")
        peer.wait_until_closed()
        closed.set()

    with ScriptedServer(script) as server:
        line = connect(server)
        assert line.recv(100) == b"+HELLO\r\n"
    with line:
        assert closed.is_set()
        assert line.recv(100) == b""


def test_each_connection_runs_the_script_anew() -> None:
    def count(words: Words) -> bytes:
        return b":%d\r\n" % server.accepted

    with ScriptedServer(answering({"PING": count})) as server:
        for expected in (b":1\r\n", b":2\r\n"):
            with connect(server) as line:
                line.sendall(b"*1\r\n$4\r\nPING\r\n")
                assert line.recv(100) == expected
