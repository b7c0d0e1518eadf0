"""Random JSON values and random spellings of them, from a seed: the same seed gives the same documents."""

from __future__ import annotations

import json
import random
from typing import Any

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz ,.",
    'ab\n\t"\\/\x00\x1f\x7f{}[]:,',
    "aàéîõüÿ \u0080",
    "aĀß€知识图谱\u2028\uffff",
    "a😀🎉é€\U0010ffff",
    "a\ud800\udfff\ud83d😀",
]
INTEGERS = [
    0,
    1,
    -1,
    10,
    2**31,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64,
    10**18,
    10**19,
    10**40,
]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    0.1,
    1e22,
    1e23,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
]
KEYS = [
    "content",
    "full_doc_id",
    "tokens",
    "chunk_order_index",
    "",
    "a",
    "é",
    "k" * 64,
    "k" * 65,
    "😀",
    "\x00",
]
SPACES = ["", "", "", " ", "\n", "\t \r\n"]


def text(rng: random.Random) -> str:
    length = rng.choice((0, 1, 3, 7, 15, 16, 17, 31, 33, 64, 100))
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choices(alphabet, k=length)) + rng.choice(("", "", rng.choice("".join(ALPHABETS))))


def scalar(rng: random.Random) -> Any:
    kind = rng.randrange(8)
    if kind < 3:
        return text(rng)
    if kind == 3:
        return rng.choice((None, True, False))
    if kind == 4:
        return rng.choice(INTEGERS) if rng.random() < 0.5 else rng.randrange(-(10**6), 10**6)
    if kind == 5:
        return rng.choice(FLOATS)
    if kind == 6:
        return rng.uniform(-1000, 1000)
    return rng.random() * 10.0 ** rng.randrange(-320, 308)


def value(rng: random.Random, depth: int = 4) -> Any:
    kind = rng.random()
    if depth == 0 or kind < 0.4:
        return scalar(rng)
    if kind < 0.65:
        return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
    return {key(rng): value(rng, depth - 1) for _ in range(rng.randrange(6))}


def key(rng: random.Random) -> str:
    return rng.choice(KEYS) if rng.random() < 0.7 else text(rng)


def spelled_text(rng: random.Random, string: str) -> str:
    """A JSON string of any of its legal spellings, chosen character by character."""
    escape_rate = rng.choice((0.0, 0.1, 1.0))
    pieces = []
    for c in string:
        if "\ud800" <= c <= "\udfff" or rng.random() < escape_rate:
            pieces.append(json.dumps(c)[1:-1] if rng.random() < 0.8 else spelled_unicode(rng, c))
        else:
            pieces.append(json.dumps(c, ensure_ascii=False)[1:-1])
    return '"' + "".join(pieces) + '"'


def spelled_unicode(rng: random.Random, c: str) -> str:
    units = c.encode("utf-16-be", "surrogatepass").hex()
    escapes = "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
    return escapes if rng.random() < 0.5 else escapes.upper().replace("\\U", "\\u")


def spelled(rng: random.Random, thing: Any) -> str:
    """Any legal JSON spelling of the value, with white space; keys may be repeated with other values."""
    space = lambda: rng.choice(SPACES)  # noqa: E731
    if isinstance(thing, str):
        return spelled_text(rng, thing)
    if isinstance(thing, list):
        items = (space() + spelled(rng, item) + space() for item in thing)
        return "[" + (",".join(items) or space()) + "]"
    if isinstance(thing, dict):
        pairs = [(k, v) for k, v in thing.items()]
        if pairs and rng.random() < 0.1:
            pairs.insert(rng.randrange(len(pairs) + 1), (pairs[0][0], None))
        items = (
            space() + spelled_text(rng, k) + space() + ":" + space() + spelled(rng, v) + space()
            for k, v in pairs
        )
        return "{" + (",".join(items) or space()) + "}"
    if isinstance(thing, float) and rng.random() < 0.2:
        return (
            rng.choice(("%.3f", "%.17e", "%.1E", "%.25g")) % thing
            if abs(thing) < 1e308
            else json.dumps(thing)
        )
    return json.dumps(thing)


def mutated(rng: random.Random, document: bytes) -> bytes:
    """The document with a few bytes changed, dropped, doubled or cut off: mostly, but not always, broken."""
    data = bytearray(document)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[at] = rng.randrange(256)
        elif kind == 1 and data:
            del data[at]
        elif kind == 2:
            data.insert(at, rng.choice(b'"\\{}[]:,0123456789.eE+-untf \n\x80\xc3\xed\xa0'))
        elif kind == 3:
            del data[at:]
        elif kind == 4 and data:
            data[at] ^= 1 << rng.randrange(8)
        else:
            data[at:at] = data[at : at + rng.randrange(1, 8)]
    return bytes(data)
