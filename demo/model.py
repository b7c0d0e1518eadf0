"""The extractive stand-in for a language model: it quotes, it does not think.

It answers each of nano-graphrag's prompts in the format that the prompt asks for: names and the sentences
that they share for an extraction, the JSON of a community report, the best matching sentences for a question.
Every sentence that it gives is one that it was given. It knows nothing of storage or of caching.
"""

from __future__ import annotations

import itertools
import json
import re
import zlib
from collections.abc import Callable

import numpy as np
from nano_graphrag.prompt import GRAPH_FIELD_SEP

from .templates import CONSTANTS, Template
from .text import best_sentences, names, sentences, words

NAME = "extractive-stand-in"
NAMES_PER_CHUNK = 14
SENTENCES_PER_NAME = 3
FINDINGS = 5
DIMENSIONS = 512

TUPLE, RECORD, COMPLETION = (
    CONSTANTS[key] for key in ("tuple_delimiter", "record_delimiter", "completion_delimiter")
)


def answer(prompt: str, system_prompt: str | None = None) -> str:
    """The answer to a prompt of nano-graphrag's; ValueError for any other."""
    for template, respond in USER_PROMPTS:
        fields = template.read(prompt)
        if fields is not None:
            return respond(**fields)
    for template, reply in SYSTEM_PROMPTS:
        fields = template.read(system_prompt or "")
        if fields is not None:
            return reply(prompt, **fields)
    raise ValueError(f"the stand-in model does not know this prompt: {prompt[:80]!r}...")


def extract(input_text: str, entity_types: str) -> str:
    """Names as entities; two names in one sentence as a relationship, the stronger the more sentences."""
    found = dict(itertools.islice(names(input_text).items(), NAMES_PER_CHUNK))
    kind = entity_types.split(",")[0].strip()  # a stand-in cannot tell a person from a place
    records = [
        record("entity", name, kind, " ".join(where[:SENTENCES_PER_NAME])) for name, where in found.items()
    ]
    for (one, its), (other, others) in itertools.combinations(found.items(), 2):
        shared = [sentence for sentence in its if sentence in others]
        if shared:
            records.append(record("relationship", one, other, shared[0], strength=len(shared)))
    return RECORD.join(records) + COMPLETION


def record(*texts: str, strength: int | None = None) -> str:
    attributes = [f'"{clean(text)}"' for text in texts]
    if strength is not None:
        attributes.append(str(strength))
    return f"({TUPLE.join(attributes)})"


def clean(text: str) -> str:
    """A text that holds nothing of the tuple format itself."""
    for mark in (TUPLE, RECORD, COMPLETION):
        text = text.replace(mark, " ")
    return text.replace('"', "'").strip()


def extract_more() -> str:
    return COMPLETION  # the first answer was all that this model finds


def is_more_left() -> str:
    return "NO"


def summarize(entity_name: str, description_list: str) -> str:
    """The first different sentences of the descriptions."""
    text = re.sub(r"""^\[['"]|['"]\]$|['"], ['"]""", "\n", description_list)
    return " ".join(sentences(text)[:SENTENCES_PER_NAME])


def report(input_text: str) -> str:
    """A community report: titled by its best connected names, with a sentence for each relationship."""
    entities = read_table(input_text, "Entities")
    relationships = read_table(input_text, "Relationships")
    top = [row[1] for row in entities[:3]]
    described = "\n".join(row[3] for row in entities[:3])
    findings = [
        {"summary": f"{row[1]} and {row[2]}", "explanation": " ".join(sentences(unjoin(row[3]))[:2])}
        for row in relationships[:FINDINGS]
    ]
    return json.dumps(
        {
            "title": ", ".join(top) or "Community",
            "summary": " ".join(sentences(unjoin(described))[:SENTENCES_PER_NAME]),
            "rating": min(10.0, 1.0 + len(relationships) / 2),
            "rating_explanation": f"{len(entities)} names with {len(relationships)} relationships.",
            "findings": findings,
        },
        ensure_ascii=False,
    )


def read_table(text: str, title: str) -> list[list[str]]:
    """The rows of one of nano-graphrag's tables, without the header."""
    found = re.search(rf"-----{title}-----\n```csv\n(.*?)\n```", text, re.DOTALL)
    rows = found.group(1).split("\n")[1:] if found else []
    cells = [[cell.strip('"') for cell in row.split(",\t")] for row in rows]
    return [row for row in cells if len(row) == 5]


def unjoin(text: str) -> str:
    """One line for each of the descriptions that nano-graphrag has joined, without quotation marks."""
    lines = text.replace(GRAPH_FIELD_SEP, "\n").splitlines()
    return "\n".join(line.strip().strip('"') for line in lines)


def key_points(question: str, context_data: str) -> str:
    """The first half of a global query: the sentences of the reports that match, with a score up to 100."""
    points = [
        {"description": sentence, "score": max(1, round(100 * score))}
        for score, sentence in best_sentences(question, flatten(context_data), 8)
    ]
    return json.dumps({"points": points}, ensure_ascii=False)


def merge_points(response_type: str, report_data: str) -> str:
    """The second half of a global query: the points, best first, as they came."""
    points = re.findall(r"^Importance Score: \d+\n(.*)$", report_data, re.MULTILINE)
    return bullets(list(dict.fromkeys(points))[:5])


def reply_from_tables(question: str, response_type: str, context_data: str) -> str:
    return reply(question, context_data)


def reply_from_text(question: str, response_type: str, content_data: str) -> str:
    return reply(question, content_data)


def reply(question: str, text: str) -> str:
    return bullets([sentence for _, sentence in best_sentences(question, flatten(text), 5)])


def flatten(tables: str) -> str:
    """The texts of nano-graphrag's tables, cell by cell, without headings and quotation marks."""
    lines = unjoin(tables.replace(",\t", "\n")).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("#", "-----", "```")))


def bullets(lines: list[str]) -> str:
    if not lines:
        return "The text has no sentence that matches this question."
    return "\n".join(f"- {line}" for line in lines)


def embed(text: str) -> np.ndarray:
    """Words hashed into a vector of length 1; crc32 is the same in every process, unlike `hash`."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in words(text):
        number = zlib.crc32(word.encode())
        vector[number % DIMENSIONS] += 1.0 if number & 0x80000000 else -1.0
    return vector / (np.linalg.norm(vector) or 1.0)


USER_PROMPTS: list[tuple[Template, Callable[..., str]]] = [
    (Template("entity_extraction"), extract),
    (Template("entiti_continue_extraction"), extract_more),
    (Template("entiti_if_loop_extraction"), is_more_left),
    (Template("summarize_entity_descriptions"), summarize),
    (Template("community_report"), report),
    (Template("global_reduce_rag_response"), merge_points),
]
SYSTEM_PROMPTS: list[tuple[Template, Callable[..., str]]] = [
    (Template("global_map_rag_points"), key_points),
    (Template("local_rag_response"), reply_from_tables),
    (Template("naive_rag_response"), reply_from_text),
]
