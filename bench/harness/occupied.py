"""The memory of one contestant, as a program that prints two figures in bytes:

    python -m harness.occupied NAME PORT SOCKET SERVER_PID

Linux only. It imports no client but the one it measures."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import contestants

from . import records
from .endpoint import Endpoint

PENDING = 1000


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(contestant: contestants.Contestant, endpoint: Endpoint, server_pid: int) -> dict[str, int]:
    """What an idle storage adds to the process, and what PENDING calls add that wait for a frozen server."""
    start = resident()
    id = records.digest("answer", 0)
    await contestant.open(endpoint)
    kv = contestant.storage("llm_response_cache")
    await kv.get_by_id(id)
    idle = resident()
    os.kill(server_pid, signal.SIGSTOP)
    calls = [asyncio.ensure_future(kv.get_by_id(id)) for _ in range(PENDING)]
    await asyncio.sleep(0.5)
    pending = resident()
    os.kill(server_pid, signal.SIGCONT)
    rows = await asyncio.gather(*calls)
    if rows != [records.answer(0)] * PENDING:
        raise SystemExit("a wrong answer")
    await contestant.close()
    return {"idle": idle - start, "pending": pending - idle}


def main() -> None:
    name, port, path, pid = sys.argv[1:]
    contestant = contestants.by_name(name)()
    print(json.dumps(asyncio.run(measure(contestant, Endpoint(int(port), path or None), int(pid)))))


if __name__ == "__main__":
    main()
