"""Runs an action once, as soon as a module has been imported by somebody else.

A finder at the front of sys.meta_path waits for the names it was told, lets the other finders do the work,
and steps aside when nothing is left to wait for. It knows import machinery only, not nano-graphrag.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Action = Callable[[ModuleType], None]


class _ActingLoader:
    """Stands in for a module's loader until the module runs, then acts when it has run without an error."""

    def __init__(self, real: Any, after: Action) -> None:
        self._real = real
        self._after = after

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # From here on the module sees its true loader, as do importlib.resources, inspect and reload.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        self._after(module)

    def __getattr__(self, name: str) -> Any:  # a spec may be asked for its source without being executed
        return getattr(self._real, name)


class _ImportHook:
    """The finder. One per process; it is on sys.meta_path exactly while actions are pending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, list[Action]] = {}
        self._searching = threading.local()

    def add(self, name: str, *actions: Action) -> None:
        with self._lock:
            self._pending.setdefault(name, []).extend(actions)
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def act(self, module: ModuleType) -> None:
        """Runs what waits for this module; what an exception left undone waits for the next import."""
        name = module.__name__
        with self._lock:
            actions = self._pending.pop(name, [])
            if not self._pending:
                self._step_aside()
        try:  # without the lock: an action may import, and other threads import under locks of their own
            while actions:
                actions[0](module)
                del actions[0]
        finally:
            if actions:
                self.add(name, *actions)

    def _step_aside(self) -> None:
        # A new list: removing in place would make an import that is under way elsewhere skip a finder.
        sys.meta_path = [finder for finder in sys.meta_path if finder is not self]

    def act_on_those_already_there(self) -> None:
        """Catches a module that got past us: it was already being imported when its action was added."""
        for name in list(self._pending):
            module = sys.modules.get(name)
            if module is not None and not _is_initializing(module):
                self.act(module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.act_on_those_already_there()
        if name not in self._pending or getattr(self._searching, "name", None) == name:
            return None
        self._searching.name = name  # another hook may ask everybody again, us included
        try:
            spec = self._ask_the_others(name, path, target)
        finally:
            self._searching.name = None
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _ActingLoader(spec.loader, self.act)  # type: ignore[assignment]
        return spec

    def _ask_the_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


_hook = _ImportHook()


def _is_initializing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def when_imported(name: str, action: Action) -> None:
    """Calls action(module) once: now if the module is there, else right after its first successful import.

    It runs inside that import, before any other thread sees the module as complete; what it raises becomes
    the import's error. A module that another thread is importing is waited for.
    """
    _hook.add(name, action)  # first, so that an import that begins now cannot slip through
    if sys.modules.get(name) is not None:
        with contextlib.suppress(Exception):  # a failure there belongs to the one who imports it
            importlib.import_module(name)
    _hook.act_on_those_already_there()
