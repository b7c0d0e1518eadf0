"""The demo's output: plain text of at most 96 columns, with colour and a moving line only in a terminal.

Knows how things look, not what they mean.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

WIDEST = 96
LABEL = 11
BAR = 28
BOLD, DIM, GOOD = "1", "2", "32;1"


class Screen:
    def __init__(self) -> None:
        is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._moves = is_terminal
        self._colours = is_terminal and "NO_COLOR" not in os.environ
        self._line_is_open = False
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        self._full, self._empty, self._bullet = ("█", "░", "•") if encoding == "utf8" else ("#", ".", "*")
        self._width = min(WIDEST, shutil.get_terminal_size().columns - 1)

    def title(self, text: str) -> None:
        self._print(f"\n{self._paint(BOLD, text)}\n")

    def fact(self, label: str, text: str, *, good: bool = False) -> None:
        first, *rest = self._wrap(text, LABEL + 2)
        head = self._paint(GOOD, first) if good else first
        self._print("\n".join([f"  {self._paint(DIM, label.ljust(LABEL))}{head}", *rest]))

    def note(self, text: str) -> None:
        first, *rest = self._wrap(text, 2)
        self._print("\n".join([f"  {first}", *rest]))

    def quote(self, text: str) -> None:
        """An answer in Markdown between empty lines; its bullets hang."""
        self.blank()
        for line in text.splitlines():
            is_item = line.startswith(("- ", "* "))
            lead = f"    {self._bullet} " if is_item else "    "
            first, *rest = self._wrap(line[2:] if is_item else line, len(lead))
            self._print("\n".join([lead + first, *rest]))
        self.blank()

    def table(self, header: list[str], rows: list[list[str]]) -> None:
        """Between empty lines; the first column to the left, the others to the right."""
        everything = [header, *rows]
        widths = [max(len(cell) for cell in column) for column in zip(*everything, strict=True)]
        self.blank()
        for row in everything:
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            line = "   ".join([row[0].ljust(widths[0]), *cells[1:]])
            self._print(f"  {self._paint(DIM, line) if row is header else line}")
        self.blank()

    def command(self, purpose: str, text: str) -> None:
        """Something to type, whole on its line."""
        self._print(f"  {self._paint(DIM, purpose.ljust(32))}{text}")

    def progress(self, label: str, text: str, share: float | None = None) -> None:
        """Writes one line over and over; on anything but a terminal it is left out."""
        if not self._moves:
            return
        bar = ""
        if share is not None:
            filled = round(BAR * min(1.0, share))
            bar = self._full * filled + self._empty * (BAR - filled) + "  "
        line = f"  {label.ljust(LABEL)}{bar}{text}"[: self._width]
        print(f"\r\033[K{line}", end="", flush=True)
        self._line_is_open = True

    def blank(self) -> None:
        self._print("")

    def _wrap(self, text: str, indent: int) -> list[str]:
        """Lines that fit beside an indent; all but the first have it."""
        lines = textwrap.wrap(text, max(20, self._width - indent), break_on_hyphens=False) or [""]
        return [lines[0], *(" " * indent + line for line in lines[1:])]

    def _print(self, text: str) -> None:
        if self._line_is_open:
            print("\r\033[K", end="")
            self._line_is_open = False
        print(text, flush=True)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text
