"""One contestant with everything it needs to run a workload: its storages, and the records that are
expected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from contestants.base import KV, Contestant

from .records import Record
from .server import Server


@dataclass
class Stock:
    """The rows on the server, by namespace; every contestant reads the same."""

    answers: Mapping[str, Record]
    chunks: Mapping[str, Record]
    reports: Mapping[str, Record]

    def load_into(self, server: Server) -> None:
        server.load("llm_response_cache", self.answers)
        server.load("text_chunks", self.chunks)
        server.load("community_reports", self.reports)


@dataclass
class Arena:
    contestant: Contestant
    server: Server
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
