"""The same random operations on JsonKVStorage and on the storage under test give the same answers."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from nano_graphrag._storage import JsonKVStorage
from subject import Subject, close, spelled

pytestmark = pytest.mark.redis_part  # on the oracle itself it would prove nothing

NAMESPACES = ["text_chunks", "text?chunks", "text*"]  # the later ones, as patterns, match the first
FEW_IDS = ["a", "b", "a*", "é", "a:b", " ", "[a]", ""]

ids = st.sampled_from(FEW_IDS) | st.text(max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=5)  # lone surrogates, controls
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcé") | st.text(max_size=5), inner)
    ),
    max_leaves=10,
)
records = st.dictionaries(st.sampled_from(["content", "tokens", "é", ""]), values)  # what fields can filter
namespaces = st.sampled_from(NAMESPACES)


class Oracle(JsonKVStorage):  # type: ignore[misc]
    """JsonKVStorage 0.0.8.2 has no delete_by_id."""

    async def delete_by_id(self, id: str) -> bool:
        absent = object()
        return self._data.pop(id, absent) is not absent


class Operations(RuleBasedStateMachine):
    """Drives both storages; a subclass names the Subject."""

    subject: Subject

    def __init__(self) -> None:
        super().__init__()
        assert self.subject.server is not None
        self.subject.server.wipe()
        self.loop = asyncio.new_event_loop()
        config = self.subject.config()
        self.pairs = {name: (Oracle(name, config), self.subject.cls(name, config)) for name in NAMESPACES}

    def teardown(self) -> None:
        self.list_everything()
        for _, tested in self.pairs.values():
            self.run(close(tested))
        self.loop.close()

    def run(self, call: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(call)

    def compare(self, namespace: str, method: str, *arguments: Any) -> None:
        expected, actual = [
            self.run(getattr(kv, method)(*copy.deepcopy(arguments))) for kv in self.pairs[namespace]
        ]
        if method == "all_keys":
            expected, actual = sorted(expected), sorted(actual)
        assert type(expected) is type(actual)
        assert expected == actual if isinstance(expected, set) else spelled(expected) == spelled(actual)

    @initialize(namespace=namespaces, id=ids, value=records)
    def start_with_something(self, namespace: str, id: str, value: Any) -> None:
        self.compare(namespace, "upsert", {id: value})

    @rule(namespace=namespaces, data=st.dictionaries(ids, values | records, max_size=6))
    def upsert(self, namespace: str, data: dict[str, Any]) -> None:
        self.compare(namespace, "upsert", data)

    @rule(namespace=namespaces, id=ids)
    def get_by_id(self, namespace: str, id: str) -> None:
        self.compare(namespace, "get_by_id", id)

    @rule(namespace=namespaces, ids=st.lists(ids, max_size=8))
    def get_by_ids(self, namespace: str, ids: list[str]) -> None:
        self.compare(namespace, "get_by_ids", ids)

    @rule(
        namespace=namespaces,
        ids=st.lists(ids, max_size=8),
        fields=st.sets(st.sampled_from(["content", "é", ""])),
    )
    def get_fields(self, namespace: str, ids: list[str], fields: set[str]) -> None:
        """The oracle raises on values that are neither records nor empty; those are not asked for."""
        oracle = self.pairs[namespace][0]
        askable = [id for id in ids if isinstance(self.run(oracle.get_by_id(id)) or {}, dict)]
        self.compare(namespace, "get_by_ids", askable, fields)

    @rule(namespace=namespaces, ids=st.lists(ids, max_size=8))
    def filter_keys(self, namespace: str, ids: list[str]) -> None:
        self.compare(namespace, "filter_keys", ids)

    @rule(namespace=namespaces, id=ids)
    def delete(self, namespace: str, id: str) -> None:
        self.compare(namespace, "delete_by_id", id)

    @rule(namespace=namespaces)
    def drop(self, namespace: str) -> None:
        self.compare(namespace, "drop")

    @rule(namespace=namespaces)
    def finish_a_query(self, namespace: str) -> None:
        self.compare(namespace, "query_done_callback")

    @rule(namespace=namespaces)
    def open_anew(self, namespace: str) -> None:
        """Another storage of the same namespace, as another worker has it."""
        oracle, tested = self.pairs[namespace]
        self.run(close(tested))
        self.pairs[namespace] = (oracle, self.subject.cls(namespace, self.subject.config()))

    @rule()
    def list_everything(self) -> None:
        for namespace in NAMESPACES:
            self.compare(namespace, "all_keys")


def test_random_operations_get_the_answers_of_the_oracle(subject: Subject) -> None:
    machine = type("OperationsOnSubject", (Operations,), {"subject": subject})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
