"""`ngr-redis run`: checks the variable, then becomes the command."""

from __future__ import annotations

import argparse
import sys

from ..integration.backend import VARIABLE, chosen_backend
from ..integration.launcher import find_program, launch


def run(options: argparse.Namespace) -> int:
    command = _resolve(options.command)
    if not command:
        print("ngr-redis run: no command given, as in: ngr-redis run python app.py", file=sys.stderr)
        return 2
    if chosen_backend() is None:
        print(
            f"ngr-redis: {VARIABLE} is not set; JSON files are used unless the program sets it to redis",
            file=sys.stderr,
        )
    program = find_program(command[0])
    if program is None:
        print(f"ngr-redis: {command[0]}: command not found{_hint(command[0])}", file=sys.stderr)
        return 127
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        launch(program, command)
    except OSError as error:
        print(f"ngr-redis: {command[0]} is there but cannot be started: {error.strerror}", file=sys.stderr)
        return 126


def _resolve(command: list[str]) -> list[str]:
    """`-m module` runs under this very Python."""
    return [sys.executable, *command] if command[:1] == ["-m"] and len(command) > 1 else command


def _hint(program: str) -> str:
    return f" (to run a script: ngr-redis run python {program})" if program.endswith(".py") else ""
