"""A line to the server on which faults happen: bytes are held back, the way is blocked, connections are cut in the
middle of a message. It knows nothing of Redis and passes TLS on as it comes. It runs in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass

START_WITHIN = 10.0


@dataclass(eq=False)
class Passage:
    """One direction of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    until_cut: int | None = None  # bytes that still pass


class Line:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target` while the `with` block lasts."""

    def __init__(self, target: int, seed: str) -> None:
        self._target, self._chance = target, random.Random(seed)
        self._passages: set[Passage] = set()
        self._delay = 0.0
        self._refuses = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_ready = threading.Event()

    def __enter__(self) -> Line:
        self._thread.start()
        assert self._is_ready.wait(START_WITHIN), "the line does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_WITHIN)

    # --- faults; called from another thread --------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Each piece of up to 64 KiB is held back up to so long."""
        self._delay = seconds

    def refuse(self, does: bool) -> None:
        """New connections end at once."""
        self._refuses = does

    def block(self) -> None:
        """Nothing passes any more; everything that comes waits."""
        self._loop.call_soon_threadsafe(self._is_open.clear)

    def unblock(self) -> None:
        self._loop.call_soon_threadsafe(self._is_open.set)

    def cut(self, share: float) -> None:
        """Of the connections that are open, so many die, each after a random number of bytes in one direction."""
        self._loop.call_soon_threadsafe(self._cut, share)

    def _cut(self, share: float) -> None:
        for passage in self._passages:
            if self._chance.random() < share:
                passage.until_cut = self._chance.randint(1, self._chance.choice((40, 2_000, 200_000)))

    # --- passing on ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._end, self._is_open = asyncio.Event(), asyncio.Event()
        self._is_open.set()
        door = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = door.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._end.wait()
        door.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        passages = Passage(reader, there[1]), Passage(there[0], writer)
        self._passages.update(passages)
        try:
            await asyncio.gather(*[self._pass_on(passage) for passage in passages])
        except (OSError, asyncio.CancelledError):  # a fault, or the end of the run
            for passage in passages:
                passage.writer.transport.abort()
        finally:
            self._passages.difference_update(passages)

    async def _pass_on(self, passage: Passage) -> None:
        """Until the end, which is passed on, too; a cut ends both directions with a reset."""
        while data := await passage.reader.read(65536):
            if self._delay:
                await asyncio.sleep(self._chance.uniform(0, self._delay))
            await self._is_open.wait()
            if passage.until_cut is not None:
                passage.until_cut -= len(data)
                if passage.until_cut <= 0:
                    passage.writer.write(data[: len(data) + passage.until_cut])
                    raise ConnectionResetError
            passage.writer.write(data)
            await passage.writer.drain()
        passage.writer.close()
