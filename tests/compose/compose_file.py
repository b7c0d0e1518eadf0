"""Reads docker-compose-redis.yml as docker does, and runs its parts on this machine's redis-server.

Nothing of the file is rewritten: the service's own command and probe run in a shell whose PATH starts
with two wrappers, which add nothing but the socket of the test. The working directory is a folder of the
test.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent.parent.parent / "docker-compose-redis.yml"

Environment = dict[str, str]


class MissingVariable(Exception):
    """A variable that the file requires is not set; the text is the file's own message."""


def interpolate(text: str, environment: Environment) -> str:
    """Docker's rules for $$, ${NAME:-default} and ${NAME:?message}."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, operator, rest = match["name"], match["operator"], match["rest"]
        if environment.get(name):
            return environment[name]
        if operator == ":?":
            raise MissingVariable(rest)
        return rest or ""

    variable = r"\$\$|\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}"
    return re.sub(variable, replace, text)


def interpolated(value: Any, environment: Environment) -> Any:
    if isinstance(value, dict):
        return {key: interpolated(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, environment) for item in value]
    return interpolate(value, environment) if isinstance(value, str) else value


def load(**environment: str) -> dict[str, Any]:
    """The file as docker would use it, with these variables set."""
    loaded: dict[str, Any] = interpolated(yaml.safe_load(FILE.read_text()), environment)
    return loaded


class Container:
    """The service `redis` without docker: its environment, its command, its probe."""

    def __init__(self, folder: Path, wrapped: dict[str, str], **environment: str) -> None:
        """`wrapped` gives for a program the line that runs in its place; "$@" are the file's arguments."""
        self.folder = folder
        self.service = load(**environment)["services"]["redis"]
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, line in wrapped.items():
            (self.bin / name).write_text(f"#!/bin/sh\nexec {line}\n")
            (self.bin / name).chmod(0o755)
        self.environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", **self.service["environment"]}

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Runs the command as the first of a process group of its own."""
        command: list[str] = self.service["command"]
        with log.open("ab") as out:
            return subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=out, stderr=out, start_new_session=True
            )

    def is_healthy(self, **environment: str) -> bool:
        """Runs the probe, as docker runs CMD-SHELL; its exit code is all that docker looks at."""
        kind, line = self.service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env={**self.environment, **environment},
            capture_output=True,
            timeout=20,
            check=False,
        )
        return done.returncode == 0
