"""The demo itself, run as a user runs it, on a small text: its claims are read from what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Server

ROOT = Path(__file__).parents[2]
TEXT = """Alice Cooper met Bob Dylan in Paris. Bob Dylan sang for Alice Cooper at the Olympia.
The Olympia is a concert hall in Paris near the Opera. Victor Hugo never saw the Olympia."""
SETTINGS = {"DEMO_PAUSE": "0", "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}


def run_demo(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=folder,
        env={**inherited, **SETTINGS, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def calls(output: str) -> list[int]:
    return [int(number) for number in re.findall(r"LLM calls +(\d+)", output)]


def found(output: str) -> list[int]:
    return [int(number) for number in re.findall(r"(\d+) answers? came from the store", output)]


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "a text.txt"
    path.write_text(TEXT)
    return path


def test_the_demo_indexes_answers_and_repeats_without_llm_calls(tmp_path, text_file):
    first = run_demo(tmp_path, str(text_file), "--ask", "Who sang at the Olympia?")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert "Valkey" in first.stdout
    assert "stand-in" in first.stdout
    assert "Bob Dylan sang for Alice Cooper at the Olympia." in first.stdout
    paid, repeated = calls(first.stdout)
    assert paid > 3
    assert repeated == 0
    assert found(first.stdout) == [paid]
    assert re.search(rf"Saved +{paid} LLM calls", first.stdout)
    for namespace in ("full_docs", "text_chunks", "community_reports", "llm_response_cache"):
        assert re.search(rf"{namespace} +[1-9]\d* +[1-9][\d,]* +(ever|24 h|12 h)", first.stdout)

    later = run_demo(tmp_path, str(text_file), "--ask", "Who sang at the Olympia?")
    assert calls(later.stdout) == [0, 0]
    assert found(later.stdout) == [paid, paid]
    assert "faster than the very first time" in later.stdout

    assert run_demo(tmp_path, "--clean").returncode == 0
    assert not (tmp_path / "demo-data").exists()


def test_a_server_of_ones_own_is_used_and_cleaned_without_touching_the_rest(tmp_path, text_file):
    with Server("redis", password="s3cret") as server:
        url = server.unix_url
        output = run_demo(tmp_path, str(text_file), REDIS_URL=url)
        assert output.returncode == 0, output.stderr
        assert "What does the text say about" in output.stdout
        assert "s3cret" not in output.stdout + (tmp_path / "demo-data" / "job.log").read_text()
        with server.client() as client:
            client.set("ngr_demo_of_others:full_docs:1", "x")
            assert client.dbsize() > 5
            assert run_demo(tmp_path, "--clean", REDIS_URL=url).returncode == 0
            assert client.keys() == [b"ngr_demo_of_others:full_docs:1"]


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["missing.txt"], {}, "demo: missing.txt: No such file or directory"),
        (["a text.txt"], {"REDIS_URL": "http://x"}, 'the scheme "http" is not known'),
        (["a text.txt"], {"REDIS_URL": "unix:///nowhere/x", "REDIS_RETRY_ATTEMPTS": "0"}, "cannot connect"),
        (["no names.txt"], {}, "nano-graphrag found no names in this text"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(tmp_path, text_file, arguments, environment, reason):
    (tmp_path / "no names.txt").write_text("nothing here at all.")
    output = run_demo(tmp_path, *arguments, **environment)
    assert output.returncode == 1
    assert reason in output.stderr
    assert len(output.stderr.splitlines()) == 1
