"""Calls each public method 100,000 times against a real server, each of its failures included, and prints what that
leaves behind: references, blocks of Python's memory, bytes of the process. A leak has the name of its method:

    python tests/refs/run.py [WORD...]       only methods whose names hold one of these words
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers import Server
from storages import storage

from nano_graphrag_redis import RedisKVStorage, _native, errors

ROUNDS = 100_000
AT_ONCE = 200  # calls under way, each of which must be counted in full before the next ones start
# A leak of one reference, block or byte for each call is far beyond these; what caches and tables take is below.
MOST_REFERENCES, MOST_BLOCKS, MOST_BYTES = 100, 500, 1024 * 1024

RECORD = {"text": "é plain", "n": 5, "list": [1.5, None, True, {"deep": []}], "big": 10**30}
DOCUMENT = _native.dumps(RECORD)
LONG_TEXT = _native.dumps("\u20ac" * 3000)
IDS = ["one", "none", "two"]
BATCH = {"new": RECORD, "newer": [1, "x"]}
UNFIT = {"a": 1, "b": [{(1,): 2}]}
URL = "rediss://us%20er:pass@[::1]:6380/3?a=1&b=%C3%A9"
COMMAND = ("MGET", b"text", 5)


@dataclass(frozen=True)
class Method:
    """`call` is awaited when it answers something to await; `raises` is what it must raise, or None."""

    name: str
    call: Callable[[RedisKVStorage], Any]
    raises: type[BaseException] | None = None


async def cancelled(kv: RedisKVStorage) -> None:
    """The call is sent, then nobody wants it any more."""
    task = asyncio.ensure_future(kv.get_by_ids(IDS))
    await asyncio.sleep(0)
    task.cancel()
    await task


async def withdrawn(kv: RedisKVStorage) -> None:
    """The call is given up before anybody awaits it."""
    kv._store.get("one")
    await asyncio.sleep(0)


METHODS = [
    Method("loads", lambda kv: _native.loads(DOCUMENT)),
    Method("loads of fields", lambda kv: _native.loads(DOCUMENT, ["n", "text"])),
    Method("loads of a long text", lambda kv: _native.loads(LONG_TEXT)),
    Method("loads of no JSON", lambda kv: _native.loads(b'{"a":["x",}'), errors.CorruptValueError),
    Method("loads of no bytes", lambda kv: _native.loads("text"), TypeError),  # type: ignore[arg-type]
    Method("dumps", lambda kv: _native.dumps(RECORD)),
    Method("dumps, strict", lambda kv: _native.dumps([{1}], strict=True), errors.EncodeError),
    Method("dumps of clashing keys", lambda kv: _native.dumps({1: 1, "1": 2}), errors.EncodeError),
    Method("dumps of an unfit key", lambda kv: _native.dumps(UNFIT), errors.EncodeError),
    Method("parse_url", lambda kv: _native.parse_url(URL)),
    Method("parse_url of no URL", lambda kv: _native.parse_url("redis://a:b:c/x"), errors.ConfigurationError),
    Method("Store()", lambda kv: _native.Store("n", "p:n:", 1, {"host": "h", "password": "p", "endpoint": "e"})),
    Method("Store() without a host", lambda kv: _native.Store("n", "p:", 1, {}), ValueError),
    Method("Store.is_connected", lambda kv: kv._store.is_connected),
    Method("get_by_id", lambda kv: kv.get_by_id("one")),
    Method("get_by_id, absent", lambda kv: kv.get_by_id("none")),
    Method("get_by_id, corrupt", lambda kv: kv.get_by_id("corrupt"), errors.CorruptValueError),
    Method("get_by_id, wrong type", lambda kv: kv.get_by_id("list"), errors.WrongTypeError),
    Method("get_by_id, no str", lambda kv: kv.get_by_id(5), TypeError),  # type: ignore[arg-type]
    Method("get_by_id, surrogate", lambda kv: kv.get_by_id("\ud800"), errors.EncodeError),
    Method("get_by_ids", lambda kv: kv.get_by_ids(IDS)),
    Method("get_by_ids, fields", lambda kv: kv.get_by_ids(IDS, {"n"})),
    Method("get_by_ids, corrupt", lambda kv: kv.get_by_ids(["one", "corrupt"]), errors.CorruptValueError),
    Method("get_by_ids, cancelled", cancelled, asyncio.CancelledError),
    Method("get, withdrawn", withdrawn),
    Method("filter_keys", lambda kv: kv.filter_keys(IDS)),
    Method("filter_keys, no str", lambda kv: kv.filter_keys(["a", 5]), TypeError),  # type: ignore[list-item]
    Method("all_keys", lambda kv: kv.all_keys()),
    Method("upsert", lambda kv: kv.upsert(BATCH)),
    Method("upsert of no JSON", lambda kv: kv.upsert(UNFIT), errors.EncodeError),
    Method("upsert, too large", lambda kv: kv.upsert({"a": "x" * 2000}), errors.ValueTooLargeError),
    Method("upsert of no dict", lambda kv: kv.upsert(5), TypeError),  # type: ignore[arg-type]
    Method("delete_by_id", lambda kv: kv.delete_by_id("none")),
    Method("drop", lambda kv: storage_for_drop(kv).drop()),
    Method("index_done_callback", lambda kv: kv.index_done_callback()),
    Method("ping", lambda kv: kv.ping()),
    Method("get_stats", lambda kv: kv.get_stats()),
    Method("execute", lambda kv: kv._store.execute(COMMAND)),
    Method("execute, refused", lambda kv: kv._store.execute(("NO-SUCH",)), errors.ResponseError),
    Method("execute of no tuple", lambda kv: kv._store.execute(["PING"]), TypeError),  # type: ignore[arg-type]
]
SLOW = {"all_keys": 10, "drop": 10, "get_stats": 4}  # these walk through all keys, or are no calls: so much fewer


def storage_for_drop(kv: RedisKVStorage) -> RedisKVStorage:
    return DROPPED[kv]


DROPPED: dict[RedisKVStorage, RedisKVStorage] = {}


# --- calling -----------------------------------------------------------------------------------------------


def is_async(method: Method, kv: RedisKVStorage) -> bool:
    try:
        started = method.call(kv)
    except Exception:
        return False
    if isinstance(started, Coroutine):
        started.close()
    return hasattr(started, "__await__")


def call_in_turn(method: Method, kv: RedisKVStorage, rounds: int) -> None:
    for _ in range(rounds):
        try:
            method.call(kv)
        except Exception as error:
            if type(error) is not method.raises:
                raise
        else:
            assert method.raises is None, f"{method.name} raised nothing"


async def call_together(method: Method, kv: RedisKVStorage, rounds: int) -> None:
    async def call() -> None:
        try:
            await method.call(kv)
        except BaseException as error:
            if type(error) is not method.raises:
                raise
        else:
            assert method.raises is None, f"{method.name} raised nothing"

    for _ in range(rounds // AT_ONCE):
        await asyncio.gather(*[call() for _ in range(AT_ONCE)])
    await kv.ping()  # behind all replies to calls that were cancelled


# --- counting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What the process holds."""

    references: tuple[int, ...]
    blocks: int
    resident: int


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held(watched: dict[str, object]) -> Held:
    gc.collect()
    references = tuple(map(sys.getrefcount, watched.values()))
    return Held(references, sys.getallocatedblocks(), resident_bytes())


def what_to_watch(kv: RedisKVStorage, loop: asyncio.AbstractEventLoop) -> dict[str, object]:
    """Objects that outlive every call, by name: what refers to them and is forgotten shows in no count of blocks."""
    types = {type(kv._store), asyncio.Future, *(c for c in vars(errors).values() if isinstance(c, type))}
    mine = {name: value for name, value in globals().items() if name.isupper() and not isinstance(value, (int, float))}
    return {
        **{name: value for name, value in mine.items() if name not in ("METHODS", "SLOW", "DROPPED")},
        **{repr(id): id for id in IDS},
        **{f"RECORD[{key!r}]": value for key, value in RECORD.items()},
        **{kind.__name__: kind for kind in sorted(types, key=lambda kind: kind.__name__)},
        "the storage": kv,
        "its Store": kv._store,
        "the event loop": loop,
        **{repr(value): value for value in (None, True, False, "", (), b"")},
    }


def report(method: Method, rounds: int, before: Held, after: Held, watched: dict[str, object], seconds: float) -> bool:
    """Prints one line; True when all is flat."""
    grown = {
        name: now - then
        for name, now, then in zip(watched, after.references, before.references, strict=True)
        if abs(now - then) > MOST_REFERENCES
    }
    blocks, resident = after.blocks - before.blocks, after.resident - before.resident
    most = max((now - then for now, then in zip(after.references, before.references, strict=True)), key=abs)
    is_flat = not grown and abs(blocks) <= MOST_BLOCKS and resident <= MOST_BYTES
    line = f"{method.name:24} {rounds:7,} {most:+8,} {blocks:+8,} {resident // 1024:+8,} {seconds:7.1f}"
    print(line + ("" if is_flat else f"   NOT FLAT {grown or ''}"), flush=True)
    return is_flat


async def measure(method: Method, kv: RedisKVStorage) -> bool:
    watched = what_to_watch(kv, asyncio.get_running_loop())
    rounds = ROUNDS // SLOW.get(method.name, 1)
    together = is_async(method, kv)

    async def work(count: int) -> None:
        if together:
            await call_together(method, kv, count)
        else:
            call_in_turn(method, kv, count)

    await work(rounds // 20)  # fills caches
    started, before = time.monotonic(), held(watched)
    await work(rounds)
    return report(method, rounds, before, held(watched), watched, time.monotonic() - started)


async def all_methods(url: str, words: list[str]) -> int:
    async with storage(url, redis_max_value_bytes=1024, redis_durability="none") as kv:
        DROPPED[kv] = storage(url, "full_docs", redis_max_value_bytes=1024, redis_durability="none")
        await kv.upsert({"one": RECORD, "two": [2]})
        await kv._redis_client.set("nano_graphrag:text_chunks:corrupt", b"{no json")
        await kv._store.execute(("LPUSH", "nano_graphrag:text_chunks:list", "x"))
        gc.collect()
        gc.freeze()
        chosen = [method for method in METHODS if not words or any(word in method.name for word in words)]
        results = [await measure(method, kv) for method in chosen]
        await DROPPED.pop(kv).aclose()
    return results.count(False)


def main(words: list[str]) -> int:
    logging.disable()
    for name in [name for name in os.environ if name.startswith(("REDIS_", "NGR_", "STORAGE_"))]:
        del os.environ[name]
    print(f"{'':24} {'calls':>7} {'refs':>8} {'blocks':>8} {'KiB':>8} {'seconds':>7}")
    with Server() as server:
        leaking = asyncio.run(all_methods(server.url, words))
    print(f"{leaking} methods leave something behind" if leaking else "every method is flat")
    return 1 if leaking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
