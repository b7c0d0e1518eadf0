"""A process that forks after it has connected: the child opens connections of its own and leaves the inherited ones
alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from figures import Figure
from fresh import run
from scripted import GREETING, Peer, ScriptedServer, bulk
from servers import Server

PRELOAD = """
    import asyncio, os, sys, gc, time
    from storages import storage

    def in_child(work):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work()
                status = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert status == 0, status

    kv = storage(sys.argv[1])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    go = loop.run_until_complete
    go(kv.upsert({"a": 1}))
"""
AFTER = """
    started = time.monotonic()
    assert go(kv.get_by_id("a")) == 1
    assert time.monotonic() - started < 2.5, "the parent's event loop has gone deaf: only the time limit woke it"
    assert go(kv.get_stats())["connections"]["lost"] == 0, "the parent's connection must have survived"
    go(kv.aclose())
    loop.close()
"""

CHILDREN = {
    "uses it on a new loop": """
    def work():
        for n in range(20):
            assert asyncio.run(kv.get_by_id("a")) == 1
            asyncio.run(kv.upsert({"b": n}))
    in_child(work)
    """,
    "uses it on the loop it inherited": """
    def work():  # asyncio itself does not support this; it may fail, but not harm the parent
        for n in range(20):
            try:
                go(kv.get_by_id("a"))
            except ConnectionError as error:
                assert "the event loop does not watch the connection" in str(error), error
    in_child(work)
    """,
    "closes it": """
    def work():
        asyncio.run(kv.aclose())
        asyncio.run(kv.aclose())
    in_child(work)
    """,
    "drops it": """
    def work():
        global kv
        del kv
        gc.collect()
    in_child(work)
    """,
    "drops the loop too": """
    def work():
        global kv, loop, go
        asyncio.set_event_loop(None)
        loop._closed = True  # its own complaint about not being closed is not our matter
        del kv, loop, go
        gc.collect()
    in_child(work)
    """,
    "closes the inherited loop": """
    def work():
        loop.close()
        assert asyncio.run(kv.get_by_id("a")) == 1
    in_child(work)
    """,
    "asks for statistics": """
    def work():
        stats = asyncio.run(kv.get_stats())
        assert stats["namespace"] == "text_chunks"
    in_child(work)
    """,
    "forks again": """
    def work():
        assert asyncio.run(kv.get_by_id("a")) == 1
        in_child(lambda: asyncio.run(kv.upsert({"c": 1})))
        assert asyncio.run(kv.get_by_id("c")) == 1
    in_child(work)
    """,
    "ends with calls of the parent waiting": """
    async def fork_in_the_middle():
        waiting = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(50)]
        await asyncio.sleep(0)
        in_child(lambda: None)
        assert await asyncio.gather(*waiting) == [1] * 50
    go(fork_in_the_middle())
    """,
    "awaits in the middle of a task": """
    async def fork_inside():
        def work():
            coroutine = kv.get_by_id("a")
            try:
                coroutine.send(None)
            except RuntimeError as error:
                assert "no running event loop" in str(error), error
            else:
                raise AssertionError("a call on the parent's loop must fail")
        in_child(work)
    go(fork_inside())
    """,
}


@pytest.mark.parametrize("child", CHILDREN)
def test_the_parent_goes_on_after_its_child(start_server: Callable[..., Server], child: str) -> None:
    server = start_server()
    run(PRELOAD + CHILDREN[child] + AFTER, server.url).assert_silent()


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_sends_not_one_byte_on_an_inherited_connection(figure: Figure, child: str) -> None:
    """The server knows what the parent asks on its connection; anything more came from a child."""
    lines: list[list[bytes]] = []

    def script(peer: Peer) -> None:
        mine: list[bytes] = []
        lines.append(mine)
        while (words := peer.read_command()) is not None:
            mine.append(words[0])
            answers = {b"GET": bulk(b"1"), b"INFO": bulk(b"aof_enabled:1")}
            greeting = GREETING.get(words[0].decode(), b"+OK\r\n")
            peer.send(answers.get(words[0], greeting if isinstance(greeting, bytes) else b"+OK\r\n"))

    with ScriptedServer(script) as server:
        run(PRELOAD + CHILDREN[child] + AFTER, server.url).assert_silent()
    parent = lines[0]
    gets = 51 if child == "ends with calls of the parent waiting" else 1
    figure("commands on the parent's connection that are not the parent's", len(parent) - 3 - gets)
    assert parent == [b"CLIENT", b"PING", b"SET", *[b"GET"] * gets]


def test_workers_of_a_preloading_server_each_have_a_connection(start_server: Callable[..., Server]) -> None:
    """As gunicorn --preload does: the application is built and warmed up before the workers are forked."""
    server = start_server()
    workers = (
        PRELOAD
        + """
    go(kv.upsert({f"id-{n}": n for n in range(100)}))
    loop.close()
    children = []
    for worker in range(4):
        pid = os.fork()
        if pid == 0:
            async def serve():
                for _ in range(20):
                    answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(100)])
                    assert answers == list(range(100))
                await kv.aclose()
            try:
                asyncio.run(serve())
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    assert asyncio.run(kv.get_by_id("id-7")) == 7
    """
    )
    run(workers, server.url).assert_silent()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_multiprocessing_takes_a_storage_along(start_server: Callable[..., Server]) -> None:
    server = start_server()
    code = """
    import asyncio, multiprocessing, sys
    from storages import storage

    kv = storage(sys.argv[1])

    def read(n):
        return asyncio.run(kv.get_by_id("a")) + n

    asyncio.run(kv.upsert({"a": 1}))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(read, range(20)) == [1 + n for n in range(20)]
    """
    run(code, server.url).assert_silent()
    with contextlib.closing(server.client()) as client:
        assert len(client.client_list()) == 1


def test_a_descriptor_does_not_leak_into_a_program_that_is_started(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    code = """
    import asyncio, subprocess, sys
    from storages import storage

    async def main():
        kv = await storage(sys.argv[1])
        listing = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
        assert "socket:" not in listing.stdout, listing.stdout
        await kv.aclose()
    asyncio.run(main())
    """
    run(code, server.url).assert_silent()
