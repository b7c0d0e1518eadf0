"""One worker process: `python -m soak.worker NUMBER`. It prints its figures as lines of JSON, once a second.

It works in rounds. In a round all its loops run, each in a thread, with all their lanes. Then the loops end, the server
is watched until it has closed the last of their connections, and every key is looked at: nothing is in doubt any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from servers import raw_client
from storages import bound_of

from nano_graphrag_redis import RedisKVStorage

from . import old_style
from .figures import LEFT, LOST, UNSETTLED, WRONG, Figures
from .model import Model
from .operations import OUTAGE, UNREADABLE, Actor
from .plan import CALM, FADING, FADING_BATCHES, STYLES, Plan, client_name, key_of, lanes_of
from .values import generation_of

PATIENCE = 60.0  # seconds until an outage must have ended
LIFETIMES = {FADING: 43_200, FADING_BATCHES: 86_400}


class Storages(dict[str, RedisKVStorage]):
    """Ours, by namespace; made when first asked for."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def __missing__(self, namespace: str) -> RedisKVStorage:
        return self.setdefault(namespace, RedisKVStorage(namespace, dict(self._settings)))


class Loop:
    """One event loop's share: its lanes, what their keys must hold, what was counted. It outlives each round."""

    def __init__(self, plan: Plan, worker: int, number: int, storages: Storages) -> None:
        self.style = STYLES[worker]
        self.lanes = lanes_of(worker, number)
        self.model, self.figures = Model(), Figures()
        self.bound = bound_of(plan.settings(worker))
        self.lag = 0.0  # seconds that this loop was late, all in all
        self._plan, self._worker, self._storages = plan, worker, storages
        self._old: old_style.redis.asyncio.Redis | None = None
        self._actors = [Actor(lane, self, random.Random(f"{plan.seed}-{lane.name}")) for lane in self.lanes]
        for namespace, ids in self.places():
            self.model.add(key_of(namespace, id) for id in ids)

    def places(self) -> Iterator[tuple[str, list[str]]]:
        """All keys of this loop's lanes, by namespace."""
        for lane in self.lanes:
            yield from ((namespace, lane.singles()) for namespace in lane.namespaces)
            yield from lane.batches()

    # --- for the actors -----------------------------------------------------------------------------------

    def ours(self, namespace: str) -> RedisKVStorage:
        return self._storages[namespace]

    def old(self, namespace: str) -> old_style.OldStyle:
        if self._old is None:
            self._old = old_style.connect(self._plan.url(self._worker))
        return old_style.OldStyle(self._old, namespace, LIFETIMES.get(namespace, 0))

    def replace(self, namespace: str, made_from: Callable[[RedisKVStorage], RedisKVStorage]) -> None:
        self._storages[namespace] = made_from(self._storages[namespace])

    async def retries(self) -> int:
        """How often calls of this loop have been repeated."""
        return int((await self.ours(CALM).get_stats()).get("calls", {}).get("retries", 0))

    def violation(self, kind: str, text: str) -> None:
        self.figures.violations[kind] += 1
        say({"violation": kind, "text": text[:3000], "lanes": [lane.name for lane in self.lanes]})

    # --- a round ------------------------------------------------------------------------------------------

    async def round(self, until: float) -> None:
        async with self._measured_lag():
            await asyncio.gather(*[actor.work(until) for actor in self._actors])
            await self._become_idle()
            for kv in list(self._storages.values()):
                await kv.aclose()
            if self._old:
                await self._old.aclose()
                self._old = None

    async def _become_idle(self) -> None:
        deadline = time.monotonic() + self.bound + PATIENCE
        while left := sum((await self.ours(CALM).get_stats()).get("requests", {}).values()):
            if time.monotonic() > deadline:
                self.violation(LEFT, f"{left} requests are still in flight")
                return
            await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def _measured_lag(self) -> AsyncIterator[None]:
        async def measure() -> None:
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.02)
                self.lag += time.monotonic() - before - 0.02

        task = asyncio.ensure_future(measure())
        try:
            yield
        finally:
            task.cancel()

    # --- looking at every key -----------------------------------------------------------------------------

    async def look_at_every_key(self) -> None:
        for namespace, ids in self.places():
            values = await insist(lambda n=namespace, i=ids: self.ours(n).get_by_ids(i))
            self._settle(namespace, ids, values)
        for kv in list(self._storages.values()):
            await kv.aclose()

    def look_with_other_eyes(self, client: redis.Redis) -> None:
        """The same without our client; and whether entries live as long as they should."""
        for namespace, ids in self.places():
            keys = [key_of(namespace, id) for id in ids]
            values = [None if data is None else json.loads(data) for data in client.mget(keys)]
            self._settle(namespace, ids, values)
            with client.pipeline() as pipe:
                for key in keys:
                    pipe.ttl(key)
                lifetimes = pipe.execute()
            for key, value, ttl in zip(keys, values, lifetimes, strict=True):
                if value is not None and (ttl > 0) != (namespace in LIFETIMES):
                    self.violation(WRONG, f"a lifetime of {ttl} s: {self.model.story(key)}")

    def _settle(self, namespace: str, ids: list[str], values: list[Any]) -> None:
        for id, value in zip(ids, values, strict=True):
            key = key_of(namespace, id)
            story = self.model.story
            self.figures.checked += 1
            try:
                generation = generation_of(key, value)
            except UNREADABLE as error:
                self.violation(WRONG, f"{error!r}; {story(key)}")
                continue
            before = story(key)
            if not self.model.settle(key, generation):
                self.violation(LOST, f"found generation {generation}; {before}")


async def insist(call: Callable[[], Any]) -> Any:
    """The answer of a call, however many outages it takes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await call()
        except OUTAGE:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


class Worker:
    """The process: its loops, and its rounds until the plan ends."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan, self._number, self._style = plan, number, STYLES[number]
        shared = Storages(plan.settings(number))
        self.loops = [
            Loop(plan, number, loop, shared if self._style.shares_storages else Storages(plan.settings(number)))
            for loop in range(self._style.loops)
        ]

    def work(self) -> None:
        while time.time() < self._plan.until:
            self._round(min(time.time() + self._style.round_seconds, self._plan.until))
            self._wait_until_the_server_has_closed_everything()
            for loop in self.loops:
                asyncio.run(loop.look_at_every_key())
            say({"at rest": memory_at_rest()})
        with contextlib.closing(self._admin()) as client:
            for loop in self.loops:
                loop.look_with_other_eyes(client)

    def _round(self, until: float) -> None:
        threads = [threading.Thread(target=asyncio.run, args=(loop.round(until),)) for loop in self.loops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _admin(self) -> redis.Redis:
        return raw_client(Path(self._plan.socket), socket_timeout=5.0)

    def _wait_until_the_server_has_closed_everything(self) -> None:
        """What a lost connection carried may take effect as long as the server has not come to its end."""
        gc.collect()  # the traceback of an error may name a storage that a copy has replaced, and keep it
        deadline = time.monotonic() + PATIENCE
        left: list[Any] = []
        while time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError, OSError), contextlib.closing(self._admin()) as client:
                left = [entry for entry in client.client_list() if entry["name"] == client_name(self._number)]
                if not left:
                    return
            time.sleep(0.05)
        self.loops[0].violation(UNSETTLED, f"the server keeps connections for {PATIENCE} s: {left}")

    def figures(self) -> Figures:
        total = Figures()
        for loop in self.loops:
            total.add(loop.figures)
        return total


class LogCounter(logging.Handler):
    """Counts what the package logs."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        say({"log": self.format(record)})


_speaking = threading.Lock()


def say(words: dict[str, Any]) -> None:
    with _speaking:
        print(json.dumps(words), flush=True)


def await_plan() -> Plan:
    """The plan comes when all members are there, so that the run begins for all of them at once."""
    say({"ready": True})
    return Plan.from_text(sys.stdin.readline())


def memory() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Mallinfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _names = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def memory_at_rest() -> int:
    """What is really held: bytes that malloc has given out and not got back, without garbage. What is resident also has
    the holes between them, which batches of megabytes leave behind. Python's own objects count, too: the workers run
    with PYTHONMALLOC=malloc."""
    gc.collect()
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = _Mallinfo
    told = ask()
    return int(told.uordblks + told.hblkhd)


def main() -> None:
    number, plan = int(sys.argv[1]), await_plan()
    log = logging.getLogger("nano_graphrag_redis")
    counter = LogCounter()
    log.addHandler(counter)
    log.propagate = False
    worker = Worker(plan, number)
    is_over = threading.Event()

    def tell() -> None:
        figures = worker.figures()
        figures.log_lines = counter.lines
        say({"figures": figures.to_plain(), "memory": memory()})

    def tell_each_second() -> None:
        while not is_over.wait(1.0):
            tell()

    teller = threading.Thread(target=tell_each_second)
    teller.start()
    try:
        worker.work()
    finally:
        is_over.set()
        teller.join()
    tell()
    say({"end": number})


if __name__ == "__main__":
    main()
