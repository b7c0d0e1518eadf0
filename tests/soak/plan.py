"""What a run consists of. All processes derive the same workers, lanes and keys from this file, without talking."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

LANES = 4  # tasks in one loop; each owns its keys
CALM = "text_chunks"  # single entries without a lifetime
FADING = "llm_response_cache"  # single entries with one (12 hours: nothing expires here)
CALM_BATCHES, FADING_BATCHES = "full_docs", "community_reports"
TINY, DOCUMENTS = 8, 24  # single entries of a lane in each namespace; those in a namespace of its own too
BATCH_SIZES = (2, 9, 40, 150, 400, 1000)  # a batch is always written whole
SLACK = 4.0  # seconds beyond its bound: a line with delays makes progress for up to 2 s, and the machine is busy


@dataclass(frozen=True)
class Style:
    """One worker: how it reaches the server, and how patient it is."""

    way: str  # plain or tls: through a line with faults; direct: the server's Unix socket
    loops: int
    round_seconds: float
    retries: int
    connections: int
    is_mixed: bool = False  # half of its lanes write as the older class does
    shares_storages: bool = False  # its loops use the same objects

    def title(self, number: int) -> str:
        return f"worker {number} ({self.way}{', mixed' if self.is_mixed else ''})"


STYLES = (
    Style("plain", loops=2, round_seconds=7, retries=6, connections=8, shares_storages=True),
    Style("tls", loops=2, round_seconds=20, retries=2, connections=2),
    Style("direct", loops=1, round_seconds=45, retries=0, connections=50),
    Style("plain", loops=1, round_seconds=12, retries=3, connections=4, is_mixed=True),
)


@dataclass(frozen=True)
class Plan:
    seed: int
    until: float  # time.time() when the last call is made
    socket: str
    plain_port: int  # of the line, not of the server
    tls_port: int
    ca: str

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Plan:
        return cls(**json.loads(text))

    def url(self, worker: int) -> str:
        name = f"?client_name={client_name(worker)}"
        way = STYLES[worker].way
        if way == "direct":
            return f"unix://{self.socket}{name}"
        start = f"redis://127.0.0.1:{self.plain_port}" if way == "plain" else f"rediss://127.0.0.1:{self.tls_port}"
        return start + name

    def settings(self, worker: int) -> dict[str, Any]:
        style = STYLES[worker]
        return {
            "redis_url": self.url(worker),
            "redis_connection_timeout": 1.0,
            "redis_socket_timeout": 1.0,
            "redis_retry_attempts": style.retries,
            "redis_retry_base": 0.05,
            "redis_retry_cap": 0.4,
            "redis_max_connections": style.connections,
            "redis_health_check_interval": 0.5,
            **({"redis_ssl_ca_certs": self.ca} if style.way == "tls" else {}),
        }


def client_name(worker: int) -> str:
    return f"soak-{worker}"


@dataclass(frozen=True)
class Lane:
    """Who owns which keys: one lane is the only writer of its own."""

    worker: int
    loop: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.worker}.{self.loop}.{self.number}"

    @property
    def own_namespace(self) -> str:
        return f"own-{self.name}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those with single entries."""
        return CALM, FADING, self.own_namespace

    def tiny(self) -> list[str]:
        return [f"{self.name}-tiny-{n}" for n in range(TINY)]

    def documents(self) -> list[str]:
        return [f"{self.name}-doc-{n}" for n in range(DOCUMENTS)]

    def singles(self) -> list[str]:
        return self.tiny() + self.documents()

    def batches(self) -> list[tuple[str, list[str]]]:
        """Namespace and ids of each batch."""
        first = (self.worker + self.loop + self.number) % len(BATCH_SIZES)
        sizes = BATCH_SIZES[first], BATCH_SIZES[(first + 3) % len(BATCH_SIZES)]
        return [
            (namespace, [f"{self.name}-batch-{size}-{n}" for n in range(size)])
            for namespace, size in zip((CALM_BATCHES, FADING_BATCHES), sizes, strict=True)
        ]


def lanes_of(worker: int, loop: int) -> list[Lane]:
    return [Lane(worker, loop, number) for number in range(LANES)]


def all_lanes() -> list[Lane]:
    loops = [(worker, loop) for worker, style in enumerate(STYLES) for loop in range(style.loops)]
    return [lane for worker, loop in loops for lane in lanes_of(worker, loop)]


def key_of(namespace: str, id: str) -> str:
    """The key on the server."""
    return f"nano_graphrag:{namespace}:{id}"
