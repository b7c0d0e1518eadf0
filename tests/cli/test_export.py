"""`ngr-redis export`: files that JsonKVStorage loads, complete or not there at all."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nano_graphrag._storage import JsonKVStorage
from nano_graphrag._utils import write_json

from nano_graphrag_redis import RedisKVStorage, _native
from nano_graphrag_redis.migrate import out_of_redis
from nano_graphrag_redis.migrate.records import same_value
from nano_graphrag_redis.migrate.target import TargetFile

Put = Callable[[str, Any], Path]

RECORDS = {
    "a": {"content": "Grüße 世界 🌍 \u2028", "list": [1, 1.0, -0.0, None, True], "empty": [[], {}, ""]},
    "b": None,
    "c": 'text with "quotes" and \\ and \n',
    "d": {"nested": {"deeper": [{"x": 1e400}, {"y": 2**70}]}},
}


def store(client: Any, namespace: str, records: dict[str, Any], prefix: str = "nano_graphrag") -> None:
    for key, value in records.items():
        client.set(f"{prefix}:{namespace}:{key}", json.dumps(value))


def load(folder: Path, namespace: str) -> Any:
    return json.loads((folder / f"kv_store_{namespace}.json").read_text(encoding="utf-8"))


def test_round_trip_gives_what_json_kv_storage_had(ngr: Any, put: Put, workdir: Path, tmp_path: Path) -> None:
    put("full_docs", RECORDS)
    put("text_chunks", {f"chunk-{number}": {"tokens": number} for number in range(2000)})
    out = tmp_path / "out"
    assert ngr("migrate", workdir).code == 0
    outcome = ngr("export", out)
    assert outcome.code == 0, outcome.err
    assert "Done: 2,004 records exported." in outcome.out
    for namespace in ("full_docs", "text_chunks"):
        original = JsonKVStorage(namespace, {"working_dir": str(workdir)})
        exported = JsonKVStorage(namespace, {"working_dir": str(out)})
        assert exported._data == original._data
        ids = asyncio.run(original.all_keys())
        assert asyncio.run(exported.get_by_ids(ids)) == asyncio.run(original.get_by_ids(ids))


def test_bytes_are_those_that_nano_graphrag_writes(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", RECORDS)
    assert ngr("export", tmp_path).code == 0
    write_json(RECORDS, tmp_path / "expected.json")
    assert (tmp_path / "kv_store_full_docs.json").read_bytes() == (tmp_path / "expected.json").read_bytes()


def test_records_come_in_the_order_of_their_ids(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {f"doc-{number:04}": number for number in range(3000)})
    assert ngr("export", tmp_path).code == 0
    assert list(load(tmp_path, "full_docs").items()) == [
        (f"doc-{number:04}", number) for number in range(3000)
    ]


@pytest.mark.parametrize(
    "value", ['"half \\ud83d"', "[" * 900 + "]" * 900], ids=["lone surrogate", "900 deep"]
)
def test_value_that_the_usual_writer_refuses_is_written(
    ngr: Any, redis_client: Any, tmp_path: Path, value: str
) -> None:
    redis_client.set("nano_graphrag:full_docs:before", '"x"')
    redis_client.set("nano_graphrag:full_docs:odd", value)
    redis_client.set("nano_graphrag:full_docs:then", '"y"')
    assert ngr("export", tmp_path).code == 0
    loaded = load(tmp_path, "full_docs")
    assert list(loaded) == ["before", "odd", "then"]
    assert loaded["odd"] == json.loads(value)


def test_value_deeper_than_the_usual_writer_goes_is_written(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(990):
        deep = [deep]
    with TargetFile(tmp_path / "file.json") as target:
        target.add("before", 1)
        target.add("deep", deep)
    written = _native.loads((tmp_path / "file.json").read_bytes())
    assert same_value(written, {"before": 1, "deep": deep})


def test_looking_at_records_does_not_prolong_their_life(
    ngr: Any, redis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_TTL_SLIDING", "1")
    redis_client.set("nano_graphrag:community_reports:1", '"report"', ex=100)
    assert ngr("export", tmp_path).code == 0
    assert redis_client.ttl("nano_graphrag:community_reports:1") <= 100


def test_namespaces_are_found_and_other_keys_left_alone(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": 1})
    store(redis_client, "my own", {"id:with:colons": 2})
    store(redis_client, "full_docs", {"id": "not ours"}, prefix="nano_graphrag2")
    redis_client.set("nano_graphrag:no-second-colon", "1")
    redis_client.set("unrelated", "1")
    out = tmp_path / "out"
    assert ngr("export", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["kv_store_full_docs.json", "kv_store_my own.json"]
    assert load(out, "my own") == {"id:with:colons": 2}
    assert load(out, "full_docs") == {"id": 1}


def test_glob_characters_in_the_prefix_are_no_pattern(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": 1}, prefix="t[a]*?\\")
    store(redis_client, "other", {"id": 2}, prefix="ta")
    assert ngr("export", tmp_path, "--key-prefix", "t[a]*?\\").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kv_store_full_docs.json"]


def test_only_the_named_namespace_is_written(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": 1})
    store(redis_client, "text_chunks", {"id": 1})
    assert ngr("export", tmp_path, "--namespace", "text_chunks", "--namespace", "text_chunks").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kv_store_text_chunks.json"]


@pytest.mark.parametrize("arguments", [(), ("--namespace", "full_docs")])
def test_nothing_to_export_is_an_error(ngr: Any, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = ngr("export", tmp_path, *arguments)
    assert outcome.code == 1
    assert "no record under nano_graphrag:" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_refused(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": "new"})
    store(redis_client, "text_chunks", {"id": "new"})
    path = tmp_path / "kv_store_full_docs.json"
    path.write_text('{"id": "old"}')
    outcome = ngr("export", tmp_path)
    assert outcome.code == 1
    assert f"{path} would be replaced" in outcome.err
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == '{"id": "old"}'
    assert ngr("export", tmp_path, "--overwrite").code == 0
    assert load(tmp_path, "full_docs") == {"id": "new"}


def test_corrupt_value_is_named_and_no_file_is_left(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "community_reports", {"1": "fine"})
    store(redis_client, "full_docs", {f"doc-{number}": number for number in range(50)})
    redis_client.set("nano_graphrag:full_docs:doc-7", '{"half": ')
    outcome = ngr("export", tmp_path)
    assert outcome.code == 1
    assert "doc-7" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_corrupt_value_leaves_the_older_file_as_it_was(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    path = tmp_path / "kv_store_full_docs.json"
    path.write_text('{"id": "old"}')
    redis_client.set("nano_graphrag:full_docs:id", "nonsense")
    assert ngr("export", tmp_path, "--overwrite").code == 1
    assert path.read_text() == '{"id": "old"}'
    assert list(tmp_path.iterdir()) == [path]


def test_skip_corrupt_leaves_them_out_and_names_them(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {f"doc-{number}": number for number in range(50)})
    redis_client.set("nano_graphrag:full_docs:doc-7", '{"half": ')
    redis_client.delete("nano_graphrag:full_docs:doc-9")
    redis_client.lpush("nano_graphrag:full_docs:doc-9", "a list")
    outcome = ngr("export", tmp_path, "--skip-corrupt")
    assert outcome.code == 0
    assert "48 records exported, 2 left out" in outcome.out
    left_out = [line for line in outcome.err.splitlines() if line.startswith("ngr-redis: left out: ")]
    assert ["doc-7" in left_out[0], "doc-9" in left_out[1]] == [True, True]
    assert set(load(tmp_path, "full_docs")) == {
        f"doc-{number}" for number in range(50) if number not in (7, 9)
    }


def test_record_that_expires_meanwhile_is_counted(
    ngr: Any, redis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(redis_client, "full_docs", {"a": 1, "b": 2})
    real = RedisKVStorage.all_keys

    async def all_keys(self: Any) -> list[str]:
        keys: list[str] = await real(self)
        redis_client.delete("nano_graphrag:full_docs:a")
        return keys

    monkeypatch.setattr(RedisKVStorage, "all_keys", all_keys)
    outcome = ngr("export", tmp_path)
    assert outcome.code == 0
    assert "1 record, " in outcome.out
    assert "1 expired meanwhile" in outcome.out
    assert load(tmp_path, "full_docs") == {"b": 2}


def test_failure_to_put_the_file_in_place_leaves_none(
    ngr: Any, redis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        assert source.parent == target.parent  # a rename between file systems is not atomic
        raise OSError(28, "No space left on device", str(target))

    store(redis_client, "full_docs", {"id": 1})
    monkeypatch.setattr(os, "replace", refuse)
    outcome = ngr("export", tmp_path)
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_usual_permissions(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": 1})
    before = os.umask(0o027)
    try:
        assert ngr("export", tmp_path).code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "kv_store_full_docs.json").stat().st_mode) == 0o640


def test_missing_folders_are_made(ngr: Any, redis_client: Any, tmp_path: Path) -> None:
    store(redis_client, "full_docs", {"id": 1})
    assert ngr("export", tmp_path / "new" / "folder").code == 0
    assert load(tmp_path / "new" / "folder", "full_docs") == {"id": 1}


@pytest.mark.parametrize("namespace", ["../outside", "a/b", "nul\0"])
def test_namespace_cannot_lead_out_of_the_folder(
    ngr: Any, redis_client: Any, tmp_path: Path, namespace: str
) -> None:
    store(redis_client, namespace, {"id": 1})
    out = tmp_path / "out"
    outcome = ngr("export", out)
    assert outcome.code == 1
    assert "cannot be part of a file name" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_large_values_are_read_in_small_batches(
    ngr: Any, redis_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is sized by what the records so far weighed, so that its values fit into BATCH_BYTES."""
    sizes: list[int] = []
    real = RedisKVStorage.get_by_ids

    async def get_by_ids(self: Any, ids: list[str], fields: Any = None) -> list[Any]:
        sizes.append(len(ids))
        values: list[Any] = await real(self, ids, fields)
        return values

    monkeypatch.setattr(RedisKVStorage, "get_by_ids", get_by_ids)
    monkeypatch.setattr(out_of_redis, "BATCH_BYTES", 50_000)
    store(redis_client, "full_docs", {f"doc-{number:03}": "x" * 10_000 for number in range(100)})
    store(redis_client, "text_chunks", {f"chunk-{number:03}": "x" for number in range(100)})
    assert ngr("export", tmp_path, "--namespace", "full_docs").code == 0
    assert set(sizes[1:]) == {4}
    sizes.clear()
    assert ngr("export", tmp_path, "--namespace", "text_chunks").code == 0
    assert sizes == [16, 84]
