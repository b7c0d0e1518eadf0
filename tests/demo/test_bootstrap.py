"""tools/bootstrap.sh on machines that this one is not: a PATH of fakes decides what they have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).parents[2] / "tools" / "bootstrap.sh"
TOOLS = ("bash", "env", "cat", "mktemp", "rm", "dirname")
PRESENT = ("cc", "gcc", "c++", "pkg-config", "redis-server", "cppcheck")


class Machine:
    """A folder of commands, which is all that the script can see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)
        for command in PRESENT:
            self.has(command, "exit 0")
        self.has("id", "echo 1000")
        self.has("apt-get", f"echo apt-get $* >>{folder}/apt.log")

    def has(self, command: str, does: str) -> None:
        path = self.bin / command
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def lacks(self, *commands: str) -> None:
        for command in commands:
            (self.bin / command).unlink()

    def run(self, *goals: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "PYTHON": python, "TMPDIR": str(self.folder)}
        command = ["bash", str(BOOTSTRAP), *goals]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def installed(self) -> list[str]:
        log = self.folder / "apt.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_said_and_done_when_nothing_is_missing(machine):
    result = machine.run("build", "test", "analyze")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert machine.installed() == []
    assert os.listdir(machine.folder) == ["bin"]


def test_without_rights_the_exact_command_is_printed(machine):
    machine.has("pkg-config", 'test "$2" != hiredis')
    machine.lacks("redis-server")
    result = machine.run("build", "test")
    assert result.returncode == 1
    assert "    sudo apt-get update && sudo apt-get install -y libhiredis-dev redis-server\n" in result.stderr
    assert "    - hiredis, the Redis protocol parser (its headers)\n    - redis-server\n" in result.stderr
    assert machine.installed() == []


def test_only_the_goals_that_are_named_are_checked(machine):
    machine.lacks("redis-server", "cppcheck")
    assert machine.run("build").returncode == 0
    assert "install -y redis-server\n" in machine.run("test").stderr
    assert "install -y cppcheck\n" in machine.run("analyze").stderr


def test_a_package_is_named_once(machine):
    machine.lacks("cc", "c++")
    result = machine.run("build", "test")
    assert result.stderr.count("build-essential") == 1


def test_root_installs_what_is_missing(machine):
    machine.lacks("cppcheck")
    machine.has("id", "echo 0")
    bring = f"ln -s cc {machine.bin}/cppcheck"
    machine.has("apt-get", f'echo "$*" >>{machine.folder}/apt.log; [ "$1" = update ] || {bring}')
    (machine.bin / "ln").symlink_to(shutil.which("ln") or "")
    result = machine.run("analyze")
    assert result.returncode == 0, result.stderr
    update, install = machine.installed()
    assert update == "update"
    assert install.startswith("install -y ")
    assert install.endswith(" cppcheck")


def test_sudo_without_a_password_is_used(machine):
    machine.lacks("cppcheck")
    machine.has("sudo", f'echo "sudo $*" >>{machine.folder}/apt.log')
    result = machine.run("analyze")
    assert result.returncode == 1
    assert "apt succeeded, but this is still missing:\n    - cppcheck\n" in result.stderr
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update" in machine.installed()


def test_a_sudo_that_asks_is_not_used(machine):
    machine.lacks("cppcheck")
    machine.has("sudo", "exit 1")
    assert "    sudo apt-get update && " in machine.run("analyze").stderr


def test_what_apt_says_is_shown_when_it_fails(machine):
    machine.lacks("cppcheck")
    machine.has("id", "echo 0")
    machine.has("apt-get", "echo E: Unable to locate package; exit 100")
    result = machine.run("analyze")
    assert result.returncode == 1
    assert "E: Unable to locate package\nbootstrap: apt failed" in result.stderr


def test_a_system_without_apt_gets_the_names(machine):
    machine.lacks("cppcheck", "apt-get")
    result = machine.run("analyze")
    assert result.returncode == 1
    assert "no apt-get" in result.stderr
    assert "    cppcheck\n" in result.stderr


def test_a_python_that_is_too_old_is_named_with_the_way_out(machine):
    machine.has("python3", 'case $2 in *"sys.exit(sys.version_info"*) exit 1;; *) echo 3.9.2;; esac')
    result = machine.run("build", python="python3")
    assert result.returncode == 1
    assert "Python 3.10 or newer is needed; python3 is 3.9.2." in result.stderr
    assert "make PYTHON=" in result.stderr


def test_a_python_without_headers_is_named_with_the_way_out(machine):
    machine.has(
        "python3", f'case $2 in *get_path*) echo {machine.folder};; *) exec {sys.executable} "$@";; esac'
    )
    result = machine.run("build", python="python3")
    assert result.returncode == 1
    assert "Python.h" in result.stderr


def test_an_unknown_goal_is_refused(machine):
    result = machine.run("bild")
    assert (result.returncode, result.stderr) == (2, "bootstrap: no goal `bild`: build, test, analyze, fuzz\n")
