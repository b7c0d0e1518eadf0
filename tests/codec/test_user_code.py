"""Values whose own code runs in the middle of encoding or decoding: it may call the codec again, change the
value under its feet, or raise. Nothing crashes, and exceptions arrive as they were raised."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

import pytest

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError, EncodeError


class Acting:
    """str() of it does `action` and gives a text."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __str__(self) -> str:
        self.action()
        return "acted"


def test_str_may_encode_and_decode_in_the_middle() -> None:
    inner = {"k": ["é\n", 1, {"deep": [None] * 20}]}

    def again() -> None:
        assert _native.loads(_native.dumps(inner)) == inner

    value = {"a": [Acting(again), {"b": Acting(again)}], "c": "after"}
    assert json.loads(_native.dumps(value)) == {"a": ["acted", {"b": "acted"}], "c": "after"}


class Garbage:
    """A cycle whose end runs the codec."""

    ended = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Garbage.ended += 1
        assert _native.loads(b'{"content":["x\\n\xc3\xa9",{"a":[]}]}') == {"content": ["x\né", {"a": []}]}
        with pytest.raises(CorruptValueError):
            _native.loads(b'["half\\n", {"a": [')


def test_the_collector_may_decode_in_the_middle_of_decoding() -> None:
    document = json.dumps([{"content": ["a\n\u20ac", {"n": [1, 2]}], "k": i} for i in range(300)]).encode()
    expected = json.loads(document)
    before, thresholds = Garbage.ended, gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(30):
            Garbage()
            assert _native.loads(document) == expected
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert Garbage.ended >= before + 30


@pytest.mark.parametrize(
    "exception", [RuntimeError, ValueError, MemoryError, KeyboardInterrupt, RecursionError]
)
def test_an_exception_of_the_values_own_code_arrives_as_it_is_with_the_path(
    exception: type[BaseException],
) -> None:
    raised = exception("mine")

    def fail() -> None:
        raise raised

    with pytest.raises(exception) as caught:
        _native.dumps({"a": [1, Acting(fail)]})
    assert caught.value is raised
    assert caught.value.args == ("mine",)
    assert caught.value.__notes__ == ["while encoding: str() of Acting at $.a[1]"]  # type: ignore[attr-defined]


def test_an_exception_of_items_or_iter_arrives_as_it_is() -> None:
    class BadDict(dict[str, Any]):
        def items(self) -> Any:
            raise LookupError("items")

    class BadList(list[Any]):
        def __iter__(self) -> Any:
            raise LookupError("iter")

    for bad, name in ((BadDict(a=1), "items"), (BadList([1]), "iter")):
        with pytest.raises(LookupError, match=name):
            _native.dumps({"x": bad})


def test_str_that_gives_no_str_is_a_type_error() -> None:
    class Wrong:
        def __str__(self) -> str:
            return 5  # type: ignore[return-value]

    with pytest.raises(TypeError):
        _native.dumps([Wrong()])


def test_a_dict_or_list_that_changes_size_meanwhile_is_an_error() -> None:
    grown: dict[str, Any] = {}
    grown.update(a=Acting(lambda: grown.setdefault("more")), b=2)
    shrunk: dict[str, Any] = {}
    shrunk.update(a=1, b=Acting(shrunk.clear), c=3)
    longer: list[Any] = []
    longer.extend([Acting(lambda: longer.append(1)), 2])
    shorter: list[Any] = []
    shorter.extend([1, Acting(shorter.clear), 3])
    for value, kind in ((grown, "dict"), (shrunk, "dict"), (longer, "list"), (shorter, "list")):
        with pytest.raises(EncodeError, match=rf"at \$\.v.*: the {kind} changed size while it was written"):
            _native.dumps({"v": value})


def test_containers_replaced_and_freed_meanwhile_do_no_harm() -> None:
    outer: dict[str, Any] = {}

    def replace() -> None:
        for k in list(outer):
            outer[k] = None
        gc.collect()

    outer["x"] = [{"deep": [Acting(replace), "still there", ["and this"]]}]
    outer["y"] = "gone"
    assert json.loads(_native.dumps(outer)) == {
        "x": [{"deep": ["acted", "still there", ["and this"]]}],
        "y": None,
    }


def test_a_value_that_rebuilds_its_dict_to_the_same_size_does_no_harm() -> None:
    victim: dict[Any, Any] = {}

    def rebuild() -> None:
        size = len(victim)
        victim.clear()
        victim.update({f"new{i}" * 5: i for i in range(size)})

    victim.update({i: i for i in range(50)})
    victim[10] = Acting(rebuild)
    assert isinstance(json.loads(_native.dumps(victim)), dict)


def test_keys_with_code_of_their_own_do_no_harm() -> None:
    class Key(str):
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(EncodeError, match="keys 'k' and 'k' are both 'k'"):
        _native.dumps({Key("k"): 1, Key("k"): 2})
    assert _native.loads(b'{"a":1,"b":2}', [Key("a"), "b"]) == {"b": 2}


def test_an_exception_in_a_fields_comparison_arrives() -> None:
    class Raising(str):
        def __hash__(self) -> int:
            return hash("a")

        def __eq__(self, other: object) -> bool:
            raise LookupError("eq")

    with pytest.raises(LookupError, match="eq"):
        _native.loads(b'{"a":1}', [Raising("x")])
    assert _native.loads(b'{"a":1}') == {"a": 1}


def test_encoding_inside_deep_recursion_needs_no_stack_of_its_own() -> None:
    value: Any = []
    for _ in range(999):
        value = [value]

    def descend(n: int) -> bytes:
        return descend(n - 1) if n else _native.dumps(value)

    assert len(descend(sys.getrecursionlimit() // 2)) == 2000
