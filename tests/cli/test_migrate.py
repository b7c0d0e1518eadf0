"""`ngr-redis migrate`: every record arrives, equal; nothing else changes; what may go wrong is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis import RedisKVStorage

Put = Callable[[str, Any], Path]

DOCUMENTS = {
    f"doc-{number}": {"content": f"text {number} é 世界 🌍", "tokens": number} for number in range(30)
}
ALL_KINDS: dict[str, Any] = {
    "null": None,
    "false": False,
    "zero": 0,
    "empty string": "",
    "empty list": [],
    "empty object": {},
    "float": 1.0,
    "negative zero": -0.0,
    "not a number": float("nan"),
    "infinity": float("-inf"),
    "large": 2**100,
    "precise": 9007199254740993,
    "nested": {"a": [1, 1.0, True, None, {"b": ["\u0000", "é", "🌍"]}]},
    "": "empty id",
    "id: with * [glob] ? \\ and space": "odd id",
    "世界": "id",
}


def raw_keys(client: Any) -> set[str]:
    return {key.decode() for key in client.keys("*")}


def raw(client: Any, namespace: str, key: str) -> Any:
    return json.loads(client.get(f"nano_graphrag:{namespace}:{key}"))


def test_every_record_arrives(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    put("full_docs", DOCUMENTS)
    put("text_chunks", {"chunk-1": {"content": "c"}})
    outcome = ngr("migrate", workdir)
    assert outcome.code == 0, outcome.err
    assert "full_docs: 30 records compared equal" in outcome.out
    assert "Done: 31 records" in outcome.out
    assert {key: raw(redis_client, "full_docs", key) for key in DOCUMENTS} == DOCUMENTS
    assert len(raw_keys(redis_client)) == 31


def test_values_of_every_kind_arrive_exactly(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    put("full_docs", ALL_KINDS)
    assert ngr("migrate", workdir).code == 0
    arrived = {key: raw(redis_client, "full_docs", key) for key in ALL_KINDS}
    assert repr(arrived) == repr(ALL_KINDS)


def test_lone_surrogate_arrives(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    put("full_docs", '{"doc": "half \\ud83d"}')
    assert ngr("migrate", workdir).code == 0
    assert raw(redis_client, "full_docs", "doc") == "half \ud83d"


def test_source_is_untouched(ngr: Any, put: Put, workdir: Path) -> None:
    path = put("full_docs", DOCUMENTS)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert ngr("migrate", workdir).code == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(workdir.iterdir()) == [path]


def test_dry_run_tells_everything_and_writes_nothing(
    ngr: Any, put: Put, workdir: Path, redis_client: Any
) -> None:
    put("full_docs", DOCUMENTS)
    put("community_reports", {"1": {"report": "r"}})
    redis_client.set("nano_graphrag:full_docs:doc-0", json.dumps(DOCUMENTS["doc-0"]))
    redis_client.set("nano_graphrag:full_docs:doc-1", '{"content": "other"}')
    outcome = ngr("migrate", workdir, "--dry-run")
    assert outcome.code == 0
    row = next(line.split() for line in outcome.out.splitlines() if "full_docs" in line)
    assert (row[1], row[-4:]) == ("30", ["never", "28", "1", "1"])
    reports = next(line for line in outcome.out.splitlines() if "community_reports" in line)
    assert "24 h" in reports
    assert "nothing was written" in outcome.out
    assert len(raw_keys(redis_client)) == 2


def test_second_run_finds_everything_there(ngr: Any, put: Put, workdir: Path) -> None:
    put("full_docs", DOCUMENTS)
    ngr("migrate", workdir)
    outcome = ngr("migrate", workdir)
    assert outcome.code == 0
    row = next(line.split() for line in outcome.out.splitlines() if line.split()[:1] == ["full_docs"])
    assert row[-3:] == ["0", "30", "0"]


def test_only_the_named_namespaces_are_moved(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    for namespace in ("full_docs", "text_chunks", "community_reports"):
        put(namespace, {"id": {"content": namespace}})
    outcome = ngr("migrate", workdir, "--namespace", "full_docs", "--namespace", "text_chunks")
    assert outcome.code == 0
    assert raw_keys(redis_client) == {"nano_graphrag:full_docs:id", "nano_graphrag:text_chunks:id"}


def test_key_prefix_may_be_chosen(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    put("full_docs", {"id": 1})
    assert ngr("migrate", workdir, "--key-prefix", "tenant").code == 0
    assert raw_keys(redis_client) == {"tenant:full_docs:id"}


def test_empty_files_are_no_error(ngr: Any, put: Put, workdir: Path, redis_client: Any) -> None:
    put("full_docs", {})
    put("text_chunks", "null")
    assert ngr("migrate", workdir).code == 0
    assert raw_keys(redis_client) == set()


def test_records_arrive_in_many_batches(
    ngr: Any, put: Put, workdir: Path, redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_graphrag_redis.migrate.records.BATCH_RECORDS", 7)
    put("full_docs", DOCUMENTS)
    assert ngr("migrate", workdir).code == 0
    assert len(raw_keys(redis_client)) == 30


def test_what_was_written_is_committed(
    ngr: Any, put: Put, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deletes the files after a migration relies on it."""
    calls: list[str] = []

    def record(name: str) -> None:
        real = getattr(RedisKVStorage, name)

        async def recorded(self: Any, *arguments: Any) -> None:
            calls.append(name)
            await real(self, *arguments)

        monkeypatch.setattr(RedisKVStorage, name, recorded)

    record("upsert")
    record("index_done_callback")
    put("full_docs", DOCUMENTS)
    assert ngr("migrate", workdir).code == 0
    assert calls == ["upsert", "index_done_callback"]


class TestExpiry:
    def test_default_is_applied_and_said_before(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any
    ) -> None:
        put("community_reports", {"1": {"report": "r"}})
        put("llm_response_cache", {"hash": {"return": "r"}})
        put("full_docs", {"doc": {"content": "c"}})
        out = ngr("migrate", workdir).out
        assert "community_reports expire 24 h" in out
        assert "llm_response_cache expire 12 h" in out
        assert "REDIS_TTL_COMMUNITY_REPORTS=0" in out
        assert out.index("community_reports expire") < out.index("compared equal")
        assert 86390 < redis_client.ttl("nano_graphrag:community_reports:1") <= 86400
        assert 43190 < redis_client.ttl("nano_graphrag:llm_response_cache:hash") <= 43200
        assert redis_client.ttl("nano_graphrag:full_docs:doc") == -1

    def test_ttl_of_a_namespace_may_be_chosen(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any
    ) -> None:
        put("community_reports", {"1": {"report": "r"}})
        put("full_docs", {"doc": {"content": "c"}})
        out = ngr("migrate", workdir, "--ttl", "community_reports=0", "--ttl", "full_docs=600").out
        assert "Note:" not in out
        assert redis_client.ttl("nano_graphrag:community_reports:1") == -1
        assert 590 < redis_client.ttl("nano_graphrag:full_docs:doc") <= 600

    def test_no_ttl_takes_the_expiry_from_records_that_are_there(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any
    ) -> None:
        put("community_reports", {"1": {"report": "r"}})
        ngr("migrate", workdir)
        outcome = ngr("migrate", workdir, "--no-ttl")
        assert outcome.code == 0
        assert redis_client.ttl("nano_graphrag:community_reports:1") == -1

    @pytest.mark.parametrize("value", ["full_docs", "full_docs=", "=5", "full_docs=-1", "full_docs=1.5"])
    def test_malformed_ttl_is_a_usage_error(self, ngr: Any, put: Put, workdir: Path, value: str) -> None:
        put("full_docs", {})
        outcome = ngr("migrate", workdir, "--ttl", value)
        assert outcome.code == 2
        assert "NAMESPACE=SECONDS" in outcome.err

    def test_ttl_of_a_namespace_that_is_not_there_is_refused(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any
    ) -> None:
        put("full_docs", {"doc": 1})
        outcome = ngr("migrate", workdir, "--ttl", "comunity_reports=0")
        assert outcome.code == 1
        assert "comunity_reports" in outcome.err
        assert raw_keys(redis_client) == set()


class TestConflicts:
    @pytest.fixture(autouse=True)
    def other_values(self, put: Put, redis_client: Any) -> None:
        put("full_docs", DOCUMENTS)
        put("text_chunks", {"chunk": {"content": "c"}})
        for key in ("doc-3", "doc-4"):
            redis_client.set(f"nano_graphrag:full_docs:{key}", '{"content": "other"}')

    def test_different_values_are_refused_and_counted(
        self, ngr: Any, workdir: Path, redis_client: Any
    ) -> None:
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert "2 in full_docs" in outcome.err
        assert "--overwrite" in outcome.err
        assert "--keep" in outcome.err
        assert len(raw_keys(redis_client)) == 2  # not even the namespace without a conflict

    def test_overwrite_replaces_them(self, ngr: Any, workdir: Path, redis_client: Any) -> None:
        outcome = ngr("migrate", workdir, "--overwrite")
        assert outcome.code == 0
        assert raw(redis_client, "full_docs", "doc-3") == DOCUMENTS["doc-3"]

    def test_keep_leaves_them_and_writes_the_rest(self, ngr: Any, workdir: Path, redis_client: Any) -> None:
        outcome = ngr("migrate", workdir, "--keep")
        assert outcome.code == 0
        assert "28 records compared equal, 2 kept" in outcome.out
        assert raw(redis_client, "full_docs", "doc-3") == {"content": "other"}
        assert raw(redis_client, "full_docs", "doc-5") == DOCUMENTS["doc-5"]

    def test_overwrite_and_keep_exclude_each_other(self, ngr: Any, workdir: Path) -> None:
        assert ngr("migrate", workdir, "--overwrite", "--keep").code == 2

    def test_unreadable_value_counts_as_different_and_can_be_replaced(
        self, ngr: Any, workdir: Path, redis_client: Any
    ) -> None:
        redis_client.set("nano_graphrag:full_docs:doc-3", '{"content": ')
        redis_client.delete("nano_graphrag:full_docs:doc-4")
        redis_client.lpush("nano_graphrag:full_docs:doc-4", "a list")
        assert "2 in full_docs" in ngr("migrate", workdir).err
        assert ngr("migrate", workdir, "--overwrite").code == 0
        assert raw(redis_client, "full_docs", "doc-4") == DOCUMENTS["doc-4"]

    def test_stored_null_is_not_an_absent_record(self, ngr: Any, workdir: Path, redis_client: Any) -> None:
        redis_client.set("nano_graphrag:full_docs:doc-3", "null")
        assert "2 in full_docs" in ngr("migrate", workdir).err


class TestSource:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{\n  "a": 1,\n  "b": tru\n}', "not valid JSON: Expecting value (line 3, column 8)"),
            ('{"a": 1', "line 1, column 8"),
            ("", "line 1, column 1"),
            ('{"a": 1} x', "Extra data (line 1, column 10)"),
            (b'{"a": "\xff"}', "is not UTF-8"),
            ('["a"]', "holds a JSON list"),
            ("7", "holds a JSON int"),
            ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ],
    )
    def test_broken_file_is_named_and_nothing_is_written(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any, content: Any, message: str
    ) -> None:
        put("full_docs", {"doc": 1})
        path = put("text_chunks", content)
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert f"ngr-redis: {path}" in outcome.err
        assert message in outcome.err
        assert raw_keys(redis_client) == set()

    def test_value_that_is_too_deep_for_the_storage_is_named(
        self, ngr: Any, put: Put, workdir: Path, redis_client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deep: list[Any] = []
        for _ in range(1001):
            deep = [deep]
        monkeypatch.setattr("json.load", lambda _: {"fine": 1, "too deep": deep})
        put("full_docs", {})
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert "'too deep'" in outcome.err
        assert raw_keys(redis_client) == set()

    def test_folder_must_exist(self, ngr: Any, tmp_path: Path) -> None:
        outcome = ngr("migrate", tmp_path / "nowhere")
        assert (outcome.code, "nowhere is not a folder" in outcome.err) == (1, True)

    def test_folder_without_files_is_no_working_dir(self, ngr: Any, workdir: Path) -> None:
        workdir.joinpath("kv_store_.json").write_text("{}")
        workdir.joinpath("graph.graphml").write_text("")
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert "working_dir" in outcome.err

    def test_unknown_namespace_names_those_that_are_there(self, ngr: Any, put: Put, workdir: Path) -> None:
        put("full_docs", {})
        outcome = ngr("migrate", workdir, "--namespace", "full_doc")
        assert outcome.code == 1
        assert "kv_store_full_doc.json" in outcome.err
        assert "the namespaces there are full_docs" in outcome.err

    def test_file_that_changes_while_it_is_parsed_is_noticed(
        self, ngr: Any, put: Put, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = json.load

        def load(file: Any) -> Any:
            document = real(file)
            put("full_docs", {"another": "program"})
            return document

        put("full_docs", DOCUMENTS)
        monkeypatch.setattr("json.load", load)
        outcome = ngr("migrate", workdir, "--dry-run")
        assert outcome.code == 1
        assert "changed while it was being read" in outcome.err

    def test_file_that_changes_between_the_passes_is_noticed(
        self, ngr: Any, put: Put, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put("full_docs", DOCUMENTS)
        real = RedisKVStorage.upsert

        async def upsert(self: Any, data: dict[str, Any]) -> None:
            await real(self, data)
            put("full_docs", {"another": "program"})

        monkeypatch.setattr(RedisKVStorage, "upsert", upsert)
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert "changed while it was being read" in outcome.err


class TestComparison:
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data.pop("doc-7"),
            lambda data: data.update({"doc-7": {"content": "changed"}}),
            lambda data: data.update({"doc-7": DOCUMENTS["doc-7"] | {"tokens": 7.0}}),
        ],
        ids=["lost", "changed", "float for int"],
    )
    def test_record_that_did_not_arrive_equal_is_named(
        self,
        ngr: Any,
        put: Put,
        workdir: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[dict[str, Any]], Any],
    ) -> None:
        real = RedisKVStorage.upsert

        async def upsert(self: Any, data: dict[str, Any]) -> None:
            data = dict(data)
            change(data)
            await real(self, data)

        put("full_docs", DOCUMENTS)
        monkeypatch.setattr(RedisKVStorage, "upsert", upsert)
        outcome = ngr("migrate", workdir)
        assert outcome.code == 1
        assert "1 record in Redis did not compare equal after writing: full_docs:doc-7." in outcome.err
        assert "29 records compared equal" in outcome.out
        assert "Done" not in outcome.out


class TestConnection:
    def test_server_that_is_down_is_one_line(
        self, ngr: Any, put: Put, workdir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REDIS_RETRY_ATTEMPTS", "0")
        put("full_docs", DOCUMENTS)
        outcome = ngr("migrate", workdir, "--redis-url", "redis://127.0.0.1:1")
        assert outcome.code == 1
        (line,) = outcome.err.splitlines()
        assert line.startswith("ngr-redis: ")
        assert "127.0.0.1:1" in line

    def test_password_comes_from_the_environment_and_is_never_shown(
        self, ngr: Any, put: Put, workdir: Path, monkeypatch: pytest.MonkeyPatch, start_server: Any
    ) -> None:
        locked = start_server(password="canary-right")
        url = f"redis://127.0.0.1:{locked.port}"
        put("full_docs", DOCUMENTS)
        monkeypatch.setenv("REDIS_URL", url)
        monkeypatch.setenv("REDIS_PASSWORD", "canary-wrong")
        refused = ngr("migrate", workdir)
        monkeypatch.setenv("REDIS_PASSWORD", "canary-right")
        done = ngr("migrate", workdir)
        assert (refused.code, done.code) == (1, 0)
        assert "canary" not in refused.out + refused.err + done.out + done.err
