"""The end of the interpreter, whatever is open or waiting then, and the strictest warnings on the way."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from figures import Figure
from fresh import run
from servers import Server

START = """
    import asyncio, gc, logging, sys
    from storages import storage
    logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())  # a slow machine
    kv = storage(sys.argv[1])
    new = asyncio.new_event_loop
"""

ENDINGS = {
    "after a run": """
    asyncio.run(kv.upsert({"a": 1}))
    """,
    "with an open loop": """
    loop = new()
    loop.run_until_complete(kv.upsert({"a": 1}))
    loop.close()
    """,
    "with a loop that was never closed, held by a module": """
    sys.kept = loop = new()
    loop.run_until_complete(kv.upsert({"a": 1}))
    loop._closed = True  # the loop's own warning about not being closed is not our matter
    """,
    "with calls waiting": """
    async def main():
        sys.kept = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(20)]
        await asyncio.sleep(0)
    asyncio.run(main())
    """,
    "with a batch half encoded": """
    async def main():
        sys.kept = asyncio.ensure_future(kv.upsert({f"b-{n}": {"t": "x" * 1500} for n in range(50000)}))
        await asyncio.sleep(0.005)
        assert not sys.kept.done()
    asyncio.run(main())
    """,
    "with coroutines that wait and a loop that is gone": """
    loop = new()
    loop.run_until_complete(kv.upsert({"a": 1}))
    batch = {f"b-{n}": {"t": "x" * 1500} for n in range(50000)}
    waiting = [kv.get_by_id("a"), kv.all_keys(), kv.upsert(batch), kv.drop()]
    for coroutine in waiting:
        loop.call_soon(coroutine.send, None)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    sys.kept = waiting
    """,
    "in the middle of a call": """
    async def main():
        await kv.upsert({"a": 1})
        asyncio.get_running_loop().call_later(0.01, sys.exit, 0)
        while True:
            await asyncio.gather(*[kv.get_by_id("a") for _ in range(50)])
    asyncio.run(main())
    """,
    "while a name is resolved": """
    import socket, time
    socket.getaddrinfo = lambda *a, **k: time.sleep(0.3) or []
    kv = storage("redis://some-name.invalid:1")
    loop = new()
    coroutine = kv.get_by_id("a")
    loop.call_soon(coroutine.send, None)
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    """,
    "with the storage in a cycle": """
    asyncio.run(kv.upsert({"a": 1}))
    cycle = [kv]
    cycle.append(cycle)
    kv.cycle = cycle
    """,
    "with the module forgotten first": """
    asyncio.run(kv.upsert({"a": 1}))
    for name in [name for name in sys.modules if name.startswith("nano_graphrag_redis")]:
        del sys.modules[name]
    gc.collect()
    assert asyncio.run(kv.get_by_id("a")) == 1
    """,
    "with a second copy of the module": """
    asyncio.run(kv.upsert({"a": 1}))
    for name in [name for name in sys.modules if name.startswith(("nano_graphrag_redis", "storages"))]:
        del sys.modules[name]
    from storages import storage as other_storage
    other = other_storage(sys.argv[1])
    assert type(other) is not type(kv)
    assert asyncio.run(other.get_by_id("a")) == 1
    assert asyncio.run(kv.get_by_id("a")) == 1
    """,
    "in a thread that is still at work": """
    import threading
    async def work():
        await kv.upsert({"a": 1})
        while True:
            await kv.get_by_id("a")
    threading.Thread(target=lambda: asyncio.run(work()), daemon=True).start()
    import time
    time.sleep(0.1)
    """,
    "from an atexit function": """
    import atexit
    atexit.register(lambda: asyncio.run(kv.upsert({"a": 1})))
    """,
}


AT_WORK = pytest.mark.not_sanitized(reason="Python's own objects of the thread count as leaks when they are looked for")


@pytest.mark.parametrize("flags", [(), ("-X", "dev", "-W", "error")], ids=["plain", "strict"])
@pytest.mark.parametrize("ending", [pytest.param(e, marks=AT_WORK if "at work" in e else ()) for e in ENDINGS])
def test_the_interpreter_ends_in_silence(
    start_server: Callable[..., Server], figure: Figure, ending: str, flags: tuple[str, ...]
) -> None:
    server = start_server()
    ended = run(START + ENDINGS[ending], server.url, flags=flags)
    figure("characters on stderr", len(ended.err))
    ended.assert_silent()


@pytest.mark.parametrize(
    "ending", ["with calls waiting", "with coroutines that wait and a loop that is gone"]
)
def test_the_interpreter_ends_in_silence_when_the_server_does_not_answer(
    start_server: Callable[..., Server], ending: str
) -> None:
    server = start_server()
    body = ENDINGS[ending].replace('loop.run_until_complete(kv.upsert({"a": 1}))', "")
    with server.frozen():
        run(START + body, server.url).assert_silent()


WORK = (
    START
    + """

    async def main():
        kv = await storage(sys.argv[1], redis_health_check_interval=0.05)
        await kv.upsert({f"id-{n}": {"n": n} for n in range(5000)})
        assert await kv.get_by_ids([f"id-{n}" for n in range(5000)], {"n"}) == [{"n": n} for n in range(5000)]
        assert await kv.filter_keys(["id-1", "x"]) == {"x"}
        assert len(await kv.all_keys()) == 5000
        assert await kv.delete_by_id("id-1")
        tasks = [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(100)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(kv.all_keys(), 0.0001)
        except asyncio.TimeoutError:
            pass
        await asyncio.sleep(0.2)
        await kv.index_done_callback()
        await kv.get_stats()
        await kv.drop()
        await kv.aclose()

    asyncio.run(main())
"""
)


def test_nothing_warns_in_the_debug_mode_of_asyncio(start_server: Callable[..., Server]) -> None:
    server = start_server()
    run(WORK, server.url, flags=("-X", "dev", "-W", "error"), PYTHONASYNCIODEBUG="1").assert_silent()


if sys.version_info >= (3, 12):

    def test_eager_tasks_work_as_others_do(start_server: Callable[..., Server]) -> None:
        server = start_server()
        code = WORK.replace(
            "async def main():",
            "async def main():\n        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)",
        )
        run(code, server.url, flags=("-W", "error")).assert_silent()
