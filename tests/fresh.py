"""Runs a piece of Python in a process of its own, for tests about the start, the end and the memory of one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import nano_graphrag_redis

HERE = Path(__file__).parent  # where the process starts: what lies here, and no other copy of the package
PACKAGE_HOME = str(Path(nano_graphrag_redis.__file__).parent.parent)


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str

    def assert_silent(self) -> None:
        """It ended well and had nothing to complain about."""
        assert (self.code, self.err) == (0, ""), f"exit {self.code}, stdout {self.out!r}, stderr:\n{self.err}"


def run(
    code: str, *arguments: str, flags: tuple[str, ...] = (), within: float = 60.0, **environ: str
) -> Ended:
    """Runs `code`, which may import the modules beside this one; a process that does not end is a failure."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=within,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": PACKAGE_HOME, **environ},
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
