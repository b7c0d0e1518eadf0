"""Lets every single allocation of every public operation fail, one after the other, against a real server:

    python tests/oom/run.py [WORD...]       only operations whose names hold one of these words

Allocation 1 fails, then allocation 2, and so on, until the operation comes to its end without a failure. Each time it
must have answered right or raised MemoryError, hold no more than before, and answer right when it is called again.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import inspect
import logging
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tls")]

import operations  # noqa: E402
from certificates import HERE as HOSTS  # noqa: E402
from certificates import Authority  # noqa: E402
from memory import calm, fail, what_grows  # noqa: E402
from operations import FUNCTIONS, METHODS, Operation, World, quick  # noqa: E402
from servers import Server  # noqa: E402
from tls_servers import TlsServer  # noqa: E402

from nano_graphrag_redis import _native  # noqa: E402

PATIENCE = 20.0  # seconds: a call that takes longer hangs
RIGHT, RAISED = "right answers", "MemoryErrors"


class Complaints:
    """What nobody could be told: exceptions in callbacks. Those about memory are as it should be."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def unraisable(self, told: sys.UnraisableHookArgs) -> None:
        if told.exc_type is not MemoryError:
            self.heard.append(f"unraisable {told.exc_value!r} in {told.object!r}")

    def in_loop(self, _: object, context: dict[str, Any]) -> None:
        is_unborn = context["message"].startswith("Task was destroyed")  # its constructor had no memory
        if not is_unborn and not isinstance(context.get("exception"), MemoryError):
            self.heard.append(f"in the loop: {context}")


COMPLAINTS = Complaints()


# --- one attempt -------------------------------------------------------------------------------------------


async def outcome(operation: Operation, world: World) -> object:
    """What the operation answers or raises."""

    async def call() -> object:
        try:
            answer = operation.call(world)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            error.__traceback__ = None
            return error

    task = asyncio.ensure_future(call())
    deadline = time.monotonic() + PATIENCE
    while not task.done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still waiting after {PATIENCE} s")
        await asyncio.sleep(0)
    return task.result()


def is_right(operation: Operation, got: object) -> bool:
    wanted = operation.wants
    if isinstance(wanted, type) and issubclass(wanted, Exception):
        return type(got) is wanted
    return (wanted is None and not isinstance(got, Exception)) or bool(got == wanted)


async def attempt(operation: Operation, world: World, nth: int) -> tuple[str, bool]:
    """Lets allocation number `nth` fail: how the operation ended, and whether it had as many allocations."""
    if operation.prepare:
        await operation.prepare(world)
    fail(nth)
    try:
        got = await outcome(operation, world)
    finally:
        has_failed = calm()
    if isinstance(got, MemoryError) and has_failed:
        return RAISED, has_failed
    assert is_right(operation, got), repr(got)
    assert operation.can_do_without or not has_failed, "nobody noticed"
    return RIGHT, has_failed


def is_forgotten(timer: Any) -> bool:
    """Whether a timer is kept by the event loop alone: it was cancelled, or could be made but not be handed over."""
    is_ours = type(timer._callback).__module__ == _native.__name__
    return timer.cancelled() or (is_ours and not any(x is timer for x in gc.get_referents(timer._callback)))


async def settle() -> None:
    """Lets end what an operation does not wait for; nor do we wait for the time of timers that do nothing."""
    loop: Any = asyncio.get_running_loop()
    await loop.run_in_executor(None, int)
    for _ in range(5):
        await asyncio.sleep(0)
    loop._scheduled[:] = [timer for timer in loop._scheduled if not is_forgotten(timer)]
    heapq.heapify(loop._scheduled)
    loop._timer_cancelled_count = 0


async def check_usable(operation: Operation, world: World) -> None:
    if operation.prepare:
        await operation.prepare(world)
    got = await outcome(operation, world)
    assert is_right(operation, got), f"the next call: {got!r}"


# --- all attempts ------------------------------------------------------------------------------------------


class Walk:
    """All attempts of one operation."""

    def __init__(self, operation: Operation, world: World) -> None:
        self.operation, self.world = operation, world
        self.ended: Counter[str] = Counter()
        self.problems: list[str] = []
        self.tried = 0

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(check_usable(self.operation, self.world))
        while len(self.problems) < 5:
            self.tried += 1
            endings: set[tuple[str, bool]] = set()
            COMPLAINTS.heard.clear()
            try:
                grown = self.what_grows(loop, endings)
            except (AssertionError, TimeoutError) as problem:
                calm()
                self.problems.append(f"allocation {self.tried} failed: {problem}")
                continue
            self.problems += COMPLAINTS.heard
            if not any(has_failed for _, has_failed in endings):
                return
            self.ended.update(ended for ended, has_failed in endings if has_failed)
            if grown:
                self.problems.append(f"allocation {self.tried} failed: left behind: {', '.join(grown)}")

    def what_grows(self, loop: asyncio.AbstractEventLoop, endings: set[tuple[str, bool]]) -> list[str]:
        """What is held more after each attempt; notes how the attempts ended, which may depend on the time."""
        watched = {
            "the Store": self.world.kv._store,
            "None": None,
            "True": True,
            "the type Future": asyncio.Future,
            "the type Store": _native.Store,
            "the event loop": loop,
            "the value": operations.RECORD,
        }

        def once() -> None:
            endings.add(loop.run_until_complete(attempt(self.operation, self.world, self.tried)))
            loop.run_until_complete(check_usable(self.operation, self.world))
            loop.run_until_complete(settle())

        return what_grows(once, list(watched.values()), list(watched))

    def report(self) -> str:
        tail = ", ".join(f"{count} {what}" for what, count in self.ended.items() if count)
        return f"{self.operation.name:28} {self.tried - 1:5} failures: {tail or 'none'}"


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as folder, Server(password="p@ss word") as server:
        authority = Authority(Path(folder), "tests")
        with TlsServer(authority.issue(*HOSTS), authority.cert) as tls:
            w = World(
                kv=quick(server.url),
                expiring=quick(server.url, "llm_response_cache", redis_ttl_sliding=True),
                small_steps=quick(server.url, "full_docs", redis_max_atomic_bytes=1024, redis_max_value_bytes=8192),
                by_name=quick(server.url.replace("127.0.0.1", "localhost") + "/3"),
                by_tls=quick(tls.url, redis_ssl_ca_certs=authority.cert, redis_key_prefix="tls"),
                other=server.client(),
            )  # fmt: skip
            await operations.fill(w)
            yield w
            w.other.close()
            for kv in (w.kv, w.expiring, w.small_steps, w.by_name, w.by_tls):
                await kv.aclose()


@contextmanager
def new_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))  # one thread: when it is idle, no lookup is under way
    loop.set_exception_handler(COMPLAINTS.in_loop)
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()


def main(words: list[str]) -> int:
    logging.disable()  # connections come and go here
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # for the task it should have been in
    for name in [name for name in os.environ if name.startswith(("REDIS_", "NGR_", "STORAGE_"))]:
        del os.environ[name]
    sys.unraisablehook = COMPLAINTS.unraisable
    problems = 0
    with new_loop() as loop:
        making = world()
        w = loop.run_until_complete(making.__aenter__())
        gc.collect()
        gc.freeze()  # what is there already is not looked at again and again
        for operation in [*FUNCTIONS, *METHODS]:
            if words and not any(word in operation.name for word in words):
                continue
            walk = Walk(operation, w)
            started = time.monotonic()
            walk.run(loop)
            print(f"{walk.report()}; {time.monotonic() - started:.1f} s", flush=True)
            for problem in walk.problems:
                print(f"    {problem}", flush=True)
            problems += len(walk.problems)
        loop.run_until_complete(making.__aexit__(None, None, None))
    print(f"{problems} problems" if problems else "every allocation may fail")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
