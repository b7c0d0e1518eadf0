"""Prepares and starts a command so that every Python in it follows STORAGE_KV_BACKEND.

The switch travels in PYTHONPATH, which child processes inherit. The command replaces this process: its exit
code, its signals and its terminal are its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import NoReturn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch")


def launch_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the launch folder in front of PYTHONPATH, once."""
    present = environ.get("PYTHONPATH")
    others = [entry for entry in present.split(os.pathsep) if entry != FOLDER] if present else []
    return {**environ, "PYTHONPATH": os.pathsep.join([FOLDER, *others])}


def find_program(name: str) -> str | None:
    """Where a shell would find this command."""
    return shutil.which(name)


def launch(program: str, command: Sequence[str]) -> NoReturn:
    """Replaces this process by `program`, with `command` (its name included) as arguments."""
    os.execve(program, list(command), launch_environment(os.environ))
