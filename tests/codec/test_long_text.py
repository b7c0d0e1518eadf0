"""Long strings of wide characters are decoded in the str that they become."""

from __future__ import annotations

import json
import random
import sys

import pytest

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError

WIDE = ["\u0416", "\u2019", "\u4e2d"]
FILLERS = ["a", "\xe9", "\u0416", "\u4e2d", "\U0001f642", "\n", '"', "\\", "\ud800"]


def both_forms(value: object) -> list[bytes]:
    return [_native.dumps(value), json.dumps(value).encode()]


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize("filler", FILLERS)
def test_text_of_any_length_around_the_limit_is_read_whole_and_is_no_larger_than_it_must_be(
    wide: str, filler: str
) -> None:
    for size in [*range(670, 690), *range(2030, 2060), 9000]:
        for text in (wide + filler * size, filler * size + wide, filler * (size // 2) + wide + "b" * (size // 2)):
            for document in both_forms(text):
                got = _native.loads(document)
                assert got == text
                assert sys.getsizeof(got) == sys.getsizeof("".join(list(text)))
                assert hash(got) == hash(text)
                assert got.isidentifier() == text.isidentifier()  # looks at each character by its kind


def test_a_wider_character_may_come_late_in_a_long_text() -> None:
    for late in range(0, 6000, 97):
        text = "\u2019" + "x" * 2500 + "y" * late + "\U0001f642" + "z" * 10
        for document in both_forms({"a": text, "b": [text, "short \u2019"]}):
            assert _native.loads(document) == {"a": text, "b": [text, "short \u2019"]}


def test_random_long_texts() -> None:
    dice = random.Random(11)
    for _ in range(300):
        text = "".join(dice.choice(FILLERS[:-1]) * dice.choice((1, 2, 30)) for _ in range(dice.randrange(1, 500)))
        for document in both_forms([text, {"k": text}]):
            assert _native.loads(document) == [text, {"k": text}]


@pytest.mark.parametrize("end", [b"", b'"', b"\n", b"\xff", b"\\", b'\\"', b"\\u12", b"\\ud83d"])
def test_a_long_text_that_is_broken_or_cut_off_is_refused(end: bytes) -> None:
    for size in (100, 2048, 70000):
        document = b'["' + "\u2019".encode() + b"x" * size + end
        with pytest.raises(CorruptValueError):
            _native.loads(document)
        with pytest.raises(ValueError):  # noqa: PT011 - json's own, or a UnicodeDecodeError
            json.loads(document.decode())
