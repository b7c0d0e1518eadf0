"""The same basics on uvloop, the other event loop that people use with asyncio."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fresh import run
from proxy import Proxy
from servers import Server

START = """
    import asyncio, logging, sys
    import uvloop
    logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())  # a slow machine
    from storages import storage
    url = sys.argv[1]
"""

CASES = {
    "every call": """
    async def main():
        kv = await storage(url, redis_health_check_interval=0.05)
        await kv.upsert({f"id-{n}": {"n": n} for n in range(3000)})
        assert await kv.get_by_ids([f"id-{n}" for n in range(3000)]) == [{"n": n} for n in range(3000)]
        assert await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(300)]) == [{"n": n} for n in range(300)]
        assert await kv.filter_keys(["id-1", "x"]) == {"x"}
        assert len(await kv.all_keys()) == 3000
        assert await kv.delete_by_id("id-1") is True
        await asyncio.sleep(0.2)
        await kv.drop()
        assert await kv.all_keys() == []
        await kv.aclose()
    uvloop.run(main())
    """,
    "cancelled calls": """
    async def main():
        kv = await storage(url, redis_max_connections=1)
        await kv.upsert({f"id-{n}": n for n in range(300)})
        for step in range(20):
            tasks = [asyncio.ensure_future(kv.get_by_id(f"id-{n}")) for n in range(300)]
            await asyncio.sleep(0.001 * (step % 3))
            for task in tasks[step % 5::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for n, outcome in enumerate(outcomes):
                assert outcome == n or isinstance(outcome, asyncio.CancelledError), (n, outcome)
        assert (await kv.get_stats())["connections"]["opened"] == 1
        await kv.aclose()
    uvloop.run(main())
    """,
    "a batch of 20 MB": """
    async def main():
        async with storage(url) as kv:
            batch = {f"id-{n}": "x" * 1000 for n in range(20000)}
            await kv.upsert(batch)
            assert await kv.get_by_ids(list(batch)) == list(batch.values())
    uvloop.run(main())
    """,
    "two loops in a row, nothing closed": """
    kv = storage(url)
    for n in range(10):
        uvloop.run(kv.upsert({"a": n}))
        assert uvloop.run(kv.get_by_id("a")) == n
    """,
    "asyncio and uvloop in turn": """
    kv = storage(url)
    for n in range(5):
        uvloop.run(kv.upsert({"a": n}))
        assert asyncio.run(kv.get_by_id("a")) == n
    """,
    "a name to resolve": """
    async def main():
        async with storage(url.replace("127.0.0.1", "localhost")) as kv:
            await kv.upsert({"a": 1})
            assert await kv.get_by_id("a") == 1
    uvloop.run(main())
    """,
    "a server that is not there": """
    logging.getLogger("nano_graphrag_redis").setLevel(logging.CRITICAL)
    async def main():
        kv = storage("redis://127.0.0.1:1", redis_retry_attempts=0)
        try:
            await kv.get_by_id("a")
        except ConnectionError as error:
            assert "Connection refused" in str(error)
        else:
            raise AssertionError
    uvloop.run(main())
    """,
    "a loop closed with calls waiting": """
    kv = storage(url)
    async def leave():
        waiting = [asyncio.ensure_future(kv.get_by_id("a")) for _ in range(50)]
        await asyncio.sleep(0)
    for _ in range(3):
        uvloop.run(leave())
    assert uvloop.run(kv.get_by_id("a")) is None
    """,
}


@pytest.mark.parametrize("case", CASES)
def test_on_uvloop(start_server: Callable[..., Server], case: str) -> None:
    server = start_server()
    run(START + CASES[case], server.url, flags=("-X", "dev", "-W", "error")).assert_silent()


def test_on_uvloop_behind_a_slow_line(start_server: Callable[..., Server]) -> None:
    with Proxy(start_server().port, lambda: 0.005) as proxy:
        run(START + CASES["cancelled calls"], proxy.url, flags=("-W", "error")).assert_silent()
