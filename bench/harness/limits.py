"""What cannot be beaten: the server's speed with a client that throws the values away, and asyncio's own with
calls that are answered at once. A limit has its turn in every round, as a contestant has."""

from __future__ import annotations

import asyncio
import csv
import resource
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from .columns import Figures
from .endpoint import Endpoint

BENCHMARK = "redis-benchmark"
SENDER = "C sender"
RECEIVER = "C receiver"
EXISTS = "C, pipelined EXISTS"
FUTURES = "bare futures"
EXCHANGE = Path(__file__).parents[2] / "build" / "bench" / "exchange"


class Limit(ABC):
    name: str

    @abstractmethod
    async def measure(self, endpoint: Endpoint) -> Figures | None:
        """Seconds per operation; None where this limit cannot be had."""


async def output_of(program: str, arguments: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"bench: {program} ended with status {process.returncode}")
    return output.decode()


class RedisBenchmark(Limit):
    """redis-benchmark with the same command and a value of the same size."""

    name = BENCHMARK

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    async def measure(self, endpoint: Endpoint) -> Figures | None:
        program = shutil.which("redis-benchmark")
        if not program:
            return None
        cpu = children_cpu()
        output = await output_of(program, [*place(endpoint), "--csv", *self._arguments])
        header, row = csv.reader(output.splitlines())
        commands = int(self._arguments[self._arguments.index("-n") + 1])
        return {"wall": 1 / float(row[header.index("rps")]), "cpu": (children_cpu() - cpu) / commands}


def place(endpoint: Endpoint) -> list[str]:
    if endpoint.socket:
        return ["-s", endpoint.socket]
    encrypted = ["--tls", "--cacert", endpoint.authority] if endpoint.authority else []
    return ["-h", "127.0.0.1", "-p", str(endpoint.port), *encrypted]


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Exchange(Limit):
    """The C program of bench/limits, which speaks no TLS. A reply is over after so many bytes or lines."""

    def __init__(
        self, name: str, commands: Iterable[Sequence[str | bytes]], *, times: int, size: int = 0, lines: int = 0
    ) -> None:
        if not EXCHANGE.exists():
            raise SystemExit(f"bench: {EXCHANGE} is missing; it comes with: make bench")
        self.name = name
        self._file = tempfile.NamedTemporaryFile(prefix="ngr-bench-")  # noqa: SIM115 - it lives as long as the limit
        self._file.write(b"".join(request(command) for command in commands))
        self._file.flush()
        self._end = ["lines", str(lines)] if lines else ["bytes", str(size)]
        self._times = times

    async def measure(self, endpoint: Endpoint) -> Figures | None:
        if endpoint.authority:
            return None
        at = endpoint.socket or str(endpoint.port)
        output = await output_of(str(EXCHANGE), [at, self._file.name, *self._end, str(self._times)])
        wall, cpu = output.split()
        return {"wall": float(wall), "cpu": float(cpu)}


def request(words: Sequence[str | bytes]) -> bytes:
    """A command as it travels."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def array_size(sizes: Iterable[int]) -> int:
    """The bytes of a reply that holds values of these sizes."""
    values = [len(b"$%d\r\n" % size) + size + 2 for size in sizes]
    return len(b"*%d\r\n" % len(values)) + sum(values)


class BareFutures(Limit):
    """A gather of coroutines that await one future each, all answered by one callback of a later turn of the
    event loop: what asyncio itself takes when a client takes no time at all."""

    name = FUTURES

    def __init__(self, calls: int, times: int) -> None:
        self._calls, self._times = calls, times

    async def measure(self, endpoint: Endpoint) -> Figures | None:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self._times):
            await self._gather()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        operations = self._calls * self._times
        return {"wall": wall / operations, "cpu": cpu / operations}

    async def _gather(self) -> None:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[None]] = [loop.create_future() for _ in range(self._calls)]

        async def call(future: asyncio.Future[None]) -> None:
            await future

        def answer() -> None:
            for future in futures:
                future.set_result(None)

        calls = asyncio.gather(*map(call, futures))
        loop.call_soon(loop.call_soon, answer)
        await calls
