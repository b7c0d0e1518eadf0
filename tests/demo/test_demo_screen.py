"""What the demo's output looks like where there is no terminal, no colour, or no UTF-8."""

from __future__ import annotations

import io

import pytest

from demo.screen import Screen


class Terminal(io.TextIOWrapper):
    """Standard output, as a terminal or not, with an encoding."""

    def __init__(self, *, is_terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.fixture
def screen_on(monkeypatch):
    def make(**options) -> tuple[Screen, Terminal]:
        out = Terminal(**options)
        monkeypatch.setattr("sys.stdout", out)
        return Screen(), out

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return make


def show_everything(screen: Screen) -> None:
    screen.title("A title")
    screen.fact("Label", "a text " * 20)
    screen.progress("Reading", "1 of 2", 0.5)
    screen.note("a note")
    screen.table(["name", "keys"], [["full_docs", "7"]])
    screen.quote("- an item of the answer that is longer than one line of the screen\nand a line")


def test_without_a_terminal_there_is_neither_colour_nor_movement(screen_on):
    screen, out = screen_on()
    show_everything(screen)
    assert "\033" not in out.text()
    assert "\r" not in out.text()
    assert "1 of 2" not in out.text()


def test_a_terminal_has_colour_and_a_line_that_moves(screen_on):
    screen, out = screen_on(is_terminal=True)
    show_everything(screen)
    assert "\033[1mA title\033[0m" in out.text()
    assert "\r\033[K  Reading    ██████████████░░░░░░░░░░░░░░  1 of 2\r\033[K" in out.text()


def test_no_color_is_respected(screen_on, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    screen, out = screen_on(is_terminal=True)
    screen.title("A title")
    assert out.text() == "\nA title\n\n"


def test_a_dumb_terminal_gets_plain_text(screen_on, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    screen, out = screen_on(is_terminal=True)
    show_everything(screen)
    assert "\033" not in out.text()


def test_ascii_is_enough(screen_on):
    screen, out = screen_on(is_terminal=True, encoding="ascii")
    show_everything(screen)
    assert "##############.............." in out.text()
    assert "    * an item" in out.text()


def test_no_line_is_wider_than_the_screen(screen_on):
    screen, out = screen_on()
    show_everything(screen)
    assert max(map(len, out.text().splitlines())) < 60


def test_tables_align(screen_on):
    screen, out = screen_on()
    screen.table(["name", "keys"], [["full_docs", "7"], ["x", "1,234"]])
    assert out.text() == "\n  name         keys\n  full_docs       7\n  x           1,234\n\n"
