"""One run of the main job in a process of its own: nano-graphrag indexes the texts and answers the question.

Reads a `Job` as JSON from standard input and writes what happens as lines of JSON to standard output; what
nano-graphrag itself prints goes to standard error. The server's address comes in REDIS_URL. It knows nothing
of the terminal, or of which run it is.

    python -m demo.job <job.json
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if importlib.util.find_spec("graspologic") is None:
    sys.path.append(str(Path(__file__).parent / "adapter"))

import networkx
import numpy as np
from nano_graphrag import GraphRAG, QueryParam
from nano_graphrag._llm import gpt_4o_complete, gpt_4o_mini_complete, openai_embedding
from nano_graphrag._op import chunking_by_token_size
from nano_graphrag._utils import encode_string_by_tiktoken, wrap_embedding_func_with_attrs

from nano_graphrag_redis import RedisKVError, RedisKVStorage

from . import model
from .cache import Tally, counted, stand_in

CACHE = "llm_response_cache"
SECONDS_BETWEEN_EVENTS = 0.05


@dataclass(frozen=True)
class Job:
    texts: list[str]
    question: str
    """Empty: one about the best connected names."""
    working_dir: str
    cache_prefix: str
    """The key prefix of the LLM cache: what a later run finds."""
    index_prefix: str
    """The key prefix of documents, chunks and reports: the index of this run, emptied at its start."""


class Reporter:
    """Writes events, the frequent ones not too often."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._last = 0.0

    def tell(self, event: str, **facts: Any) -> None:
        self._out.write(json.dumps({"event": event, **facts}) + "\n")
        self._out.flush()

    def tell_sometimes(self, event: str, **facts: Any) -> None:
        if time.monotonic() - self._last >= SECONDS_BETWEEN_EVENTS:
            self._last = time.monotonic()
            self.tell(event, **facts)


@wrap_embedding_func_with_attrs(embedding_dim=model.DIMENSIONS, max_token_size=8192)
async def hashed_words(texts: list[str]) -> np.ndarray:
    return np.array([model.embed(text) for text in texts])


def storage_class(job: Job) -> Callable[..., RedisKVStorage]:
    """RedisKVStorage, with the key prefix that the namespace has in this job."""

    def build(namespace: str, global_config: dict[str, Any]) -> RedisKVStorage:
        prefix = job.cache_prefix if namespace == CACHE else job.index_prefix
        return RedisKVStorage(namespace, {**global_config, "redis_key_prefix": prefix})

    return build


def make_rag(job: Job, tally: Tally, tell: Callable[..., None]) -> GraphRAG:
    def split(tokens: list[list[int]], **options: Any) -> list[dict[str, Any]]:
        chunks = chunking_by_token_size(tokens, **options)
        tell("chunks", count=len(chunks))
        return chunks

    has_key = bool(os.environ.get("OPENAI_API_KEY"))
    return GraphRAG(
        working_dir=job.working_dir,
        key_string_value_json_storage_cls=storage_class(job),
        chunk_func=split,
        best_model_func=counted(gpt_4o_complete if has_key else stand_in, tally),
        cheap_model_func=counted(gpt_4o_mini_complete if has_key else stand_in, tally),
        embedding_func=openai_embedding if has_key else hashed_words,
    )


def storages(rag: GraphRAG) -> list[RedisKVStorage]:
    return [rag.full_docs, rag.text_chunks, rag.community_reports, rag.llm_response_cache]


async def empty_index(rag: GraphRAG) -> None:
    """Removes what an earlier run has left under the prefix of this index; the LLM cache stays."""
    for storage in storages(rag):
        if storage.namespace != CACHE:
            await storage.drop()


async def measure(storage: RedisKVStorage) -> dict[str, Any]:
    """What a namespace holds: keys, bytes of their values, seconds to live (0: for ever)."""
    ids = await storage.all_keys()
    values = await asyncio.gather(*[storage._redis_client.get(storage._prefix + id) for id in ids])
    return {
        "namespace": storage.namespace,
        "keys": len(ids),
        "bytes": sum(len(value) for value in values if value is not None),
        "ttl": storage._ttl_config.get(storage.namespace, 0),
    }


async def measure_all(rag: GraphRAG) -> list[dict[str, Any]]:
    return [await measure(storage) for storage in storages(rag)]


def question_about(graph: networkx.Graph, texts: list[str]) -> str:
    """A question that the text can answer: about the best connected name and its strongest neighbour."""
    name = max(graph, key=lambda node: (graph.degree(node), node))
    links = graph[name]
    others = [max(links, key=lambda node: (links[node]["weight"], node))] if links else []
    labels = [spelling_of(node.strip('"'), texts) for node in [name, *others]]
    return f"What does the text say about {' and '.join(labels)}?"


def spelling_of(name: str, texts: list[str]) -> str:
    """As the text has it: nano-graphrag keeps names in capitals."""
    found = (re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for text in texts)
    return next((match.group() for match in found if match), name)


def run(job: Job, reporter: Reporter) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # nano-graphrag's insert and query take the current one
    shutil.rmtree(job.working_dir, ignore_errors=True)
    tally = Tally()
    tally.on_change = lambda: reporter.tell_sometimes("calls", calls=tally.calls, found=tally.found)
    rag = make_rag(job, tally, reporter.tell)
    loop.run_until_complete(empty_index(rag))
    encode_string_by_tiktoken("")  # loads its table, which takes as long as the rest: part of the start-up

    began = time.monotonic()
    rag.insert(job.texts)
    seconds = time.monotonic() - began
    graph = rag.chunk_entity_relation_graph._graph
    if not graph:
        raise NothingFound("nano-graphrag found no names in this text: it needs prose with names in it")
    reporter.tell("indexed", seconds=seconds, names=graph.number_of_nodes(), links=graph.number_of_edges())
    reporter.tell("stored", namespaces=loop.run_until_complete(measure_all(rag)))

    question = job.question or question_about(graph, job.texts)
    began = time.monotonic()
    text = rag.query(question, QueryParam(mode="local"))
    seconds += time.monotonic() - began
    totals = {"seconds": seconds, "calls": tally.calls, "found": tally.found}
    reporter.tell("answered", question=question, text=text, **totals)
    loop.close()


class NothingFound(Exception):
    """There is nothing to ask about; the message says why."""


def main() -> int:
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level=logging.INFO)
    reporter = Reporter()
    try:
        run(Job(**json.load(sys.stdin)), reporter)
    except (RedisKVError, NothingFound) as error:
        reporter.tell("failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
