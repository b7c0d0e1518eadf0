"""What each key may hold, as the README promises it:

* an acknowledged write is the value;
* a write whose call failed, timed out or was cancelled "may still take effect": now, or later, as long as a connection
  that carried it may be alive. The same holds for the earlier tries of an acknowledged call that had to be repeated.

Once no connection is left that carried them, settle() ends all doubt: what is read then is the value.
Each key has one writer at a time; reads may overlap with anything. One model belongs to one event loop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .values import ABSENT

MEMORY = 8  # events per key that are kept for a report


@dataclass(slots=True)
class Cell:
    """One key."""

    allowed: set[int] = field(default_factory=lambda: {ABSENT})
    late: dict[int, str] = field(default_factory=dict)  # what may still land, and why it may
    is_certain: bool = True  # no write has failed since the last acknowledged one
    acknowledged: int = ABSENT
    looks: list[set[int]] = field(default_factory=list)  # reads under way: what each of them may find
    history: deque[tuple[Any, ...]] = field(default_factory=lambda: deque(maxlen=MEMORY))

    def overtaken(self) -> dict[int, str]:
        """The writes that are known to be older than the last acknowledged one and may land still, with the reason."""
        if not self.is_certain:
            return {}
        return {generation: why for generation, why in self.late.items() if generation != self.acknowledged}


class Look:
    """A read under way; what is written meanwhile may be found, too."""

    def __init__(self, cells: list[Cell]) -> None:
        self._cells = cells
        self.allowed = [set(cell.allowed) for cell in cells]
        self._late = [cell.overtaken() for cell in cells]
        for cell, found in zip(cells, self.allowed, strict=True):
            cell.looks.append(found)

    def end(self) -> None:
        for cell, found in zip(self._cells, self.allowed, strict=True):
            for position, other in enumerate(cell.looks):
                if other is found:
                    del cell.looks[position]
                    break

    def why_late(self, position: int, generation: int) -> str | None:
        """Why a value may be found although a newer write had been acknowledged when the look began, if so."""
        return self._late[position].get(generation)


class Write:
    """A write under way, of one generation to some keys; a deletion writes ABSENT."""

    def __init__(self, cells: list[Cell], generation: int, what: str) -> None:
        self._cells, self._generation, self._what = cells, generation, what
        for cell in cells:
            cell.allowed.add(generation)
            for found in cell.looks:
                found.add(generation)

    def acknowledged(self, was_repeated: bool) -> None:
        note = self._note("acknowledged, repeated" if was_repeated else "acknowledged")
        for cell in self._cells:
            if was_repeated:
                cell.late[self._generation] = "sent twice"
            cell.allowed = {self._generation, *cell.late}
            cell.is_certain, cell.acknowledged = True, self._generation
            cell.history.append(note)

    def undecided(self, why: str) -> None:
        note = self._note(why)
        for cell in self._cells:
            cell.late[self._generation] = why
            cell.is_certain = False
            cell.history.append(note)

    def _note(self, outcome: str) -> tuple[Any, ...]:
        return time.time(), self._what, self._generation, outcome


class Model:
    """All keys of one loop."""

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self._generation = ABSENT

    def add(self, keys: Iterable[str]) -> None:
        self.cells.update((key, Cell()) for key in keys)

    def next_generation(self) -> int:
        self._generation += 1
        return self._generation

    def look(self, keys: Iterable[str]) -> Look:
        return Look([self.cells[key] for key in keys])

    def write(self, keys: Iterable[str], generation: int, what: str) -> Write:
        return Write([self.cells[key] for key in keys], generation, what)

    def settle(self, key: str, generation: int) -> bool:
        """Whether `generation` may be what `key` holds now that nothing is under way; from here on it is."""
        cell = self.cells[key]
        is_allowed = generation in cell.allowed
        cell.allowed, cell.late = {generation}, {}
        cell.is_certain, cell.acknowledged = True, generation
        return is_allowed

    def story(self, key: str) -> str:
        """For a report: what happened to a key."""
        cell = self.cells[key]
        events = [f"{when:.3f} {what} generation {n}: {outcome}" for when, what, n, outcome in cell.history]
        return f"{key} may hold {sorted(cell.allowed)}; " + " | ".join(events)
