"""Runs the soak: `python -m soak --seconds 600 --seed 1`, with tests/ on the path. Exits with 1 on any violation."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from certificates import HERE, Authority
from servers import Server, free_port

from . import report
from .faults import Faults
from .figures import Figures
from .line import Line
from .plan import STYLES, Plan

EVERY = 10.0  # seconds between two lines of progress
READY_WITHIN = 60.0
END_WITHIN = 180.0  # seconds that the last round and its look at every key may take
SHOWN = 10  # violations that are printed in full


class Member:
    """One process of the run, and what it has said so far."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self.figures = Figures()
        self.memory: list[int] = []  # once a second
        self.at_rest: list[int] = []  # after each round, when nothing is under way
        self.violations: list[dict[str, Any]] = []
        self.logged: deque[str] = deque(maxlen=20)
        self.has_ended = False
        self._is_ready = threading.Event()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - end() closes it
        command = [sys.executable, "-W", "default", "-m", *arguments]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        # Objects of Python in malloc's books, where worker.memory_at_rest() looks.
        environment = {**os.environ, "PYTHONMALLOC": "malloc"}
        self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def begin(self, plan: Plan) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:  # end() tells why it has died
            pipe.write(plan.to_text() + "\n")

    def wait_until_ready(self) -> None:
        self._is_ready.wait(READY_WITHIN)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            words = json.loads(line)
            if "figures" in words:
                self.figures = Figures.from_plain(words["figures"])
                self.memory.append(words["memory"])
            elif "violation" in words:
                self.violations.append(words)
            elif "log" in words:
                self.logged.append(words["log"])
            elif "at rest" in words:
                self.at_rest.append(words["at rest"])
            elif "ready" in words:
                self._is_ready.set()
            else:
                self.has_ended = True

    def end(self, within: float) -> str:
        """Waits for the end of the process; answers what it should not have done, if anything."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, within))
        self._process.kill()
        self._thread.join()
        code = self._process.wait()
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace")
        self._errors.close()
        ending = "" if self.has_ended and code == 0 else f"{self.name} ended with exit code {code}\n"
        return ending + (f"{self.name} wrote to stderr:\n{errors}" if errors else "")


class Run:
    """The server, the lines, the members, the faults: from the start to the verdict."""

    def __init__(self, seconds: float, seed: int, folder: Path) -> None:
        self._seconds, self._seed = seconds, seed
        authority = Authority(folder, "soak")
        identity = authority.issue(*HERE)
        self._ca, self._tls_port = authority.cert, free_port()
        tls = ["--tls-port", str(self._tls_port), "--tls-auth-clients", "no", "--tls-ca-cert-file", authority.cert]
        tls += ["--tls-cert-file", identity.cert, "--tls-key-file", identity.key]
        self._server = Server("redis", "--appendfsync", "always", *tls, appendonly=True)

    def run(self) -> bool:
        """Whether all went well."""
        plain, tls = Line(self._server.port, f"{self._seed}-plain"), Line(self._tls_port, f"{self._seed}-tls")
        with self._server, plain, tls:
            members = [Member(style.title(number), "soak.worker", str(number)) for number, style in enumerate(STYLES)]
            self._members = [*members, Member("the watcher", "soak.watcher")]
            for member in self._members:
                member.wait_until_ready()
            self._faults = Faults(self._server, [plain, tls], f"{self._seed}-faults")
            self._started = time.time()
            until = self._started + self._seconds
            plan = Plan(self._seed, until, str(self._server.socket), plain.port, tls.port, self._ca)
            for member in self._members:
                member.begin(plan)
            limit = 0.0
            try:
                self._do_harm(until)
                limit = time.time() + END_WITHIN
            finally:
                troubles = [trouble for member in self._members if (trouble := member.end(limit - time.time()))]
        return self._judge(troubles)

    def _do_harm(self, until: float) -> None:
        """Faults until the last call is made: what follows, every key is looked at on a healthy server."""
        next_line = self._started + EVERY
        while time.time() < until:
            self._faults.next()
            if time.time() >= next_line:
                next_line = time.time() + EVERY
                memory = [member.memory[-1] for member in self._members if member.memory]
                elapsed = time.time() - self._started
                print(report.progress(elapsed, self._seconds, self._total(), self._faults.counts, memory), flush=True)

    def _total(self) -> Figures:
        total = Figures()
        for member in self._members:
            total.add(member.figures)
        return total

    def _judge(self, troubles: list[str]) -> bool:
        total = self._total()
        memory = {member.name: (member.memory, member.at_rest) for member in self._members if member.at_rest}
        is_judged = self._seconds >= report.JUDGED_FROM
        growing = [name for name, (_, at_rest) in memory.items() if is_judged and not report.is_flat(at_rest)]
        violations = [violation for member in self._members for violation in member.violations]
        print(report.summary(total, self._faults.counts, memory, self._seconds))
        is_good = not (violations or troubles or growing or total.violations.total())
        if not is_good:
            for violation in violations[:SHOWN]:
                print(f"\n{violation['violation']}: {violation['text']}")
            print("\nthe last faults:", *self._faults.recent, sep="\n    ")
            for member in self._members:
                print(f"the last log lines of {member.name}:", *member.logged, sep="\n    ")
            print(*troubles, sep="\n")
        print(f"{'sound' if is_good else 'NOT SOUND'}: make soak SECONDS={self._seconds:.0f} SEED={self._seed}")
        return is_good


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"soak: {arguments.seconds:.0f} s, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ngr-soak-") as folder:
        return 0 if Run(arguments.seconds, seed, Path(folder)).run() else 1


if __name__ == "__main__":
    sys.exit(main())
