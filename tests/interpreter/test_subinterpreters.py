"""What the extension says of interpreters inside one process holds: several that share a lock, none with its own."""

from __future__ import annotations

import sys

import pytest
from fresh import Ended, run

if sys.version_info < (3, 12):
    pytest.skip("before Python 3.12 an interpreter has no lock of its own", allow_module_level=True)

CREATE = {  # by whether the new interpreter has a lock of its own
    True: "import {module} as interpreters; made = interpreters.create()",
    False: "import {module} as interpreters; made = interpreters.create({legacy})",
}
if sys.version_info >= (3, 13):
    MODULE, LEGACY = "_interpreters", "'legacy'"
else:
    MODULE, LEGACY = "_xxsubinterpreters", "isolated=False"

ROUND_TRIP = """
import asyncio
from nano_graphrag_redis import RedisKVStorage, _native

async def round_trip():
    kv = RedisKVStorage(namespace="full_docs", global_config={"redis_url": URL})
    async with kv:
        await kv.upsert({"a": {"content": "x"}})
        print(await kv.get_by_id("a"), flush=True)

assert _native.loads(b"[1]") == [1]
asyncio.run(round_trip())
"""


def run_inside(code: str, own_lock: bool) -> Ended:
    create = CREATE[own_lock].format(module=MODULE, legacy=LEGACY)
    return run(f"{create}\nprint(interpreters.run_string(made, {code!r}))\ninterpreters.destroy(made)")


def test_an_interpreter_that_shares_the_lock_can_use_it(redis_server):
    ended = run_inside(f"URL = {redis_server.url!r}\n{ROUND_TRIP}", own_lock=False)
    ended.assert_silent()
    assert ended.out == "{'content': 'x'}\nNone\n"


def test_an_interpreter_with_its_own_lock_is_refused_in_words():
    ended = run_inside("import nano_graphrag_redis._native", own_lock=True)
    assert "ImportError" in ended.out + ended.err
    assert "does not support loading in subinterpreters" in ended.out + ended.err
