"""What `make demo` shows, step by step: the text, the first run, the store, the answer, the same job again.

Every number is one that a job has measured and reported. Knows nothing of how a job does its work.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .corpus import Document
from .process import Event, Outcome, run_job
from .screen import Screen

CACHE_PREFIX = "ngr_demo"
INDEX_PREFIXES = {"first": "ngr_demo", "again": "ngr_demo_again"}
QUESTION = "Which of these packages work with both asyncio and Trio?"


class Story:
    """One telling; `data` is the folder for all that it leaves behind."""

    def __init__(self, screen: Screen, data: Path, documents: list[Document], question: str) -> None:
        self._screen = screen
        self._data = data
        self._documents = documents
        self._question = question
        self._chunks = 0
        self._has_shown_store = False

    def tell(self, kind_of_text: str, store: str, model: str) -> None:
        screen = self._screen
        size = sum(len(document.text.encode()) for document in self._documents)
        screen.title("nano-graphrag on Redis")
        amount = f"{size / 1000:,.0f} KB" if size >= 1000 else f"{size} bytes"
        screen.fact("Text", f"{count(len(self._documents), 'document')}, {amount}: {kind_of_text}")
        screen.fact("Store", store)
        screen.fact("Model", model)

        screen.title("1  Index the text, ask a question")
        first = self._run("first", self._question)
        self._show_answer(first)

        screen.title("2  The same job again: a new process, the same store")
        screen.note(
            "nano-graphrag skips documents that it knows, so this run builds an index of its own from "
            "nothing; the two runs share the LLM cache."
        )
        screen.blank()
        again = self._run("again", first.question)
        self._compare(first, again)
        self._say_what_next()

    def _run(self, name: str, question: str) -> Outcome:
        self._screen.progress("Starting", "nano-graphrag, in a new process")
        job = {
            "texts": [document.text for document in self._documents],
            "question": question,
            "working_dir": str(self._data / name),
            "cache_prefix": CACHE_PREFIX,
            "index_prefix": INDEX_PREFIXES[name],
        }
        return run_job(job, self._data / "job.log", self._show_event)

    def _show_event(self, event: Event) -> None:
        kind = event["event"]
        if kind == "chunks":
            self._chunks = event["count"]
        elif kind == "calls":
            self._show_progress(event["calls"] + event["found"])
        elif kind == "indexed":
            parts = [
                count(self._chunks, "chunk"),
                count(event["names"], "name"),
                count(event["links"], "link"),
            ]
            self._screen.fact("Indexed", f"{', '.join(parts)}, in {event['seconds']:.1f} s")
        elif kind == "stored" and not self._has_shown_store:
            self._show_store(event["namespaces"])

    def _show_progress(self, answers: int) -> None:
        expected = 2 * self._chunks  # nano-graphrag asks for names, and then for those it has missed
        if answers <= expected:
            self._screen.progress("Reading", f"{answers} of {expected} answers", answers / expected)
        else:
            self._screen.progress("Reports", f"{answers - expected} answers", 1.0)

    def _show_store(self, namespaces: list[dict[str, Any]]) -> None:
        rows = [
            [entry["namespace"], f"{entry['keys']:,}", f"{entry['bytes']:,}", lifetime(entry["ttl"])]
            for entry in namespaces
        ]
        self._screen.table(["Now in the store", "keys", "bytes", "kept for"], rows)
        self._has_shown_store = True

    def _show_answer(self, outcome: Outcome) -> None:
        screen = self._screen
        screen.fact("Question", outcome.question)
        screen.quote(outcome.text)
        known = f"; {count(outcome.found, 'answer')} came from the store, left there by an earlier run"
        found = known if outcome.found else ""
        screen.fact("LLM calls", f"{outcome.calls}{found}")
        screen.fact("Time", f"{outcome.seconds:.1f} s")

    def _compare(self, first: Outcome, again: Outcome) -> None:
        screen = self._screen
        screen.fact("Answer", "the same" if again.text == first.text else "another one than before")
        screen.fact(
            "LLM calls", f"{again.calls}; {count(again.found, 'answer')} came from the store", good=True
        )
        if again.calls:
            screen.note(
                "(Those were asked anew: expired since, or asked with another text than in the first run.)"
            )
        cold = self._cold_run(first)
        if cold is None:
            screen.fact("Time", f"{again.seconds:.1f} s")
            return
        when = "the first time" if cold is first else "the very first time, with an empty store"
        factor = cold.seconds / again.seconds
        screen.fact("Saved", count(cold.calls - again.calls, "LLM call"), good=True)
        screen.fact(
            "Time", f"{again.seconds:.1f} s, {factor:.1f} times faster than {when}: {cold.seconds:.1f} s"
        )

    def _cold_run(self, first: Outcome) -> Outcome | None:
        """The run of this job that had to ask the model: the first one now, or one that has left a note."""
        path = self._data / "cold-run.json"
        with_key = bool(os.environ.get("OPENAI_API_KEY"))
        described = json.dumps([[document.text for document in self._documents], first.question, with_key])
        job = hashlib.sha256(described.encode()).hexdigest()
        if first.calls > first.found:
            path.write_text(json.dumps({"job": job, "outcome": asdict(first)}))
            return first
        try:
            note = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return Outcome(**note["outcome"]) if note["job"] == job else None

    def _say_what_next(self) -> None:
        screen = self._screen
        screen.title("What next")
        screen.command("your own text", 'make demo TEXT="a.txt b.txt" ASK="a question?"')
        screen.command("your own server", "make demo REDIS_URL=redis://localhost:6379")
        screen.command("once more: the store remembers", "make demo")
        screen.command("forget it all", "make demo-clean")
        screen.command("in your own program", "GraphRAG(key_string_value_json_storage_cls=RedisKVStorage)")
        screen.blank()


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def lifetime(seconds: int) -> str:
    if not seconds:
        return "ever"
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds} s"
