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
    folder: str | None = None  # with files, for a contestant that keeps some
    authority: str | None = None  # who has signed the server's certificate (a PEM file), when TLS is spoken

    @property
    def url(self) -> str:
        if self.socket:
            return f"unix://{self.socket}"
        return f"{'rediss' if self.authority else 'redis'}://127.0.0.1:{self.port}"


def key(namespace: str, id: str) -> str:
    return f"{PREFIX}:{namespace}:{id}"
