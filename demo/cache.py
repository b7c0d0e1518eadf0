"""The LLM cache: the stand-in model behind it, and a count of what was asked, found and paid for.

nano-graphrag hands its `llm_response_cache` storage to the model function, which looks there first and writes
its answer back. `stand_in` does this step by step as nano-graphrag's own OpenAI function does; `counted`
watches either.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from nano_graphrag._utils import compute_args_hash
from nano_graphrag.base import BaseKVStorage

from . import model

Model = Callable[..., Awaitable[str]]

PAUSE = float(os.environ.get("DEMO_PAUSE", "0.4"))
"""Seconds that the stand-in lets pass for each answer, as a hosted model takes its time; the demo says so."""


@dataclass
class Tally:
    """How many answers the model gave, and how many the store had already."""

    calls: int = 0
    found: int = 0
    on_change: Callable[[], None] = field(default=lambda: None, repr=False)


class WatchedCache:
    """The three methods of a storage that a model function uses."""

    def __init__(self, storage: BaseKVStorage, tally: Tally) -> None:
        self._storage = storage
        self._tally = tally

    async def get_by_id(self, key: str) -> Any:
        value = await self._storage.get_by_id(key)
        if value is not None:
            self._tally.found += 1
            self._tally.on_change()
        return value

    async def upsert(self, data: dict[str, Any]) -> None:
        self._tally.calls += len(data)
        self._tally.on_change()
        await self._storage.upsert(data)

    async def index_done_callback(self) -> None:
        await self._storage.index_done_callback()


def counted(complete: Model, tally: Tally) -> Model:
    """The same model function, with its cache watched."""

    async def watched(prompt: str, *, hashing_kv: BaseKVStorage, **rest: Any) -> str:
        return await complete(prompt, hashing_kv=WatchedCache(hashing_kv, tally), **rest)

    return watched


async def stand_in(
    prompt: str,
    system_prompt: str | None = None,
    history_messages: list[dict[str, str]] | None = None,
    *,
    hashing_kv: WatchedCache,
    **_: Any,
) -> str:
    """The extractive model behind the cache."""
    messages = [{"role": "system", "content": system_prompt}] if system_prompt else []
    messages += history_messages or []
    messages.append({"role": "user", "content": prompt})
    key = compute_args_hash(model.NAME, messages)
    known = await hashing_kv.get_by_id(key)
    if known is not None:
        return known["return"]
    await asyncio.sleep(PAUSE)
    text = model.answer(prompt, system_prompt)
    await hashing_kv.upsert({key: {"return": text, "model": model.NAME}})
    await hashing_kv.index_done_callback()
    return text
