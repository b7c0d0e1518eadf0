"""What the soak stores. A value names its key and its generation and carries a checksum over both and its text, so that
an answer that belongs to another question, or is older than it may be, or is put together of two, shows."""

from __future__ import annotations

import random
from typing import Any
from zlib import crc32

ABSENT = 0  # the generation of what is not there

_letters = "abcdefghijklmnopqrstuvwxyz      äöüßé\"\\\n中文数据кириллица😀"
_TEXT = "".join(random.Random(7).choices(_letters, k=1_500_000))
_LONGEST = 1_300_000  # characters: 2 MB of UTF-8 and escapes


class WrongValueError(Exception):
    """A value that nobody has written under this key."""


def make(key: str, generation: int, size: int) -> Any:
    """A value of about `size` bytes of JSON; a bare string when that is below 100, else a record."""
    if size < 100:
        return f"{generation:x}.{_sum(key, generation, ''):08x}"
    length = min(_LONGEST, int(size / 1.5))
    start = crc32(key.encode(), generation) % (len(_TEXT) - length)
    text = _TEXT[start : start + length]
    return {
        "key": key,
        "gen": generation,
        "sum": _sum(key, generation, text),
        "text": text,
        "more": [generation, 0.1, 1.0, None, True, {"": []}, 2**70 + generation],
    }


def generation_of(key: str, value: Any) -> int:
    """The generation of what was read under `key`."""
    if value is None:
        return ABSENT
    if isinstance(value, str):
        head, _, tail = value.partition(".")
        generation = int(head, 16)
        _demand(key, value, tail == f"{_sum(key, generation, ''):08x}")
        return generation
    generation = generation_of_part(key, value)
    _demand(key, value, value["sum"] == _sum(key, generation, value["text"]))
    _demand(key, value, value["more"] == [generation, 0.1, 1.0, None, True, {"": []}, 2**70 + generation])
    return generation


def generation_of_part(key: str, value: Any) -> int:
    """The same for a record of which only the fields key and gen were asked for, or more."""
    if value is None:
        return ABSENT
    _demand(key, value, value["key"] == key)
    return int(value["gen"])


def random_size(chance: random.Random, longest: int = 2_000_000) -> int:
    """Most values are small, a few are large."""
    kind = chance.random()
    for share, most in ((0.7, 2_000), (0.93, 40_000), (0.985, 300_000), (1.0, 2_000_000)):
        if kind < share:
            return chance.randint(100, min(most, longest))
    raise AssertionError


def _sum(key: str, generation: int, text: str) -> int:
    return crc32(text.encode(), crc32(key.encode(), generation))


def _demand(key: str, value: Any, is_so: bool) -> None:
    if not is_so:
        raise WrongValueError(f"under {key}: {str(value)[:200]}")
