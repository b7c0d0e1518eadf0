"""What the command line's tests share: the command itself, a working folder, and a server to look into."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis.cli import main


@dataclass
class Outcome:
    code: int
    out: str
    err: str


Ngr = Callable[..., Outcome]


@pytest.fixture
def ngr(capsys: pytest.CaptureFixture[str], server_url: str, monkeypatch: pytest.MonkeyPatch) -> Ngr:
    """Runs `ngr-redis` in this process, against the test's server."""
    monkeypatch.setenv("REDIS_URL", server_url)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse ends this way
            code = stop.code if isinstance(stop.code, int) else 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def server_url(redis_server: Any) -> str:
    redis_server.wipe()
    url: str = redis_server.url
    return url


@pytest.fixture
def redis_client(redis_server: Any, server_url: str) -> Iterator[Any]:
    """An independent client of the emptied server: what it really holds."""
    with redis_server.client() as client:
        yield client


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "workdir"
    folder.mkdir()
    return folder


@pytest.fixture
def put(workdir: Path) -> Callable[[str, Any], Path]:
    """Writes a namespace's file, as JsonKVStorage would; a text is written as it is."""

    def write(namespace: str, content: Any) -> Path:
        path = workdir / f"kv_store_{namespace}.json"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
            path.write_text(text, encoding="utf-8")
        return path

    return write
