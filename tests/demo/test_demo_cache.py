"""The stand-in uses the LLM cache as nano-graphrag's own OpenAI function does, and the count is true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from nano_graphrag import _llm
from nano_graphrag._utils import compute_args_hash

from demo import cache, model
from demo.cache import Tally, WatchedCache, counted, stand_in

PROMPT = "MANY entities were missed"
HISTORY = [{"role": "user", "content": "before"}, {"role": "assistant", "content": "an answer"}]


class Recorder:
    """A storage in memory that writes down how it is used."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.used: list[tuple] = []

    async def get_by_id(self, key: str) -> Any:
        self.used.append(("get_by_id", key))
        return self.data.get(key)

    async def upsert(self, data: dict[str, Any]) -> None:
        self.used.append(("upsert", data))
        self.data.update(data)

    async def index_done_callback(self) -> None:
        self.used.append(("index_done_callback",))


@pytest.fixture(autouse=True)
def _answer_at_once(monkeypatch):
    monkeypatch.setattr(cache, "PAUSE", 0)
    monkeypatch.setattr(model, "answer", lambda prompt, system_prompt: f"answer to {prompt}")


@pytest.fixture
def openai(monkeypatch):
    """nano-graphrag's own function, with a client that gives the stand-in's answers."""

    async def create(model: str, messages: list[dict], **_: Any) -> Any:
        message = SimpleNamespace(content=f"answer to {messages[-1]['content']}")
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    monkeypatch.setattr(_llm, "get_openai_async_client_instance", lambda: client)


@pytest.mark.usefixtures("openai")
@pytest.mark.parametrize("system", [None, "a system prompt"])
@pytest.mark.parametrize("history", [[], HISTORY])
async def test_it_makes_the_same_calls_as_nano_graphrag_twice(system, history):
    ours, theirs = Recorder(), Recorder()
    options = {"system_prompt": system, "history_messages": history}
    for _ in range(2):
        mine = await stand_in(PROMPT, **options, hashing_kv=ours)
        original = await _llm.openai_complete_if_cache(model.NAME, PROMPT, **options, hashing_kv=theirs)
        assert mine == original
    assert ours.used == theirs.used
    assert [name for name, *_ in ours.used] == ["get_by_id", "upsert", "index_done_callback", "get_by_id"]


async def test_a_known_answer_is_found_and_the_model_not_asked(monkeypatch):
    storage = Recorder()
    key = compute_args_hash(model.NAME, [{"role": "user", "content": PROMPT}])
    storage.data[key] = {"return": "known", "model": model.NAME}
    monkeypatch.setattr(model, "answer", lambda *_: pytest.fail("asked"))
    tally = Tally()
    assert await counted(stand_in, tally)(PROMPT, hashing_kv=storage) == "known"
    assert (tally.calls, tally.found) == (0, 1)


async def test_calls_and_found_answers_are_counted_apart():
    storage, tally, seen = Recorder(), Tally(), []
    tally.on_change = lambda: seen.append((tally.calls, tally.found))
    complete = counted(stand_in, tally)
    for prompt in ("one", "two", "one"):
        await complete(prompt, hashing_kv=storage)
    assert seen == [(1, 0), (2, 0), (2, 1)]


async def test_an_empty_answer_counts_as_found():
    storage, tally = Recorder(), Tally()
    storage.data["key"] = ""
    assert await WatchedCache(storage, tally).get_by_id("key") == ""
    assert tally.found == 1


async def test_the_question_may_come_with_options_of_a_real_model():
    assert await stand_in(
        PROMPT, hashing_kv=Recorder(), max_tokens=5, response_format={"type": "json_object"}
    )
