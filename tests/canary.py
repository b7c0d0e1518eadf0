"""A password that is easy to find again: every character that is special somewhere, between words of its own."""

from __future__ import annotations

import traceback
from urllib.parse import quote

SPECIALS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ %41%00 é雪🔑"
CANARY = f"CANARYHEAD{SPECIALS}CANARYTAIL"
ENCODED = quote(CANARY, safe="")  # as a URL holds it
PIECES = ("canaryhead", "canarytail")  # a part of the secret is a secret


def is_shown_in(text: str) -> bool:
    return any(piece in text.lower() for piece in PIECES)


def all_of(error: BaseException) -> str:
    """Whatever a log, a tracker of errors or a debugger could show of an exception, causes and locals included."""
    texts, seen, todo = [], set[int](), [error]
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        shown = traceback.TracebackException.from_exception(each, capture_locals=True)
        texts += ["".join(shown.format()), repr(each), str(each), repr(each.args), repr(vars(each))]
        todo += [other for other in (each.__cause__, each.__context__) if other]
    return "\n".join(texts)
