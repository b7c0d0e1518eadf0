"""Runs one job in a new process and passes on what it reports.

The process gets everything that makes its prompts repeatable. Knows nothing of what is shown, or why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class JobFailed(Exception):
    """A job ended without an answer; the message is for the user."""


@dataclass(frozen=True)
class Outcome:
    """What a job has come to: the time for indexing and answering, the model's calls, the store's answers."""

    seconds: float
    calls: int
    found: int
    question: str
    text: str


def run_job(job: dict[str, Any], log: Path, on_event: Callable[[Event], None]) -> Outcome:
    """Waits for the job to end; `on_event` sees each of its reports. Raises JobFailed."""
    outcome = None
    with open(log, "ab") as errors:
        process = start(errors)
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            json.dump(job, process.stdin)
            process.stdin.close()
            for line in process.stdout:
                event = json.loads(line)
                kind = event.pop("event")
                if kind == "failed":
                    raise JobFailed(event["reason"])
                if kind == "answered":
                    outcome = Outcome(**event)
                on_event({"event": kind, **event})
        except BaseException:
            process.terminate()
            raise
    if outcome is None or process.returncode:
        raise JobFailed(f"nano-graphrag did not finish; the end of {log}:\n{tail(log)}")
    return outcome


def start(errors: Any) -> subprocess.Popen[str]:
    # nano-graphrag writes sets into prompts: with another hash seed it asks in another order
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "demo.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        encoding="utf-8",
    )


def tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()[-5:]
    return "\n".join(f"    {line}" for line in lines)
