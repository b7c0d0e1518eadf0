"""How numbers, tables and progress look: a line that redraws itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TextIO

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 5.0


def show_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def show_ttl(seconds: int) -> str:
    """How long a record lives, in the largest unit that is exact."""
    if seconds == 0:
        return "never"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column to the left, the others, which are numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  " + "  ".join([row[0].ljust(widths[0]), *cells[1:]]))


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class Progress:
    """Shows how far a step is, on stderr, so that stdout holds results only."""

    def __init__(self, label: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._redraws = self._stream.isatty()
        self._done = 0
        self._next = time.monotonic() + (0 if self._redraws else _LINE_SECONDS)

    def __enter__(self) -> Progress:
        return self

    def advance(self, records: int) -> None:
        self._done += records
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (_REDRAW_SECONDS if self._redraws else _LINE_SECONDS)
            self._show()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leaves a terminal clean for the results; of a failed step, how far it came stays to be read."""
        if self._redraws and kind is None:
            print("\r\x1b[K", end="", file=self._stream, flush=True)
            return
        self._show()
        if self._redraws:
            print(file=self._stream)

    def _show(self) -> None:
        text = f"{self._label}: {count(self._done, 'record')}"
        if self._total:
            text = f"{self._label}: {self._done:,} of {self._total:,} ({100 * self._done // self._total} %)"
        if self._redraws:
            print(f"\r\x1b[K{text}", end="", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)
