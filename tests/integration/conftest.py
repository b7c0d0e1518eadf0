"""What the plug-in tests share: fresh processes, throw-away packages, and two flavours of nano-graphrag."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import nano_graphrag_redis

PACKAGE_HOME = Path(nano_graphrag_redis.__file__).parent.parent
FORK_HOME = Path(__file__).parent / "fork_standin"
BOUND = 60.0  # seconds that any child process may take

RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """Runs a Python with these arguments in an empty folder, without our settings unless they are given."""

    def run(
        *arguments: str, path: tuple[Path, ...] = (), python: str = sys.executable, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("REDIS_", "STORAGE_", "PYTHON"))
        }
        environ["PYTHONPATH"] = os.pathsep.join(map(str, [*path, PACKAGE_HOME]))
        return subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=environ | settings,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    return run


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Writes an importable module; what was imported of it is forgotten after the test."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    finders = list(sys.meta_path)

    def make(name: str, body: str) -> str:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
        importlib.invalidate_caches()
        return name

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.meta_path[:] = finders


@pytest.fixture
def fork(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The flavour with a StorageFactory, imported as nano_graphrag for the length of one test."""
    for name in _nano_graphrag_modules():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(vars(nano_graphrag_redis), "GraphRAG", raising=False)
    monkeypatch.syspath_prepend(str(FORK_HOME))
    yield importlib.import_module("nano_graphrag")
    nano_graphrag_redis.uninstall()
    vars(nano_graphrag_redis).pop("GraphRAG", None)
    for name in _nano_graphrag_modules():
        del sys.modules[name]


def _nano_graphrag_modules() -> list[str]:
    built_on_it = "nano_graphrag_redis.integration.graphrag"
    return [name for name in sys.modules if name.split(".")[0] == "nano_graphrag" or name == built_on_it]


@pytest.fixture
def fork_home() -> Path:
    return FORK_HOME


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment, made in a moment: it borrows the packages of this one through a .pth file."""
    folder = tmp_path / "venv"
    _make_venv(folder)
    (site_packages,) = folder.glob("lib/python3*/site-packages")
    borrowed = [str(PACKAGE_HOME), *(path for path in sys.path if path.endswith("site-packages"))]
    site_packages.joinpath("link_to_packages.pth").write_text("\n".join(borrowed) + "\n")
    return folder


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """A Python whose environment holds no package at all."""
    _make_venv(tmp_path / "bare")
    return str(tmp_path / "bare" / "bin" / "python")


def _make_venv(folder: Path) -> None:
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, timeout=BOUND, capture_output=True)
