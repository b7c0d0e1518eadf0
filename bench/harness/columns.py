"""What a measurement gives: figures in seconds or bytes, by the names of their columns."""

from __future__ import annotations

from dataclasses import dataclass

Figures = dict[str, float]


@dataclass(frozen=True)
class Column:
    """A figure of a workload; less is better. `scale` turns seconds or bytes into the unit."""

    name: str
    unit: str
    scale: float = 1.0


WALL = Column("wall", "us", 1e6)
CPU = Column("cpu", "us", 1e6)
KIB = 1 / 1024
