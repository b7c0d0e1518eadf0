"""The codec against orjson and Python's json, on records of the shapes nano-graphrag stores.

    python bench/codec.py [--rounds N]

The libraries take turns within a round, so that a busy moment of the machine meets all of them; the figures
are medians over the rounds. A ratio is time of the other library by ours: above 1, ours is faster. Reading is
measured on documents as we write them (`utf-8`) and as json.dumps does (`ascii`, \\uXXXX escapes).
Each value is written once only, as a storage does: orjson keeps the UTF-8 of a str it has written inside that
str, which makes the second time quicker and the value larger.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from contestants import Native
from harness.columns import WALL, Column
from harness.report import Progress, number
from harness.rounds import Outcome, Series, median

from nano_graphrag_redis import _native

OURS, ORJSON, JSON = Native.name, "orjson", "json"
ROUNDS = 31
BYTES_A_TURN = 1_000_000

SENTENCE = (
    "The company’s founder, Zoë Müller, moved the café from Zürich to São Paulo in 1998 – "
    'a decision she called "the best mistake of my life".\n'
    "Two of her partners disagreed and left the board.\n"
)
PLAIN = SENTENCE.encode("ascii", "ignore").decode()
CHINESE = "知识图谱把实体和它们之间的关系连接起来，从而回答更复杂的问题。\n"
LANGUAGES = {"english": PLAIN, "european": SENTENCE, "chinese": CHINESE}


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


Calls = dict[str, Callable[[Any], Any]]
SHAPES = {"answer": answer, "chunk": chunk, "report": report}


@dataclass(frozen=True)
class Exercise:
    """One document, read or written. Every call has an argument of its own, made by `prepare`."""

    name: str
    title: str
    document: bytes
    prepare: Callable[[bytes], Any]
    calls: Calls
    unit: ClassVar[str] = "document"
    columns: ClassVar[tuple[Column, ...]] = (WALL,)

    def turn(self, library: str) -> float:
        """Seconds per call."""
        repeats = max(10, BYTES_A_TURN // len(self.document))
        arguments = [self.prepare(self.document) for _ in range(repeats)]
        call = self.calls[library]
        start = time.perf_counter()
        for argument in arguments:
            call(argument)
        return (time.perf_counter() - start) / repeats


def exercises() -> Iterator[Exercise]:
    reading: Calls = {OURS: _native.loads, ORJSON: orjson.loads, JSON: json.loads}
    writing: Calls = {OURS: _native.dumps, ORJSON: orjson.dumps, JSON: json.dumps}
    for language, of in LANGUAGES.items():
        for shape, make in SHAPES.items():
            value = make(of)
            about = f"{shape}_{language}"
            documents = {"utf8": _native.dumps(value), "ascii": json.dumps(value).encode()}
            for form, document in documents.items():
                title = f"read   {shape:<7} {language:<9} {form:<6}"
                yield Exercise(f"decode_{about}_{form}", title, document, bytes, reading)
            title = f"write  {shape:<7} {language:<9} {'':<6}"
            yield Exercise(f"encode_{about}", title, documents["utf8"], json.loads, writing)


def race(exercise: Exercise, rounds: int) -> Outcome:
    outcome = Outcome(exercise, {library: Series() for library in exercise.calls})
    gc.collect()
    gc.disable()  # what one library has left behind would be collected at the cost of another
    try:
        for _ in range(rounds):
            for library, series in outcome.series.items():
                series.figures.append({"wall": exercise.turn(library)})
    finally:
        gc.enable()
    return outcome


def show(exercise: Exercise, outcome: Outcome) -> None:
    ours = median(outcome.series[OURS].column(WALL))
    ratios = (f"{median(outcome.ratio(name, OURS)):>8.2f}x {name}" for name in (ORJSON, JSON))
    print(f"  {exercise.title}{len(exercise.document):>7} B {number(ours):>7} us", *ratios)


def race_all(rounds: int, progress: Progress) -> list[Outcome]:
    print("\nthe codec alone: microseconds per document, and how many times longer the others take")
    outcomes = []
    for exercise in exercises():
        progress(f"codec: {exercise.title}")
        outcomes.append(race(exercise, rounds))
        progress.clear()
        show(exercise, outcomes[-1])
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    race_all(parser.parse_args().rounds, Progress())


if __name__ == "__main__":
    main()
