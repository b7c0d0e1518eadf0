"""What callers may hand over by mistake: ids that are no text, lone surrogates, values at and over the size limit."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from servers import Server
from storages import storage

from nano_graphrag_redis.errors import EncodeError, ValueTooLargeError

CALLS: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "get_by_id": lambda kv, id: kv.get_by_id(id),
    "get_by_ids": lambda kv, id: kv.get_by_ids(["a", id]),
    "filter_keys": lambda kv, id: kv.filter_keys(["a", id]),
    "upsert": lambda kv, id: kv.upsert({"a": 2, id: 1}),
    "delete_by_id": lambda kv, id: kv.delete_by_id(id),
}
NO_IDS: dict[str, Any] = {"int": 5, "bytes": b"a", "None": None, "bool": True, "tuple": ("a",), "float": 1.0}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", NO_IDS)
async def test_an_id_that_is_no_text_is_a_type_error_and_nothing_is_sent(
    redis_server: Server, call: str, kind: str
) -> None:
    redis_server.wipe()
    async with storage(redis_server.url) as kv:
        await kv.upsert({"a": 1})
        with pytest.raises(TypeError, match="an id must be str, not"):
            await CALLS[call](kv, NO_IDS[kind])
        assert await kv.get_by_id("a") == 1


@pytest.mark.parametrize("call", CALLS)
async def test_an_id_with_a_lone_surrogate_is_refused_by_name_and_nothing_is_sent(
    redis_server: Server, call: str
) -> None:
    redis_server.wipe()
    async with storage(redis_server.url) as kv:
        await kv.upsert({"a": 1})
        for id in ("\ud800", "half \udc80 of a pair", "\udfff\ud800"):
            with pytest.raises(EncodeError, match="holds a lone surrogate") as caught:
                await CALLS[call](kv, id)
            assert ascii(id)[1:-1].encode().decode("unicode_escape", "surrogatepass") == id
            assert repr(id) in str(caught.value)
        assert await kv.get_by_id("a") == 1


@pytest.mark.parametrize("value", ["\ud800", "x\udfff y", {"\udc00": ["\ud800\ud800"]}], ids=ascii)
async def test_a_value_with_lone_surrogates_comes_back(redis_server: Server, value: Any) -> None:
    redis_server.wipe()
    async with storage(redis_server.url) as kv:
        await kv.upsert({"a": value})
        assert await kv.get_by_id("a") == value


LIMIT = 100_000


@pytest.mark.parametrize("entries", [1, 3])
async def test_a_value_of_exactly_the_limit_passes_and_one_byte_more_is_refused(
    redis_server: Server, entries: int
) -> None:
    redis_server.wipe()
    largest, too_large = "x" * (LIMIT - 2), "x" * (LIMIT - 1)  # and two quotes
    async with storage(redis_server.url, redis_max_value_bytes=LIMIT) as kv:
        batch: dict[str, Any] = {f"id-{n}": largest for n in range(entries)}
        await kv.upsert(batch)
        assert await kv.get_by_ids(list(batch)) == list(batch.values())
        with pytest.raises(ValueTooLargeError, match="'one more' is larger than redis_max_value_bytes"):
            await kv.upsert({**dict.fromkeys(batch, "new"), "one more": too_large})
        assert await kv.get_by_ids(list(batch)) == list(batch.values()), "nothing of that batch was written"


async def test_a_stored_value_over_the_limit_is_an_error_for_its_readers_alone(redis_server: Server) -> None:
    redis_server.wipe()
    with contextlib.closing(redis_server.client()) as client:
        client.set("nano_graphrag:text_chunks:largest", b'"' + b"x" * (LIMIT - 2) + b'"')
        client.set("nano_graphrag:text_chunks:larger", b'"' + b"x" * (LIMIT - 1) + b'"')
    async with storage(redis_server.url, redis_max_value_bytes=LIMIT) as kv:
        await kv.upsert({"small": 1})
        for _ in range(3):
            for call in (kv.get_by_id("larger"), kv.get_by_ids(["small", "larger"])):
                with pytest.raises(ValueTooLargeError, match="redis_max_value_bytes"):
                    await call
            assert await kv.get_by_id("small") == 1
            assert await kv.get_by_id("largest") == "x" * (LIMIT - 2)
        assert await kv.filter_keys(["larger"]) == set()
        assert await kv.delete_by_id("larger") is True
