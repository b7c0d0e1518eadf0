"""One contestant with everything it needs to run a workload: its storages, and the records that are
expected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from contestants.base import KV, Contestant

from . import records
from .records import Record
from .server import Admin


@dataclass
class Stock:
    """The rows on the server, by namespace; every contestant reads the same."""

    answers: Mapping[str, Record]
    chunks: Mapping[str, Record]
    reports: Mapping[str, Record]

    @classmethod
    def of(cls, names: Collection[str]) -> Stock:
        """Only as much as these workloads read."""
        return cls(
            answers=records.answers(20_000 if "longest_block" in names else 5_000),
            chunks=records.chunks(3_200 if "latency" in names else 1_000),
            reports=records.reports(200),
        )

    def load_into(self, server: Admin) -> None:
        server.load("llm_response_cache", self.answers)
        server.load("text_chunks", self.chunks)
        server.load("community_reports", self.reports)


@dataclass
class Arena:
    contestant: Contestant
    server: Admin
    stock: Stock
    answers: KV = field(init=False)
    chunks: KV = field(init=False)
    reports: KV = field(init=False)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        await self.contestant.open(self.server.endpoint)
        try:
            self.answers = self.contestant.storage("llm_response_cache")
            self.chunks = self.contestant.storage("text_chunks")
            self.reports = self.contestant.storage("community_reports")
            yield
        finally:
            await self.contestant.close()
