"""What goes wrong, one thing at a time, at random moments and for random times."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable

import redis
from servers import Server

from .line import Line

PAUSE = (0.2, 1.5)  # seconds between two faults
LOADED_WITHIN = 120.0
RECENT = 40  # faults that are kept for a report


class Faults:
    """Does harm to a server and to the lines that lead to it."""

    def __init__(self, server: Server, lines: list[Line], seed: str) -> None:
        self._server, self._lines, self._chance = server, lines, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.recent: deque[str] = deque(maxlen=RECENT)
        self._kinds: list[tuple[str, Callable[[], None], float]] = [
            ("CLIENT KILL", self._kill_clients, 4),
            ("cut at a byte", self._cut, 5),
            ("SIGSTOP", self._freeze, 3),
            ("delays", self._delay, 3),
            ("black hole", self._block, 3),
            ("refused connections", self._refuse, 2),
            ("kill -9", self._crash, 1),
            ("restart", self._restart, 1),
        ]

    def next(self) -> None:
        """Does one thing, and undoes what can be undone."""
        (kind,) = self._chance.choices(self._kinds, [weight for _, _, weight in self._kinds])
        name, harm, _ = kind
        started = time.time()
        harm()
        self.counts[name] += 1
        self.recent.append(f"{started:.3f} to {time.time():.3f}: {name}")
        time.sleep(self._chance.uniform(*PAUSE))

    def _last(self, least: float, most: float) -> None:
        time.sleep(self._chance.uniform(least, most))

    def _start(self) -> None:
        """Much data on a busy machine takes longer to load than a test of seconds would wait."""
        self._server.start(wait=False)
        deadline = time.monotonic() + LOADED_WITHIN
        while not self._server.knock().startswith(b"+PONG"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._server} does not come back\n{self._server.log()}")
            time.sleep(0.02)

    def _kill_clients(self) -> None:
        with contextlib.closing(self._server.client(socket_timeout=5.0)) as client:
            for entry in client.client_list():
                if self._chance.random() < 0.5:
                    with contextlib.suppress(redis.RedisError):  # it has left already
                        client.client_kill_filter(_id=entry["id"], skipme=True)

    def _cut(self) -> None:
        for line in self._lines:
            line.cut(self._chance.choice((0.2, 1.0)))

    def _freeze(self) -> None:
        with self._server.frozen():
            self._last(0.05, self._chance.choice((0.5, 4.0)))

    def _delay(self) -> None:
        for line in self._lines:
            line.delay(self._chance.choice((0.01, 0.2)))
        self._last(0.2, 2.0)
        for line in self._lines:
            line.delay(0.0)

    def _block(self) -> None:
        line = self._chance.choice(self._lines)
        line.block()
        self._last(0.2, 4.0)
        if self._chance.random() < 0.5:
            line.cut(1.0)
        line.unblock()

    def _refuse(self) -> None:
        for line in self._lines:
            line.refuse(True)
            line.cut(0.5)
        self._last(0.1, 1.0)
        for line in self._lines:
            line.refuse(False)

    def _crash(self) -> None:
        self._server.kill()
        self._last(0.0, 1.0)
        self._start()

    def _restart(self) -> None:
        self._server.stop()
        self._last(0.0, 0.5)
        self._start()
