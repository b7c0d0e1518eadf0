"""Oracle part: many at once and large at once, and the records that nano-graphrag itself stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

RECORDS = {
    "full_docs": {"doc-1": {"content": "The whole text of a document."}},
    "text_chunks": {
        "chunk-1": {
            "tokens": 1200,
            "content": "The first part.",
            "chunk_order_index": 0,
            "full_doc_id": "doc-1",
        }
    },
    "community_reports": {
        "0": {
            "report_string": "# Title\n\nSummary",
            "report_json": {"title": "Title", "rating": 7.5, "findings": [{"summary": "s"}]},
            "level": 0,
            "title": "Cluster 0",
            "edges": [["A", "B"]],
            "nodes": ["A", "B"],
            "chunk_ids": ["chunk-1"],
            "occurrence": 1.0,
            "sub_communities": [],
        }
    },
    "llm_response_cache": {"8d777f385d3dfec8815d20f7496026dc": {"return": "An answer.", "model": "a model"}},
}


@pytest.mark.parametrize("namespace", RECORDS)
async def test_the_records_of_nano_graphrag_come_back(make_kv: Callable[..., Any], namespace: str) -> None:
    kv = make_kv(namespace)
    await kv.upsert(RECORDS[namespace])
    for id, record in RECORDS[namespace].items():
        assert await kv.get_by_id(id) == record


async def test_ten_thousand_records_in_one_batch(kv: Any) -> None:
    data = {f"chunk-{n}": {"n": n, "content": f"text {n} " * 20} for n in range(10_000)}
    await kv.upsert(data)
    assert await kv.get_by_ids(list(data)) == list(data.values())
    assert await kv.get_by_ids(list(data), fields={"n"}) == [{"n": n} for n in range(10_000)]
    assert await kv.filter_keys([*data, "absent"]) == {"absent"}
    assert len(await kv.all_keys()) == 10_000


async def test_a_record_of_ten_megabytes(kv: Any) -> None:
    record = {"content": "line é\n" * 1_300_000, "tokens": 1}
    await kv.upsert({"big": record})
    assert await kv.get_by_id("big") == record
    assert await kv.get_by_ids(["big", "none"], fields={"tokens"}) == [{"tokens": 1}, None]


async def test_twenty_tasks_write_and_read_at_once(make_kv: Callable[..., Any]) -> None:
    """With fewer connections than tasks, tasks wait; they do not fail."""
    kv = make_kv(redis_max_connections=10)
    await asyncio.gather(*[kv.upsert({f"id-{n}": {"n": n}}) for n in range(20)])
    answers = await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(20)])
    assert answers == [{"n": n} for n in range(20)]


async def test_twenty_first_calls_at_once(kv: Any) -> None:
    assert await asyncio.gather(*[kv.get_by_id(f"id-{n}") for n in range(20)]) == [None] * 20


async def test_every_task_gets_its_own_answer(kv: Any) -> None:
    await kv.upsert({f"id-{n}": {"n": n} for n in range(500)})

    async def ask(n: int) -> bool:
        ids = [f"id-{n}", "x", f"id-{499 - n}"]
        one, many = await asyncio.gather(kv.get_by_id(ids[0]), kv.get_by_ids(ids))
        return [one, *many] == [{"n": n}, {"n": n}, None, {"n": 499 - n}]

    assert all(await asyncio.gather(*[ask(n) for n in range(500)]))
