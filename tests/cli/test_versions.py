"""What a report of a fault names: the versions of the package, of its libraries and of what compiled it."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from typing import Any

import pytest

from nano_graphrag_redis import __version__
from nano_graphrag_redis._native import build_info


def test_the_package_comes_first_and_each_library_has_a_line(ngr: Any) -> None:
    lines = ngr("--version").out.splitlines()
    assert lines[0] == f"ngr-redis {__version__}"
    named = [line.split()[0] for line in lines[1:]]
    assert named == ["hiredis", build_info["openssl"].split()[0], "cJSON", "CPython", "compiled"]


def test_an_extension_that_cannot_be_loaded_does_not_hide_the_version(
    ngr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nano_graphrag_redis._native", None)
    outcome = ngr("--version")
    assert outcome.code == 1
    assert outcome.out == f"ngr-redis {__version__}\n"
    assert outcome.err.startswith("ngr-redis: ")
    assert "_native" in outcome.err


def test_another_library_than_the_one_compiled_with_is_told(ngr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(build_info, "openssl", "OpenSSL 3.0.1")
    monkeypatch.setitem(build_info, "openssl_compiled", "OpenSSL 3.0.2")
    assert "OpenSSL 3.0.1 (compiled with OpenSSL 3.0.2)" in ngr("--version").out.splitlines()


def test_hiredis_is_the_one_that_pkg_config_finds() -> None:
    command = ["pkg-config", "--modversion", "hiredis"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert build_info["hiredis"] == found


def test_every_version_is_one() -> None:
    assert all(re.search(r"\d+\.\d+", text) for text in build_info.values()), build_info
    assert build_info["python_compiled"].startswith(".".join(platform.python_version_tuple()[:2]))
