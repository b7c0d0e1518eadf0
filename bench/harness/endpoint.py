"""Where the contestants connect to, and how keys are named there. Imports no client, so that the memory of
one can be measured."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "nano_graphrag"


@dataclass(frozen=True)
class Endpoint:
    """Where the contestants connect to."""

    port: int
    socket: str | None = None  # the path, when the run is to use it

    @property
    def url(self) -> str:
        return f"unix://{self.socket}" if self.socket else f"redis://127.0.0.1:{self.port}"


def key(namespace: str, id: str) -> str:
    return f"{PREFIX}:{namespace}:{id}"
