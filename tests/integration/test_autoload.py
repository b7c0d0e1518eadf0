"""`ngr-redis enable`: one .pth file, inert without STORAGE_KV_BACKEND, harmless when the package is gone."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis.integration import autoload

SHOW_OURS = "import sys; print([name for name in sys.modules if 'graphrag' in name])"
SHOW_STORAGE = "from nano_graphrag import GraphRAG; print(type(GraphRAG('work').full_docs).__name__)"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(venv: Path, run_python: Any) -> Run:
    """Runs the Python of a fresh virtual environment that has our package and nano-graphrag."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        result: subprocess.CompletedProcess[str] = run_python(
            *arguments, python=str(venv / "bin" / "python"), **({"PYTHONPATH": ""} | settings)
        )
        return result

    return run


def ngr(environment: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return environment("-m", "nano_graphrag_redis", *arguments)


def pth_files(venv: Path) -> list[Path]:
    return list(venv.rglob(autoload.NAME))


@pytest.mark.not_sanitized(reason="another venv's plain interpreter would import the sanitised extension")
def test_plain_python_uses_redis_after_enable(environment: Run) -> None:
    assert ngr(environment, "enable").returncode == 0
    result = environment("-c", SHOW_STORAGE, STORAGE_KV_BACKEND="redis")
    assert result.stdout.strip() == "RedisKVStorage", result.stderr


@pytest.mark.parametrize("settings", [{}, {"STORAGE_KV_BACKEND": ""}, {"STORAGE_KV_BACKEND": "json"}])
def test_nothing_of_ours_is_imported_unless_asked_for(environment: Run, settings: dict[str, str]) -> None:
    ngr(environment, "enable")
    result = environment("-X", "importtime", "-c", SHOW_OURS, **settings)
    assert result.stdout == "[]\n"
    assert "nano_graphrag" not in result.stderr  # where importtime writes


def test_only_the_hook_is_imported_until_nano_graphrag_is(environment: Run) -> None:
    ngr(environment, "enable")
    result = environment("-c", SHOW_OURS, STORAGE_KV_BACKEND="redis")
    assert "nano_graphrag_redis.integration.hook" in result.stdout
    assert "nano_graphrag_redis.integration.install" not in result.stdout
    assert "'nano_graphrag'" not in result.stdout


def test_after_disable_nothing_is_imported(environment: Run, venv: Path) -> None:
    ngr(environment, "enable")
    assert ngr(environment, "disable").returncode == 0
    assert pth_files(venv) == []
    assert environment("-c", SHOW_OURS, STORAGE_KV_BACKEND="redis").stdout == "[]\n"


def test_unknown_backend_fails_the_import_of_nano_graphrag_only(environment: Run) -> None:
    ngr(environment, "enable")
    assert environment("-c", "pass", STORAGE_KV_BACKEND="reddis").stderr == ""
    result = environment("-c", "import nano_graphrag", STORAGE_KV_BACKEND="reddis")
    assert "ConfigurationError: STORAGE_KV_BACKEND is 'reddis'" in result.stderr


def test_file_that_outlives_the_package_does_nothing(environment: Run, venv: Path) -> None:
    ngr(environment, "enable")
    (link,) = venv.rglob("link_to_packages.pth")
    link.unlink()
    result = environment("-c", "print('ran')", STORAGE_KV_BACKEND="redis")
    assert (result.stdout, result.stderr) == ("ran\n", "")


def test_enable_and_disable_may_be_repeated(environment: Run, venv: Path) -> None:
    for command, words in [
        ("disable", "was not enabled"),
        ("enable", "enabled: "),
        ("enable", "already enabled: "),
        ("disable", "disabled, removed "),
        ("disable", "was not enabled"),
    ]:
        result = ngr(environment, command)
        assert result.returncode == 0
        assert result.stdout.startswith(words)
        assert len(pth_files(venv)) == (command == "enable")


def test_status_tells_by_word_and_exit_code(environment: Run, venv: Path) -> None:
    off = ngr(environment, "enable", "--status")
    assert (off.returncode, off.stdout.split(":")[0]) == (1, "not enabled")
    ngr(environment, "enable")
    on = ngr(environment, "enable", "--status")
    assert (on.returncode, on.stdout) == (0, f"enabled: {pth_files(venv)[0]}\n")


def test_file_is_one_line_that_every_user_may_read(environment: Run, venv: Path) -> None:
    ngr(environment, "enable")
    (path,) = pth_files(venv)
    assert path.parent.name == "site-packages"
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o644
    assert [other.name for other in path.parent.iterdir() if autoload.NAME in other.name] == [autoload.NAME]


def test_file_of_another_version_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / autoload.NAME
    path.write_text("import os\n")
    monkeypatch.setattr(autoload, "pth_file", lambda: path)
    assert autoload.enable()
    assert path.read_text() == autoload.LINE


@pytest.mark.parametrize(("work", "verb"), [(autoload.enable, "write"), (autoload.disable, "remove")])
def test_folder_that_may_not_be_changed_is_refused_clearly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work: Callable[[], bool], verb: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(autoload, "pth_file", lambda: tmp_path / autoload.NAME)
    monkeypatch.setattr(autoload.os, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(autoload.AutoloadError, match=f"cannot {verb} .*Permission denied.*ngr-redis run"):
        work()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_python_does_not_search_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoload.site, "getsitepackages", lambda: ["/elsewhere"])
    with pytest.raises(autoload.AutoloadError, match=r"reads no \.pth files"):
        autoload.enable()
