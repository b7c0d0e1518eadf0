"""The module failing_memory, compiled when it is needed, and the questions a test asks it."""

from __future__ import annotations

import _asyncio
import gc
import importlib.machinery
import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from nano_graphrag_redis import _native

SOURCE = Path(__file__).with_name("failing_memory.c")
NATIVE = _native.__file__ or ""


def _load() -> ModuleType:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "failing_memory.so"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer", "-fPIC", "-shared"]
        flags += ["-Wall", "-Wextra", "-Werror"]
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([*compiler, *flags, include, str(SOURCE), "-o", str(built), "-ldl"], check=True)
        loader = importlib.machinery.ExtensionFileLoader("failing_memory", str(built))
        spec = importlib.util.spec_from_loader("failing_memory", loader)
        assert spec
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        return module


_memory: Any = _load()


def fail(nth: int) -> None:
    """From now on the extension's allocation number `nth` (counted from 1) fails, and no other. What asyncio's own C
    code allocates is not the extension's: a task that is woken up goes on below it, with all that its user does."""
    asyncio_file: str | None = getattr(_asyncio, "__file__", None)
    _memory.arm(NATIVE, "PyInit__native", asyncio_file, "PyInit__asyncio", nth, nth)


def calm() -> bool:
    """Nothing fails any more; answers whether anything has."""
    return bool(_memory.disarm()[1])


def held(objects: Sequence[object]) -> list[int]:
    """What there is to hold: blocks of memory, then references to each of these objects."""
    gc.collect()
    return [_memory.alive(), *map(sys.getrefcount, objects)]


# Times. CPython keeps what it freed for later use, up to a limit: 255 contexts and iterators of futures, 2,000 tuples
# of each length. Until it is reached, a call that takes one of them from elsewhere and gives it back leaves it there.
WARMING_UP = 2100


def what_grows(once: Callable[[], object], objects: Sequence[object], names: Sequence[str]) -> list[str]:
    """Calls `once` again and again, and names what is held more after each time: that is what it loses. What
    grows now and then (a cache, a table that is enlarged) does not count."""
    once()
    suspects = _always_grown(once, objects, times=6)
    if suspects:
        for _ in range(WARMING_UP):
            once()
        suspects &= _always_grown(once, objects, times=60)
    return [["blocks of memory", *names][i] for i in sorted(suspects)]


def _always_grown(once: Callable[[], object], objects: Sequence[object], times: int) -> set[int]:
    before = held(objects)
    suspects = set(range(len(before)))
    for _ in range(times):
        once()
        after = held(objects)
        suspects = {i for i in suspects if after[i] > before[i]}
        if not suspects:
            break
        before = after
    return suspects
