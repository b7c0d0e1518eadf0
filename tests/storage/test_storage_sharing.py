"""How many connections there are: one set for all who want the same, never more than the ceiling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from figures import Figure
from proxy import Proxy
from servers import Server
from storages import storage


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


def named_connections(server: Server) -> list[str]:
    with contextlib.closing(server.client()) as client:
        return [line["name"] for line in client.client_list() if line["name"]]


class Watch:
    """Asks the server again and again how many of our connections it has."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.most = 0

    async def __aenter__(self) -> Watch:
        self._task = asyncio.ensure_future(asyncio.to_thread(self._look))
        self._is_over = False
        await asyncio.sleep(0.02)
        return self

    def _look(self) -> None:
        with contextlib.closing(self._server.client()) as client:
            while not self._is_over:
                self.most = max(self.most, sum(bool(line["name"]) for line in client.client_list()))

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await self._task


async def test_two_hundred_calls_on_eight_connections_all_succeed(server: Server) -> None:
    kv = storage(server.url, redis_max_connections=8)
    await kv.upsert({f"id-{n}": {"n": n} for n in range(200)})
    async with Watch(server) as watch:
        for _ in range(20):
            answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(200)])
            assert answers == [{"n": n} for n in range(200)]
    assert 1 <= watch.most <= 8
    await kv.aclose()


@pytest.mark.parametrize("ceiling", [1, 2, 8])
@pytest.mark.parametrize("delay", [0.0, 0.02])
async def test_ten_thousand_calls_never_exceed_the_ceiling(
    server: Server, figure: Figure, delay: float, ceiling: int
) -> None:
    with Proxy(server.port, lambda: delay) as proxy:
        kv = storage(proxy.url, redis_max_connections=ceiling, redis_socket_timeout=20)
        await kv.upsert({f"id-{n}": n for n in range(1000)})
        async with Watch(server) as watch:
            reads: list[Any] = [kv.get_by_id(f"id-{n % 1000}") for n in range(10_000)]
            batches = [kv.get_by_ids([f"id-{n}" for n in range(1000)]) for _ in range(30)]
            answers = await asyncio.gather(*reads, *batches)
        assert answers[:10_000] == [n % 1000 for n in range(10_000)]
        assert answers[10_000:] == [list(range(1000))] * 30
        figure(f"most connections, the ceiling being {ceiling}", watch.most)
        assert 1 <= watch.most <= ceiling
        assert proxy.accepted <= ceiling
        await kv.aclose()


async def test_twenty_first_calls_open_one_set_of_connections(server: Server) -> None:
    names = ["full_docs", "text_chunks", "community_reports", "llm_response_cache"]
    storages = [storage(server.url, names[n % 4]) for n in range(20)]
    await asyncio.gather(*[kv.get_by_id("a") for kv in storages])
    assert named_connections(server) == ["nano-graphrag-redis"]
    opened = {(await kv.get_stats())["connections"]["opened"] for kv in storages}
    assert opened == {1}
    for kv in storages:
        await kv.aclose()
    assert named_connections(server) == []


async def test_twenty_first_calls_of_each_kind_on_one_storage_open_one_connection(server: Server) -> None:
    kv = storage(server.url)
    calls: list[Any] = [kv.get_by_id("a") for _ in range(14)]
    calls += [kv.ping(), kv._ensure_initialized(), kv.filter_keys(["a"]), kv.all_keys(), kv.upsert({"b": 1})]
    calls.append(kv.delete_by_id("x"))
    await asyncio.gather(*calls)
    assert len(named_connections(server)) == 1
    await kv.aclose()


async def test_large_reads_leave_small_ones_a_connection_of_their_own(server: Server) -> None:
    kv = storage(server.url, redis_max_connections=4)
    batch = {f"id-{n}": "x" * 100_000 for n in range(300)}
    await kv.upsert({**batch, "small": 1})
    for _ in range(3):
        large = [asyncio.ensure_future(kv.get_by_ids(list(batch))) for _ in range(3)]
        for _ in range(20):
            assert await kv.get_by_id("small") == 1
        assert all(answer == list(batch.values()) for answer in await asyncio.gather(*large))
    assert 2 <= len(named_connections(server)) <= 4
    await kv.aclose()
