"""setup.py on machines with more than one hiredis: library and headers are of one version, or there is no build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Prefix:
    """A folder as `make install PREFIX=...` of hiredis fills it; `style` is whether its .pc names include/hiredis."""

    def __init__(self, folder: Path, version: str, *, headers: str | None = None, old_style: bool = False) -> None:
        self.include = folder / "include"
        self.pkgconfig = folder / "lib" / "pkgconfig"
        (self.include / "hiredis").mkdir(parents=True)
        self.pkgconfig.mkdir(parents=True)
        names = zip(("MAJOR", "MINOR", "PATCH"), (headers or version).split("."), strict=True)
        defines = "".join(f"#define HIREDIS_{name} {number}\n" for name, number in names)
        (self.include / "hiredis" / "hiredis.h").write_text(defines)
        (self.pkgconfig / "hiredis.pc").write_text(
            f"includedir={self.include}{'/hiredis' if old_style else ''}\nName: hiredis\nDescription: -\n"
            f"Version: {version}\nCflags: -I${{includedir}}\nLibs: -lhiredis\n"
        )


def set_up(prefix: Prefix, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs what comes before the compiler."""
    return subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        env={**os.environ, "PKG_CONFIG_PATH": str(prefix.pkgconfig), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *facts: str) -> None:
    """One readable block, and no traceback."""
    assert done.returncode == 1
    block = done.stderr.strip().splitlines()
    assert block[0] == block[-1] == "-" * 78, done.stderr
    assert all(fact in done.stderr for fact in ("cannot be built", *facts)), done.stderr


@pytest.mark.parametrize("old_style", [False, True], ids=["includedir=include", "includedir=include/hiredis"])
def test_the_headers_of_the_prefix_that_pkg_config_names_are_found(tmp_path: Path, old_style: bool) -> None:
    done = set_up(Prefix(tmp_path, "98.7.6", old_style=old_style))
    assert done.returncode == 0, done.stderr


def test_headers_of_another_version_are_refused(tmp_path: Path) -> None:
    assert_refused(set_up(Prefix(tmp_path, "98.7.6", headers="98.7.5")), "98.7.6", "98.7.5")


def test_headers_that_an_earlier_flag_brings_count(tmp_path: Path) -> None:
    wanted, other = Prefix(tmp_path / "wanted", "98.7.6"), Prefix(tmp_path / "other", "12.3.4")
    assert_refused(set_up(wanted, CPPFLAGS=f"-I{other.include}"), "98.7.6", "12.3.4")
    assert set_up(other, CFLAGS=f"-I{other.include}").returncode == 0


def test_a_missing_compiler_is_told(tmp_path: Path) -> None:
    assert_refused(set_up(Prefix(tmp_path, "98.7.6"), CC="no-such-compiler -O2"), "no-such-compiler")
