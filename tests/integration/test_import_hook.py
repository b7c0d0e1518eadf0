"""when_imported: an action runs once, right after the import of a module, and leaves no trace."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

import pytest

from nano_graphrag_redis.integration import hook as hook_module
from nano_graphrag_redis.integration.hook import when_imported

MakeModule = Callable[[str, str], str]


@pytest.fixture(autouse=True)
def own_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of the test's own: the package's may be waiting for nano-graphrag."""
    monkeypatch.setattr(hook_module, "_hook", hook_module._ImportHook())


def hooked() -> bool:
    return hook_module._hook in sys.meta_path


def mark(module: Any) -> None:
    module.marks = getattr(module, "marks", 0) + 1


def test_action_runs_after_the_body_of_the_module(make_module: MakeModule) -> None:
    make_module("late", "value = 'from the body'")
    seen: list[str] = []
    when_imported("late", lambda module: seen.append(module.value))
    assert seen == []
    importlib.import_module("late")
    assert seen == ["from the body"]


def test_action_runs_at_once_for_a_module_that_is_there(make_module: MakeModule) -> None:
    module = importlib.import_module(make_module("early", ""))
    when_imported("early", mark)
    assert module.marks == 1
    assert not hooked()


def test_from_import_sees_the_effect_of_the_action(make_module: MakeModule) -> None:
    make_module("changed", "value = 'old'")
    when_imported("changed", lambda module: setattr(module, "value", "new"))
    namespace: dict[str, Any] = {}
    exec("from changed import value", namespace)
    assert namespace["value"] == "new"


def test_importing_a_submodule_first_acts_on_the_package(make_module: MakeModule) -> None:
    make_module("package.__init__", "")
    make_module("package.part", "import package; marks_seen = package.marks")
    when_imported("package", mark)
    assert importlib.import_module("package.part").marks_seen == 1


def test_submodule_can_be_waited_for(make_module: MakeModule) -> None:
    make_module("package.__init__", "from . import part")
    make_module("package.part", "")
    when_imported("package.part", mark)
    assert importlib.import_module("package").part.marks == 1


def test_hook_leaves_meta_path_after_its_last_action(make_module: MakeModule) -> None:
    make_module("one", "")
    make_module("two", "")
    when_imported("one", mark)
    when_imported("two", mark)
    importlib.import_module("one")
    assert hooked()
    importlib.import_module("two")
    assert not hooked()


def test_leaving_does_not_change_the_list_that_other_threads_walk_along(make_module: MakeModule) -> None:
    make_module("walked", "")
    when_imported("walked", mark)
    walked, length = sys.meta_path, len(sys.meta_path)
    importlib.import_module("walked")
    assert len(walked) == length


def test_failed_import_keeps_the_action_for_the_next_one(make_module: MakeModule) -> None:
    make_module("moody", "import sys\nif not hasattr(sys, 'calm'): raise ImportError('not today')")
    when_imported("moody", mark)
    with pytest.raises(ImportError, match="not today"):
        importlib.import_module("moody")
    sys.calm = True  # type: ignore[attr-defined]
    try:
        assert importlib.import_module("moody").marks == 1
    finally:
        del sys.calm  # type: ignore[attr-defined]


def test_error_of_an_action_becomes_the_error_of_the_import(make_module: MakeModule) -> None:
    make_module("refused", "")
    calls: list[int] = []

    def refuse_once(module: ModuleType) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("wrong setting")

    when_imported("refused", refuse_once)
    with pytest.raises(ValueError, match="wrong setting"):
        importlib.import_module("refused")
    assert "refused" not in sys.modules
    importlib.import_module("refused")
    assert len(calls) == 2
    assert not hooked()


def test_module_keeps_its_true_loader(make_module: MakeModule) -> None:
    make_module("plain", "def function():\n    return 'source'\nseen = __spec__.loader")
    when_imported("plain", mark)
    module = importlib.import_module("plain")
    assert type(module.seen) is SourceFileLoader
    assert type(module.__loader__) is SourceFileLoader
    assert "return 'source'" in inspect.getsource(module.function)


def test_reload_works_and_does_not_act_again(make_module: MakeModule) -> None:
    make_module("again", "runs = globals().get('runs', 0) + 1")
    when_imported("again", mark)
    module = importlib.reload(importlib.import_module("again"))
    assert (module.runs, module.marks) == (2, 1)


def test_looking_for_a_module_is_not_importing_it(make_module: MakeModule) -> None:
    make_module("looked_for", "value = 1")
    when_imported("looked_for", mark)
    spec = importlib.util.find_spec("looked_for")
    assert spec is not None
    assert spec.loader.get_source("looked_for") == "value = 1"  # type: ignore[union-attr]
    assert "looked_for" not in sys.modules
    assert importlib.import_module("looked_for").marks == 1


def test_module_that_does_not_exist_stays_missing(make_module: MakeModule) -> None:
    when_imported("not_there_at_all", mark)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("not_there_at_all")


def test_threads_that_import_together_all_see_the_effect(make_module: MakeModule) -> None:
    make_module("shared", "import time; time.sleep(0.05)")
    when_imported("shared", mark)
    start = threading.Barrier(8)
    seen: list[int] = []

    def import_it() -> None:
        start.wait()
        seen.append(importlib.import_module("shared").marks)

    run_threads([import_it] * 8)
    assert seen == [1] * 8


def test_import_under_way_in_another_thread_is_waited_for(make_module: MakeModule) -> None:
    make_module("slow", "import sys, time; sys.slow_began.set(); time.sleep(0.1); value = 'complete'")
    sys.slow_began = threading.Event()  # type: ignore[attr-defined]
    importer = threading.Thread(target=importlib.import_module, args=("slow",))
    importer.start()
    sys.slow_began.wait(5)  # type: ignore[attr-defined]
    seen: list[str] = []
    when_imported("slow", lambda module: seen.append(module.value))
    assert seen == ["complete"]
    importer.join()
    del sys.slow_began  # type: ignore[attr-defined]


def test_module_that_asks_for_itself_is_acted_on_when_it_is_complete(make_module: MakeModule) -> None:
    make_module(
        "circular",
        "import sys\n"
        "from nano_graphrag_redis.integration.hook import when_imported\n"
        "when_imported('circular', lambda module: setattr(module, 'seen', module.value))\n"
        "value = 'complete'",
    )
    make_module("next_one", "")
    module = importlib.import_module("circular")
    importlib.import_module("next_one")
    assert module.seen == "complete"
    assert not hooked()


class OtherHook:
    """Another library's hook, which asks all finders again, ours included."""

    def __init__(self) -> None:
        self.asking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "contested" or self.asking:
            return None
        self.asking = True
        try:
            return importlib.util.find_spec(name)
        finally:
            self.asking = False


class CarelessHook:
    """Another library's hook, which asks all other finders and does not notice when it is asked itself."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        return next((spec for spec in others if spec), None)


@pytest.mark.parametrize("other", [OtherHook, CarelessHook])
@pytest.mark.parametrize("position", [0, 1], ids=["before ours", "after ours"])
def test_action_runs_once_beside_another_hook(make_module: MakeModule, position: int, other: type) -> None:
    make_module("contested", "")
    when_imported("contested", mark)
    sys.meta_path.insert(position, other())
    assert importlib.import_module("contested").marks == 1


def run_threads(targets: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
