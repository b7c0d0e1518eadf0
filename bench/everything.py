"""All measurements, one after the other, and the pages that show them.

    python bench/everything.py [--part NAME] [--rounds N] [--json FILE]

Each part is a run of kv.py in a process of its own, so that none meets what another has left behind. Parts that
are not measured stay as they are in the file. With --json the figures go there, and no page is written:
`bench/publish.py FILE FOLDER` makes some."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import publish
from harness import figures, fresh, gate, workloads

KV = Path(__file__).with_name("kv.py")
CALLS = [workload.name for workload in workloads.ALL]
ALONE = [workload.name for workload in fresh.ALL]


@dataclass(frozen=True)
class Part:
    name: str
    about: str
    rounds: int
    only: list[str]
    options: tuple[str, ...] = ()
    minutes: float = 1.0  # on two processors


PARTS = (
    Part("main", "all workloads over loopback TCP", 7, [*CALLS, *ALONE, "codec"], minutes=5),
    Part("scaling", "from 1 to 1,000 tasks", 3, ["scaling"], minutes=2),
    Part("growth", "from 1,000 to 1,000,000 rows", 9, ["growth"], minutes=1),
    Part("worker", "the memory of a worker", 2, ["worker"], minutes=1.5),
    Part("uvloop", "the same calls under uvloop", 3, CALLS, ("--uvloop",), minutes=2),
    Part("unix", "the same calls over a Unix socket", 3, CALLS, ("--transport", "unix"), minutes=2),
    Part("tls", "the same calls over TLS", 3, CALLS, ("--transport", "tls"), minutes=4),
)


def measure(part: Part, rounds: int | None) -> dict[str, Any]:
    chosen = [word for name in part.only for word in ("--only", name)]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, str(KV), *chosen, *part.options]
        command += ["--rounds", str(rounds or part.rounds), "--json", file.name]
        subprocess.run(command, check=True)
        measured: dict[str, Any] = json.loads(Path(file.name).read_text(encoding="utf-8"))
    return {"options": list(part.options), **measured}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="instead of docs/ and README.md")
    parser.add_argument("--part", action="append", choices=[part.name for part in PARTS], help="default: all")
    parser.add_argument("--rounds", type=int, help="instead of each part's own number")
    options = parser.parse_args()
    file = options.json or publish.FIGURES
    parts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen = [part for part in PARTS if not options.part or part.name in options.part]
    start = time.monotonic()
    for number, part in enumerate(chosen):
        left = sum(other.minutes for other in chosen[number:])
        print(f"\n=== {number + 1} of {len(chosen)}: {part.about} (about {left:.0f} minutes to go)", flush=True)
        parts[part.name] = measure(part, options.rounds)
        figures.write(file, {part.name: parts[part.name] for part in PARTS if part.name in parts})
    if "main" in parts:
        gate.print_verdicts(gate.verdicts(parts["main"]["workloads"]))
    if not options.json:
        publish.publish()
    print(f"\n{(time.monotonic() - start) / 60:.0f} minutes; the figures are in {file}")


if __name__ == "__main__":
    main()
