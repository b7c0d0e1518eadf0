"""The command as a whole: help, version, usage, errors on one line, progress."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis.cli import show
from nano_graphrag_redis.cli.parser import split_off_command
from nano_graphrag_redis.cli.show import Progress, show_bytes, show_ttl


@pytest.mark.parametrize("command", [(), ("run",), ("enable",), ("disable",), ("migrate",), ("export",)])
def test_help_is_there_for_every_command(ngr: Any, command: tuple[str, ...]) -> None:
    outcome = ngr(*command, "--help")
    assert outcome.code == 0
    assert "usage: ngr-redis" in outcome.out
    assert all(len(line) <= 110 for line in outcome.out.splitlines())


@pytest.mark.parametrize("command", ["run", "migrate", "export"])
def test_help_shows_examples(ngr: Any, command: str) -> None:
    assert f"ngr-redis {command} " in ngr(command, "--help").out.split("examples:")[1]


@pytest.mark.parametrize("command", ["migrate", "export"])
def test_help_tells_where_the_password_belongs(ngr: Any, command: str) -> None:
    assert "REDIS_PASSWORD" in ngr(command, "--help").out


@pytest.mark.parametrize(
    "arguments", [(), ("no-such-command",), ("migrate",), ("export",), ("migrate", ".", "--no-such-option")]
)
def test_wrong_usage_is_code_2(ngr: Any, arguments: tuple[str, ...]) -> None:
    outcome = ngr(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "usage: ngr-redis" in outcome.err


def test_module_can_be_run() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "nano_graphrag_redis", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout.startswith("ngr-redis ")


def test_log_is_quiet_beside_the_error(tmp_path: Path) -> None:
    tmp_path.joinpath("kv_store_community_reports.json").write_text('{"1": "report"}')
    result = subprocess.run(
        [sys.executable, "-m", "nano_graphrag_redis", "migrate", str(tmp_path)],
        env=os.environ | {"REDIS_URL": "redis://127.0.0.1:1", "REDIS_RETRY_ATTEMPTS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    (line,) = result.stderr.splitlines()
    assert line.startswith("ngr-redis: ")


def test_error_is_one_line_without_a_traceback(ngr: Any, tmp_path: Path) -> None:
    outcome = ngr("migrate", tmp_path / "nowhere")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("position", [0, 1], ids=["before the command", "after it"])
def test_debug_shows_the_traceback(ngr: Any, tmp_path: Path, position: int) -> None:
    arguments: list[Any] = ["migrate", tmp_path / "nowhere"]
    arguments.insert(position, "--debug")
    with pytest.raises(OSError if False else Exception, match="is not a folder"):
        ngr(*arguments)


def test_file_system_error_names_the_file(ngr: Any, tmp_path: Path, redis_client: Any) -> None:
    redis_client.set("nano_graphrag:full_docs:id", "1")
    blocker = tmp_path / "file"
    blocker.write_text("")
    outcome = ngr("export", blocker / "folder")
    assert outcome.code == 1
    assert outcome.err.startswith(f"ngr-redis: {blocker}")


def test_interrupt_is_code_130(ngr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nano_graphrag_redis.cli.migrate.find_source_files", interrupt)
    outcome = ngr("migrate", tmp_path)
    assert outcome.code == 130
    assert "interrupted" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "ours", "command"),
    [
        (["run", "python", "app.py", "--debug"], ["run"], ["python", "app.py", "--debug"]),
        (["--debug", "run", "-m", "app"], ["--debug", "run"], ["-m", "app"]),
        (["run", "--", "-odd-name"], ["run"], ["-odd-name"]),
        (["run", "--help"], ["run", "--help"], []),
        (["run", "python", "--help"], ["run"], ["python", "--help"]),
        (["run", "run", "run"], ["run"], ["run", "run"]),
        (["export", "run"], ["export", "run"], []),
        (["run"], ["run"], []),
    ],
)
def test_arguments_of_the_command_are_not_ours(
    arguments: list[str], ours: list[str], command: list[str]
) -> None:
    assert split_off_command(arguments) == (ours, command)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000, "2.5 MB"), (7 * 10**12, "7000.0 GB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert show_bytes(size) == text


@pytest.mark.parametrize(("ttl", "text"), [(0, "never"), (43200, "12 h"), (90, "90 s"), (120, "2 min")])
def test_times_to_live_are_readable(ttl: int, text: str) -> None:
    assert show_ttl(ttl) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_plain_lines_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 5.0, 6.0])
    monkeypatch.setattr(show.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with Progress("writing full_docs", 200, stream) as progress:
        progress.advance(50)
        progress.advance(50)
        progress.advance(100)
    assert (
        stream.getvalue() == "writing full_docs: 100 of 200 (50 %)\nwriting full_docs: 200 of 200 (100 %)\n"
    )


def test_progress_redraws_one_line_on_a_terminal_and_leaves_it_clean() -> None:
    stream = Terminal()
    with Progress("writing", 200, stream) as progress:
        progress.advance(50)
    assert "\r\x1b[Kwriting: 50 of 200 (25 %)" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")
    assert "\n" not in stream.getvalue()


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_progress_of_a_failed_step_stays_to_be_read(stream: io.StringIO) -> None:
    def fail() -> None:
        with Progress("writing", 200, stream) as progress:
            progress.advance(50)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert stream.getvalue().endswith("writing: 50 of 200 (25 %)\n")
