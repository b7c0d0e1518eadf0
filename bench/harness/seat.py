"""A process for each contestant, as a program would have that uses this client and no other. In one process for all,
each would be measured with what the others have done to it: their modules and threads, objects for the garbage
collector to look at, and the memory that the C library keeps or gives back (this project asks it to keep some, and
all others would profit)."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
from collections.abc import Callable, Collection, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import contestants

from . import workloads
from .arena import Arena, Stock
from .columns import Figures
from .endpoint import Endpoint
from .server import Admin
from .workloads import Workload, WrongAnswer

Runner = Callable[[Coroutine[Any, Any, Any]], Any]

# A fork would begin with what this process has done to its own memory.
SPAWN = multiprocessing.get_context("spawn")


class Failure(Exception):
    """A contestant raised; its words."""


def runner(*, uvloop: bool) -> Runner:
    """Runs coroutines, one after the other, on one event loop."""
    if uvloop:
        from uvloop import new_event_loop

        return new_event_loop().run_until_complete
    return asyncio.new_event_loop().run_until_complete


async def check(workload: Workload, arena: Arena) -> None:
    """Runs it once, which also warms it up; WrongAnswer when the result is not what is stored."""
    argument = await workload.prepare(arena)
    workload.check(arena, argument, await workload.run(arena, argument))


async def measure(workload: Workload, arena: Arena) -> Figures:
    """One turn. The contestant is the only one with open connections meanwhile: what the threads and timers of others
    do would cost the fastest one most."""
    async with arena.opened():
        await check(workload, arena)
        return await workload.measure(arena)


def serve(pipe: Connection, name: str, at: Endpoint, path: str, names: Collection[str], uvloop: bool) -> None:
    """What the process does: measures the workloads that it is told the names of, until nobody holds the other end."""
    logging.disable(logging.WARNING)
    arena = Arena(contestants.by_name(name)(), Admin(at, path), Stock.of(names))
    gc.collect()
    gc.freeze()  # the records live as long as the run: no collection should look at them
    run = runner(uvloop=uvloop)
    while True:
        try:
            workload = workloads.by_name(pipe.recv())
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(run(measure(workload, arena)))
        except WrongAnswer as wrong:
            pipe.send(wrong)
        except Exception as error:
            pipe.send(Failure(f"{type(error).__name__}: {error}"))


class Seat:
    """The process of one contestant, seen from outside; `names` are the workloads that are to be measured."""

    def __init__(self, name: str, server: Admin, names: Collection[str], *, uvloop: bool) -> None:
        self.name = name
        self._pipe, theirs = SPAWN.Pipe()
        arguments = (theirs, name, server.endpoint, server.path, names, uvloop)
        self._process = SPAWN.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def turn(self, workload: Workload) -> Figures:
        """The figures of one turn. Raises WrongAnswer, or Failure when the contestant raised or has died."""
        try:
            self._pipe.send(workload.name)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise Failure(f"its process ended with status {self._process.exitcode}") from None
        if isinstance(answer, Exception):
            raise answer
        figures: Figures = answer
        return figures

    def leave(self) -> None:
        self._pipe.close()
        self._process.join()
