"""One health run of the four storages, configured by the environment alone. Prints what it saw as JSON.

Run as a process of its own: python round_trip.py WORKING_DIR. The calls are those of a health endpoint
and of a backup; the class under test comes from the package and nothing else does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from nano_graphrag_redis import RedisKVStorage

RECORDS: dict[str, dict[str, Any]] = {
    "full_docs": {"doc-1": {"content": "Zoë's document"}},
    "text_chunks": {"chunk-1": {"content": "a part", "tokens": 2, "chunk_order_index": 0}},
    "community_reports": {"0": {"report_string": "# Report", "report_json": {"rating": 7.5}}},
    "llm_response_cache": {"abc123": {"return": "an answer", "model": "a model"}},
}


async def scan_all(client: Any, pattern: str) -> list[bytes]:
    cursor, found = 0, []
    while True:
        cursor, keys = await client.scan(cursor, match=pattern, count=100)
        assert isinstance(cursor, int)
        found.extend(keys)
        if cursor == 0:
            return found


async def raw_calls(client: Any, prefix: str) -> dict[str, Any]:
    """Every call of the raw client, on keys that are gone again afterwards."""
    key = prefix + "health-probe"
    await client.set(key, b"1")
    await client.setex(key + "-2", 60, "2")
    return {
        "exists": await client.exists(key),
        "values": [(await client.get(name)).decode() for name in (key, (key + "-2").encode())],
        "deleted": await client.delete(key, key + "-2"),
    }


async def check(namespace: str, working_dir: str) -> dict[str, Any]:
    kv = RedisKVStorage(namespace=namespace, global_config={"working_dir": working_dir})
    await kv._ensure_initialized()
    await kv.upsert(RECORDS[namespace])
    await kv.index_done_callback()
    raw = await raw_calls(kv._redis_client, kv._prefix)
    keys = await scan_all(kv._redis_client, kv._prefix + "*")
    backup = {
        key.decode().removeprefix(kv._prefix): json.loads(await kv._redis_client.get(key)) for key in keys
    }
    answer = {
        "is_healthy": await kv._redis_client.ping() is True and await kv.check_health() is True,
        "backup_is_complete": backup == RECORDS[namespace],
        "reads_back": await kv.get_by_ids(list(RECORDS[namespace])) == list(RECORDS[namespace].values()),
        "ids": await kv.all_keys(),
        "stats_are_plain": json.loads(json.dumps(await kv.get_stats())) is not None,
        "raw": raw,
    }
    await kv.aclose()
    return answer


async def save(working_dir: str) -> bool:
    """Before the callbacks do: a server refuses to save twice at a time."""
    async with RedisKVStorage("full_docs", {"working_dir": working_dir}) as kv:
        return bool(await kv._redis_client.bgsave())


async def main(working_dir: str) -> None:
    assert await save(working_dir)
    answers = {namespace: await check(namespace, working_dir) for namespace in RECORDS}
    print(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
