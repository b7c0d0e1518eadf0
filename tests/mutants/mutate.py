"""`make mutants`: takes one protection after another out of a copy of the source, and expects its tests to notice.

    python tests/mutants/mutate.py [WORD...]     all protections, or those whose name holds one of the words

The tests that are named in protections.py must pass on the unchanged copy first. Then, for each protection: the text is
replaced, what depends on it is built again, only its own tests run, and each of them must fail (a crash or a test that
does not end counts as failing). The exit code is the number of protections whose loss was not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protections import PROTECTIONS, Protection

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "nano_graphrag_redis", "bench", "demo", "pyproject.toml", "README.md")
PATIENCE = 60.0  # seconds until a test that does not end counts as failed


@dataclass(frozen=True)
class Ran:
    """What became of some tests: the names of those that passed, and what was said."""

    passed: set[str]
    said: str


class Copy:
    """A copy of the tree in a folder of its own, which builds what is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.o")
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, folder / name)

    @contextmanager
    def without(self, protection: Protection) -> Iterator[None]:
        """The protection is missing while the block lasts."""
        file = self._folder / protection.file
        source = file.read_text()
        file.write_text(source.replace(protection.text, protection.instead))
        try:
            yield
        finally:
            file.write_text(source)

    def _make(self, *arguments: str) -> None:
        command = ["make", "--no-print-directory", "-j2", *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"mutants: {' '.join(command)}\n{done.stdout}{done.stderr}")

    def _run(self, command: list[str], within: float, **environ: str) -> str:
        """What a command says. It ends by itself, is ended after a while, or crashes: all the same here."""
        environ = {**os.environ, **environ, "PYTHONPATH": str(self._folder)}
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        ) as process:
            try:
                return process.communicate(timeout=within)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return process.communicate()[0]

    def run(self, tests: tuple[str, ...], within: float = PATIENCE) -> Ran:
        """Builds what these tests need, and runs them and no others."""
        in_c = sorted(test for test in tests if ".c::" in test)
        in_python = sorted(test for test in tests if ".py::" in test)
        passed: set[str] = set()
        said = ""
        for file in sorted({test.partition("::")[0] for test in in_c}):
            names = [test.partition("::")[2] for test in in_c if test.startswith(file + "::")]
            program = f"../../build/c/{Path(file).stem}"
            self._make("-C", "tests/c", "SANITIZE=", "CFLAGS=-w", program)
            out = self._run([str(self._folder / "tests/c" / program)], within, ONLY=",".join(names))
            passed |= {f"{file}::{name}" for name in names if f"passed {name}\n" in out}
            said += out
        if in_python:
            self._make("-f", "tests/mutants/native.mk", f"PY={sys.executable}")
            options = ["-q", "-rA", "--tb=line", "-p", "no:cacheprovider", "-W", "default"]
            out = self._run([sys.executable, "-m", "pytest", *options, *in_python], within)
            passed |= {test for test in in_python if has_passed(test, out)}
            said += out
        return Ran(passed, said)


def has_passed(test: str, report: str) -> bool:
    """Whether pytest ran all variants of a test, and none of them failed."""
    lines = [line.partition(" ") for line in report.splitlines() if line.startswith(("PASSED ", "FAILED ", "ERROR "))]
    own = [verdict for verdict, _, rest in lines if rest == test or rest.startswith((test + "[", test + " "))]
    is_complete = " passed" in report or " failed" in report
    return is_complete and bool(own) and set(own) == {"PASSED"}


def check_texts() -> None:
    """A text that no longer stands where the table says is an error in the table, found before anything is built."""
    for protection in PROTECTIONS:
        count = (ROOT / protection.file).read_text().count(protection.text)
        if count != 1 and not (protection.everywhere and count):
            raise SystemExit(f"mutants: {protection.name}: its text is {count} times in {protection.file}, not once")


def check_unchanged(copy: Copy, protections: list[Protection]) -> None:
    tests = tuple({test for protection in protections for test in protection.tests})
    ran = copy.run(tests, within=10 * PATIENCE)
    if missing := set(tests) - ran.passed:
        raise SystemExit("\n".join([ran.said, "mutants: these do not pass on the unchanged source:", *missing]))


def main(words: list[str]) -> int:
    check_texts()
    chosen = [p for p in PROTECTIONS if not words or any(word in p.name for word in words)]
    if not chosen:
        raise SystemExit(f"mutants: no protection is named like {' or '.join(words)}")
    started, unnoticed = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="ngr-mutants-") as folder:
        copy = Copy(Path(folder))
        check_unchanged(copy, chosen)
        print(f"unchanged: all tests pass ({time.monotonic() - started:.0f} s)", flush=True)
        for protection in chosen:
            before = time.monotonic()
            with copy.without(protection):
                ran = copy.run(protection.tests)
            unnoticed += bool(ran.passed)
            verdict = "NOT NOTICED" if ran.passed else "noticed"
            print(f"{verdict:12}{protection.name} ({time.monotonic() - before:.1f} s)", flush=True)
            for test in sorted(ran.passed):
                print(f"{'':12}still passes: {test}", flush=True)
    took = time.monotonic() - started
    print(f"{len(chosen)} protections taken away, {len(chosen) - unnoticed} noticed by their tests, in {took:.0f} s")
    return unnoticed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
