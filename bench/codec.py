"""The codec against orjson and Python's json, on records of the shapes nano-graphrag stores.

    python bench/codec.py [--rounds N]

The libraries take turns within a round, so that a busy moment of the machine meets all of them; the figures
are medians over the rounds. A ratio is time of the other library by ours: above 1, ours is faster. Reading is
measured on documents as json.dumps writes them (`ascii`, \\uXXXX escapes) and as we write them (`utf-8`).
Each value is written once only, as a storage does: orjson keeps the UTF-8 of a str it has written inside that
str, which makes the second time quicker and the value larger.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson

from nano_graphrag_redis import _native

SENTENCE = (
    "The company’s founder, Zoë Müller, moved the café from Zürich to São Paulo in 1998 – "
    'a decision she called "the best mistake of my life".\n'
    "Two of her partners disagreed and left the board.\n"
)
PLAIN = SENTENCE.encode("ascii", "ignore").decode()
CHINESE = "知识图谱把实体和它们之间的关系连接起来，从而回答更复杂的问题。\n"


def text(size: int, of: str) -> str:
    return (of * (size // len(of) + 1))[:size]


def answer(of: str) -> dict[str, Any]:
    """A row of llm_response_cache."""
    return {"return": text(1500, of), "model": "gpt-4o-mini"}


def chunk(of: str) -> dict[str, Any]:
    """A row of text_chunks."""
    return {
        "tokens": 1200,
        "content": text(5000, of),
        "full_doc_id": "doc-5a8dd12d3b2bd7d0f1b0f5e4b5a6c1f2",
        "chunk_order_index": 17,
    }


def report(of: str) -> dict[str, Any]:
    """A row of community_reports."""
    findings = [{"summary": text(80, of), "explanation": text(600, of)} for _ in range(8)]
    return {
        "report_string": text(14000, of),
        "report_json": {
            "title": text(60, of),
            "summary": text(400, of),
            "rating": 7.5,
            "rating_explanation": "High impact",
            "findings": findings,
        },
        "level": 1,
        "title": "Cluster 12",
        "edges": [[f'"ENTITY {i}"', f'"ENTITY {i + 1}"'] for i in range(30)],
        "nodes": [f'"ENTITY {i}"' for i in range(30)],
        "chunk_ids": [f"chunk-{i:032x}" for i in range(12)],
        "occurrence": 0.7272727272727273,
        "sub_communities": [],
    }


def race(
    rounds: int, document: bytes, prepare: Callable[[bytes], Any], **calls: Callable[[Any], Any]
) -> dict[str, float]:
    """Median microseconds per call of each, by name. Every call has its own argument, made by `prepare`."""
    repeats = max(20, 2_000_000 // len(document))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            arguments = [prepare(document) for _ in range(repeats)]
            start = time.perf_counter()
            for argument in arguments:
                call(argument)
            samples[name].append((time.perf_counter() - start) / repeats * 1e6)
    return {name: statistics.median(values) for name, values in samples.items()}


def show(label: str, size: int, times: dict[str, float]) -> None:
    ratios = (f"{times[name] / times['ours']:>8.2f}x {name}" for name in ("orjson", "json"))
    print(f"{label:<34}{size:>7} B {times['ours']:>8.2f} us", *ratios)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    for language, of in {"english": PLAIN, "european": SENTENCE, "chinese": CHINESE}.items():
        for shape in (answer, chunk, report):
            value = shape(of)
            documents = {"ascii": json.dumps(value).encode(), "utf-8": _native.dumps(value)}
            for form, document in documents.items():
                times = race(
                    rounds, document, lambda d: d, ours=_native.loads, orjson=orjson.loads, json=json.loads
                )
                show(f"read  {language:<9}{shape.__name__:<9}{form}", len(document), times)
            times = race(
                rounds, document, json.loads, ours=_native.dumps, orjson=orjson.dumps, json=json.dumps
            )
            show(f"write {language:<9}{shape.__name__}", len(document), times)


if __name__ == "__main__":
    main()
