"""Records in the shapes that nano-graphrag stores, with the text that real documents have: typographic
quotes, accents, Chinese, an emoji now and then. The same number gives the same record in every process."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]

SENTENCES = (
    "The founder, Zoë Müller, moved the café from Zürich to São Paulo in 1998 – “my best mistake”.\n",
    "Two of her partners disagreed; they left the board within a month and took the archive along.\n",
    "According to the annual report, revenue grew by 12.4 % while 31 branches became 27.\n",
    "知识图谱把实体和它们之间的关系连接起来，从而回答更复杂的问题。\n",
    "L’enquête a montré que les deux sociétés avaient la même adresse, rue de l’Hôtel-de-Ville, à Genève.\n",
    'The minutes of that meeting say only: "postponed"; nobody could later explain the word.\n',
    "Компания открыла новое отделение в Санкт-Петербурге, но закрыла его через два года.\n",
    "A letter of 3 May 2004 names five more people, all of whom worked for the harbour authority.\n",
    "Its C:\\archive\\1998 folder held 4,211 scanned pages\tand one spreadsheet without a header.\n",
)
EMOJI = "Customers rated the service 4.7 out of 5, which the press office repeated for years 🙂.\n"


def text(dice: random.Random, size: int) -> str:
    """Sentences of `size` bytes of UTF-8, or a few more. One emoji makes Python keep four bytes for each
    character of a str, so these are rare here as they are in documents."""
    parts: list[str] = [EMOJI] if dice.random() < 0.1 else []
    size -= sum(len(part.encode()) for part in parts)
    while size > 0:
        parts.append(dice.choice(SENTENCES))
        size -= len(parts[-1].encode())
    return "".join(parts)


def digest(kind: str, number: int) -> str:
    return hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()


def answer(number: int) -> Record:
    """A row of llm_response_cache, 1.5 KB."""
    dice = random.Random(number)
    return {"return": text(dice, 1450), "model": "gpt-4o-mini"}


def chunk(number: int) -> Record:
    """A row of text_chunks, 5 KB."""
    dice = random.Random(number)
    return {
        "tokens": 1000 + number % 200,
        "content": text(dice, 4900),
        "chunk_order_index": number,
        "full_doc_id": f"doc-{digest('doc', number // 50)}",
    }


def report(number: int) -> Record:
    """A row of community_reports, 14 KB, most of it twice: as text and as the JSON it was made from."""
    dice = random.Random(number)
    findings = [{"summary": text(dice, 80), "explanation": text(dice, 550)} for _ in range(8)]
    return {
        "report_string": text(dice, 6000),
        "report_json": {
            "title": f"Community {number}: Zoë’s café and its partners",
            "summary": text(dice, 400),
            "rating": 7.5,
            "rating_explanation": "High impact on the harbour’s economy.",
            "findings": findings,
        },
        "level": number % 4,
        "title": f"Cluster {number}",
        "edges": [[f'"ENTITY {i}"', f'"ENTITY {i + 1}"'] for i in range(20)],
        "nodes": [f'"ENTITY {i}"' for i in range(20)],
        "chunk_ids": [f"chunk-{digest('chunk', i)}" for i in range(10)],
        "occurrence": 0.7272727272727273,
        "sub_communities": [],
    }


def answers(count: int, kind: str = "answer") -> dict[str, Record]:
    return {digest(kind, i): answer(i) for i in range(count)}


def chunks(count: int, kind: str = "chunk") -> dict[str, Record]:
    return {id: chunk(i) for i, id in enumerate(chunk_ids(count, kind))}


def chunk_ids(count: int, kind: str = "chunk") -> list[str]:
    return [f"chunk-{digest(kind, i)}" for i in range(count)]


def reports(count: int) -> dict[str, Record]:
    return {str(i): report(i) for i in range(count)}


def encoded(record: Record) -> bytes:
    """The bytes that every contestant finds on the server."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def fresh(make: Callable[[], dict[str, Record]]) -> dict[str, Record]:
    """Records whose strings nobody has encoded yet: a str keeps the UTF-8 form that an encoder asked for,
    which makes the second time quicker."""
    loaded: dict[str, Record] = json.loads(json.dumps(make()))
    return loaded
