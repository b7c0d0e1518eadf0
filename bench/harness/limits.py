"""What the server itself can do with the same commands: redis-benchmark, which throws the values away."""

from __future__ import annotations

import asyncio
import csv
import resource
import shutil

from .arena import Arena
from .endpoint import Endpoint
from .workloads import Figures, Workload

NAME = "redis-benchmark (no decoding)"


def place(endpoint: Endpoint) -> list[str]:
    return ["-s", endpoint.socket] if endpoint.socket else ["-h", "127.0.0.1", "-p", str(endpoint.port)]


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def measure(workload: Workload, arena: Arena) -> Figures | None:
    """Seconds per command; None where the workload has no counterpart or the program is missing."""
    program, arguments = shutil.which("redis-benchmark"), workload.limit(arena)
    if not program or not arguments:
        return None
    cpu = children_cpu()
    process = await asyncio.create_subprocess_exec(
        program, *place(arena.server.endpoint), "--csv", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    header, row = csv.reader(output.decode().splitlines())
    commands = int(arguments[arguments.index("-n") + 1])
    rate = float(row[header.index("rps")])
    return {"wall": 1 / rate, "cpu": (children_cpu() - cpu) / commands}
