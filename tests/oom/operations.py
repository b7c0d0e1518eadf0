"""Every public operation of the storage and of the extension, each with what it must answer. To add one is to add an
entry to a table; what fails, and what is checked, is not said here."""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis
from memory import NATIVE
from storages import storage

from nano_graphrag_redis import RedisKVStorage, _native, errors

RECORD = {"text": "é😀 plain", "n": 5, "big": 10**30, "f": 0.1, "list": [None, True, {"deep": [[[]]]}]}
DOCUMENT = _native.dumps(RECORD)
MANY = [f"many-{n}" for n in range(40)]
BATCH = {f"batch-{n}": {**RECORD, "n": n} for n in range(20)}
URL = "rediss+sentinel://us%20er:pa%3Ass@[::1]:26379,Host2/service/3?a=1&b=%C3%A9&db=4&a="


@dataclass(frozen=True)
class World:
    """What the operations work on."""

    kv: RedisKVStorage
    expiring: RedisKVStorage  # with a TTL that is renewed by reading
    small_steps: RedisKVStorage  # whose batches go out in many groups
    by_name: RedisKVStorage  # connects anew each time: by a host name, with a password and a database
    by_tls: RedisKVStorage  # the same, encrypted
    other: redis.Redis  # another client of the same server


@dataclass(frozen=True)
class Operation:
    """`call` answers `wants` or raises it; `prepare` runs before, when nothing fails."""

    name: str
    call: Callable[[World], Any]
    wants: Any
    prepare: Callable[[World], Awaitable[object]] | None = None
    can_do_without: bool = True  # False: even one failed allocation must be seen, whatever came out otherwise


async def fill(w: World) -> None:
    await w.kv.upsert({"one": RECORD, **{id: id.upper() for id in MANY}})
    await w.kv._redis_client.set("nano_graphrag:text_chunks:corrupt", b'{"a":[1,\xff]}')
    await w.kv._store.execute(("LPUSH", "nano_graphrag:text_chunks:list", "x"))
    await w.expiring.upsert({"one": RECORD})
    await w.by_name.upsert({"one": RECORD})
    await w.by_tls.upsert({"one": RECORD})


# --- the extension's functions ---------------------------------------------------------------------------

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


class Slow:
    """Takes longer to encode than the event loop may be held up: the rest of its batch comes later."""

    def __str__(self) -> str:
        time.sleep(0.006)
        return "slow"


SLOW_BATCH = {f"slow-{n}": Slow() if n % 16 == 15 else n for n in range(40)}
PLAIN_BATCH = {f"plain-{n}": "x" * 40 + "图" * 30_000 for n in range(20)}  # three times as large as it looks at first


def import_anew(_: World) -> bool:
    """A second instance of the extension, initialised from the start."""
    loader = importlib.machinery.ExtensionFileLoader("nano_graphrag_redis._native", NATIVE)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return bool(module.loads(b"[true]") == [True])


STORE = {"host": "h", "password": "p", "tls": True, "ssl_verify": True, "ssl_check_hostname": True, "endpoint": "h",
         "port": 1, "ttl": 7}  # fmt: skip


def make_store(_: World) -> str:
    return type(_native.Store("n", "p:n:", ("key",), STORE)).__name__


def urls(_: World) -> tuple[Any, ...]:
    return tuple(_native.parse_url(URL).values())


FUNCTIONS = [
    Operation("import", import_anew, True),
    # One that had forgotten a setting would be a storage that verifies no certificate.
    Operation("Store()", make_store, "Store", can_do_without=False),
    Operation("Store() without a host", lambda _: _native.Store("n", "p:", 1, {}), ValueError),
    Operation("loads", lambda _: _native.loads(DOCUMENT), RECORD),
    Operation("loads of fields", lambda _: _native.loads(DOCUMENT, ["n", "text"]), {"text": RECORD["text"], "n": 5}),
    Operation("loads of no JSON", lambda _: _native.loads(b'{"a":[1,"\\u20ac",'), errors.CorruptValueError),
    Operation("loads of long strings", lambda _: len(_native.loads(b'"' + b"\\u20ac" * 5000 + b'"')), 5000),
    Operation("dumps", lambda _: _native.dumps(RECORD), DOCUMENT),
    Operation("dumps of odd keys", lambda _: _native.dumps({2: 1, 0.5: 2, None: 3, True: 4}),
              b'{"2":1,"0.5":2,"null":3,"true":4}'),
    Operation("dumps of 100 KB", lambda _: len(_native.dumps(["x" * 100] * 1000)), 103_001),
    Operation("dumps, strict", lambda _: _native.dumps({"a": [1, {1, 2}]}, strict=True), errors.EncodeError),
    Operation("dumps of a circle", lambda _: _native.dumps(CIRCLE), errors.EncodeError),
    Operation("dumps of keys that clash", lambda _: _native.dumps({"a": {1: 1, "1": 2}}), errors.EncodeError),
    Operation("dumps of a key that is none", lambda _: _native.dumps({"a": {(1,): 2}}), errors.EncodeError),
    Operation("parse_url", urls, urls(None)),  # type: ignore[arg-type]
    Operation("parse_url of no URL", lambda _: _native.parse_url("redis://a:b:c/x"), errors.ConfigurationError),
]  # fmt: skip


# --- the storage's methods -------------------------------------------------------------------------------


async def cancelled(w: World) -> str:
    """A call that is cancelled after it was sent; the next one must not get its answer."""
    task = asyncio.ensure_future(w.kv.get_by_ids(MANY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended, MemoryError):
        raise ended
    return type(ended).__name__


async def closed(w: World) -> str:
    """A call that is waiting when its storage is closed."""
    task = asyncio.ensure_future(w.by_tls.get_by_id("one"))
    await asyncio.sleep(0)
    await w.by_tls.aclose()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended, MemoryError):
        raise ended
    return type(ended).__name__


async def stats(w: World) -> list[str]:
    return sorted(await w.kv.get_stats())


async def connected(kv: RedisKVStorage) -> Any:
    await kv.aclose()
    return await kv.get_by_id("one")


async def made_and_connected(w: World) -> Any:
    """A storage made from the start; without its password, its database or its host it would not find the value."""
    async with quick(w.by_name.global_config["redis_url"]) as kv:
        return await kv.get_by_id("one")


async def killed(w: World) -> Any:
    """The connections are lost while a call is under way, which is repeated."""
    call = asyncio.ensure_future(w.kv.get_by_ids(MANY))
    await asyncio.sleep(0)
    w.other.client_kill_filter(_type="normal", skipme=True)
    return await call


SCRIPT = "return {1, 'two', {3, {'four', false}}, redis.status_reply('OK'), redis.error_reply('ERR five')}"


async def any_command(w: World) -> list[Any]:
    reply = await w.kv._store.execute(("EVAL", SCRIPT, 0), repeatable=True)
    return [*reply[:4], str(reply[4])]


METHODS = [
    Operation("get_by_id", lambda w: w.kv.get_by_id("one"), RECORD),
    Operation("get_by_id, absent", lambda w: w.kv.get_by_id("none"), None),
    Operation("get_by_id, renewing", lambda w: w.expiring.get_by_id("one"), RECORD),
    Operation("get_by_id, corrupt", lambda w: w.kv.get_by_id("corrupt"), errors.CorruptValueError),
    Operation("get_by_id, wrong type", lambda w: w.kv.get_by_id("list"), errors.WrongTypeError),
    Operation("get_by_id, no str", lambda w: w.kv.get_by_id(5), TypeError),
    Operation("get_by_id, surrogate", lambda w: w.kv.get_by_id("\ud800"), errors.EncodeError),
    Operation("get_by_ids", lambda w: w.kv.get_by_ids([*MANY, "none", "one"]), [*map(str.upper, MANY), None, RECORD]),
    Operation("get_by_ids, fields", lambda w: w.kv.get_by_ids(["one", "none"], {"n"}), [{"n": 5}, None]),
    Operation("get_by_ids, corrupt", lambda w: w.kv.get_by_ids(["one", "corrupt"]), errors.CorruptValueError),
    Operation("get_by_ids, none", lambda w: w.kv.get_by_ids([]), []),
    Operation("filter_keys", lambda w: w.kv.filter_keys(["x", *MANY]), {"x"}),
    Operation("all_keys", lambda w: w.kv.all_keys(), None),
    Operation("upsert", lambda w: w.kv.upsert({"new": RECORD}), None),
    Operation("upsert of a batch", lambda w: w.kv.upsert(BATCH), None),
    Operation("upsert with a TTL", lambda w: w.expiring.upsert(BATCH), None),
    Operation("upsert in groups", lambda w: w.small_steps.upsert(BATCH), None),
    Operation("upsert in slices", lambda w: w.kv.upsert(SLOW_BATCH), None),
    Operation("upsert while encoding", lambda w: w.kv.upsert(PLAIN_BATCH), None),
    Operation("upsert of no JSON", lambda w: w.kv.upsert({"a": 1, "b": {(1,): 2}}), errors.EncodeError),
    Operation("upsert, too large", lambda w: w.small_steps.upsert({"a": "x" * 9000}), errors.ValueTooLargeError),
    Operation("delete_by_id", lambda w: w.kv.delete_by_id("new"), True, lambda w: w.kv.upsert({"new": 1})),
    Operation("drop", lambda w: w.small_steps.drop(), None, lambda w: w.small_steps.upsert({"a": 1, "b": 2})),
    Operation("ping", lambda w: w.kv.ping(), True),
    Operation("get_stats", stats, None),
    Operation("is_connected", lambda w: w.kv._store.is_connected, True),
    Operation("execute", any_command, [1, b"two", [3, [b"four", None]], "OK", "ERR five"]),
    Operation("execute, refused", lambda w: w.kv._store.execute(("NO-SUCH",)), errors.ResponseError),
    Operation("a cancelled call", cancelled, "CancelledError"),
    Operation("a closed storage", closed, "ClosedError"),
    Operation("a lost connection", killed, [*map(str.upper, MANY)]),
    Operation("connecting by name", lambda w: connected(w.by_name), RECORD),
    Operation("making and connecting", made_and_connected, RECORD),
    Operation("connecting by TLS", lambda w: connected(w.by_tls), RECORD),
]


def quick(url: str, namespace: str = "text_chunks", **settings: Any) -> RedisKVStorage:
    return storage(url, namespace, redis_retry_base=0.001, redis_retry_cap=0.005, **settings)
