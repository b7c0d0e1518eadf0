"""The memory of one contestant, as a program that prints figures in bytes:

    python -m harness.occupied memory|pending|worker NAME PORT SOCKET AUTHORITY FOLDER SERVER_PID

Linux only. It imports no client but the one it measures."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path

import contestants
from contestants import KV, Contestant

from . import records
from .endpoint import Endpoint
from .limits import FUTURES

PENDING = 1000
ID = records.digest("answer", 0)


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """The most that resident() would have said since forget_peak()."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def open_storage(contestant: Contestant, endpoint: Endpoint, namespace: str) -> KV:
    await contestant.open(endpoint)
    kv = contestant.storage(namespace)
    await kv.get_by_id(ID)
    return kv


async def memory(contestant: Contestant, endpoint: Endpoint, server_pid: int) -> dict[str, int]:
    """What importing the code adds, then one storage that has connected and answered, then a large answer."""
    ids = list(records.chunks(1000))
    start = resident()
    exec(contestant.imports)
    code = resident()
    kv = await open_storage(contestant, endpoint, "text_chunks")
    idle = resident()
    forget_peak()
    if None in await kv.get_by_ids(ids):
        raise SystemExit("a wrong answer")
    most = peak()
    await contestant.close()
    return {"code": code - start, "idle": idle - code, "peak": most - idle}


async def worker(contestant: Contestant, endpoint: Endpoint, server_pid: int) -> dict[str, float]:
    """What a process has that keeps such a storage open, its code included, and how long it takes to be ready."""
    ids = records.chunk_ids(1000)
    start, start_time = resident(), time.perf_counter()
    forget_peak()
    await contestant.open(endpoint)
    kv = contestant.storage("text_chunks")
    rows = await kv.get_by_ids(ids)
    ready = time.perf_counter() - start_time
    if None in rows:
        raise SystemExit("a wrong answer")
    del rows
    figures = {"memory": resident() - start, "peak": peak() - start, "start": ready}
    await contestant.close()
    return figures


async def bare_calls() -> dict[str, int]:
    """What PENDING tasks occupy that await a future each."""
    loop = asyncio.get_running_loop()

    async def call(future: asyncio.Future[None]) -> None:
        await future

    start = resident()
    futures = [loop.create_future() for _ in range(PENDING)]
    calls = [asyncio.ensure_future(call(future)) for future in futures]
    await asyncio.sleep(0.1)
    whole = resident() - start
    for future in futures:
        future.set_result(None)
    await asyncio.gather(*calls)
    return {"whole": whole}


async def pending(contestant: Contestant, endpoint: Endpoint, server_pid: int) -> dict[str, int]:
    """What PENDING calls occupy, with their tasks, that wait for a frozen server."""
    kv = await open_storage(contestant, endpoint, "llm_response_cache")
    start = resident()
    os.kill(server_pid, signal.SIGSTOP)
    calls = [asyncio.ensure_future(kv.get_by_id(ID)) for _ in range(PENDING)]
    await asyncio.sleep(0.5)
    whole = resident() - start
    os.kill(server_pid, signal.SIGCONT)
    if await asyncio.gather(*calls) != [records.answer(0)] * PENDING:
        raise SystemExit("a wrong answer")
    await contestant.close()
    return {"whole": whole}


def main() -> None:
    what, name, port, path, authority, folder, pid = sys.argv[1:]
    if name == FUTURES:
        job = bare_calls()
    else:
        endpoint = Endpoint(int(port), path or None, folder or None, authority or None)
        measure = {"memory": memory, "pending": pending, "worker": worker}[what]
        job = measure(contestants.by_name(name)(), endpoint, int(pid))
    print(json.dumps(asyncio.run(job)))


if __name__ == "__main__":
    main()
