"""A TCP proxy between the storage and a server that holds answers back, or cuts the line after so many bytes.

It runs an event loop in a thread of its own, so that it goes on whatever the client's loop does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable


class Proxy:
    """Forwards to 127.0.0.1:`port` while the `with` block lasts.

    `delay` gives the seconds that each piece of an answer is held back; `cut_after`, a number of bytes: the next
    connection dies, both ways and with a reset, once so many bytes of requests have been passed on.
    """

    def __init__(self, port: int, delay: Callable[[], float] = lambda: 0.0) -> None:
        self._target = port
        self.delay = delay
        self.cut_after: int | None = None
        self.accepted = 0
        self.passed = 0  # bytes of requests, over all connections
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(5.0), "the proxy does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10.0)
        assert not self._thread.is_alive(), "the proxy does not end"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        door = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = door.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        door.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        budget, self.cut_after = self.cut_after, None
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.ensure_future(self._hold_back(there_reader, writer))
        try:
            await self._pass_on(reader, there_writer, budget)
        finally:
            back.cancel()
            for line in (writer, there_writer):
                line.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None
    ) -> None:
        while data := await reader.read(65536 if budget is None else max(1, budget)):
            writer.write(data)
            self.passed += len(data)
            await writer.drain()
            if budget is not None:
                budget -= len(data)
                if budget <= 0:
                    return

    async def _hold_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay())
                writer.write(data)
        writer.transport.abort()


def between(least: float, most: float, seed: int) -> Callable[[], float]:
    """Delays from a seeded generator."""
    generator = random.Random(seed)
    return lambda: generator.uniform(least, most)
