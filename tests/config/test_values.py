"""The readers: what counts as a number, a flag, a size, and what does not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis import config_values as values
from nano_graphrag_redis.config_values import Durability, Refused

WHOLE = values.Whole(0, 100)
SECONDS = values.Seconds(0.5, 100)
SIZE = values.Size(1, 64 * values.GIB)
FLAG = values.Flag()
CHOICE = values.Choice("required", "none")
TEXT = values.Text()
FILE = values.File()
NAME = values.ClientName()
PART = values.KeyPart()
DURABILITY = values.DurabilityReader()


class Index:
    """A whole number of another library, such as numpy's."""

    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("reader", "raw", "typed"),
    [
        (WHOLE, 0, 0),
        (WHOLE, 100, 100),
        (WHOLE, "42", 42),
        (WHOLE, " +42 ", 42),
        (WHOLE, "-0", 0),
        (WHOLE, 42.0, 42),
        (WHOLE, Index(), 7),
        (SECONDS, 1, 1.0),
        (SECONDS, 0.5, 0.5),
        (SECONDS, "2.5", 2.5),
        (SECONDS, "1e1", 10.0),
        (SECONDS, Decimal("3.5"), 3.5),
        (SIZE, 1024, 1024),
        (SIZE, "1024", 1024),
        (SIZE, "64MiB", 64 * 2**20),
        (SIZE, "64mb", 64 * 2**20),
        (SIZE, "64 MB", 64 * 2**20),
        (SIZE, "1kib", 1024),
        (SIZE, "3KB", 3072),
        (SIZE, "2GiB", 2**31),
        (SIZE, "2gb", 2**31),
        (SIZE, "5 b", 5),
        (FLAG, True, True),
        (FLAG, False, False),
        (FLAG, 1, True),
        (FLAG, 0, False),
        *[(FLAG, word, True) for word in ("true", "TRUE", "1", "yes", "on", " On ")],
        *[(FLAG, word, False) for word in ("false", "False", "0", "no", "off", "OFF")],
        (CHOICE, "required", "required"),
        (CHOICE, " NONE ", "none"),
        (TEXT, " as it is # all of it ", " as it is # all of it "),
        (FILE, Path("/etc/ca.pem"), "/etc/ca.pem"),
        (NAME, "worker-1@host", "worker-1@host"),
        (PART, "a*?[]\\{} \n\0é", "a*?[]\\{} \n\0é"),
        (DURABILITY, "auto", Durability("auto")),
        (DURABILITY, " WaitAOF ", Durability("waitaof")),
        (DURABILITY, "none", Durability("none")),
        (DURABILITY, "bgsave", Durability("bgsave")),
        (DURABILITY, "wait:1", Durability("wait", 1)),
        (DURABILITY, "wait:100", Durability("wait", 100)),
        (DURABILITY, Durability("wait", 2), Durability("wait", 2)),
    ],
)
def test_what_is_allowed_is_read(reader: values.Reader, raw: object, typed: object) -> None:
    result = reader(raw)
    assert result == typed
    assert type(result) is type(typed)


@pytest.mark.parametrize(
    ("reader", "raw"),
    [
        *[
            (WHOLE, raw)
            for raw in (-1, 101, True, "", " ", "x", "1_0", "0x1", "1.0", "٣", 1.5, None, [], "1 2", "--1")
        ],
        *[(WHOLE, raw) for raw in (float("nan"), float("inf"), "9" * 5000, 10**400, b"1", "+", Decimal(1))],
        *[
            (SECONDS, raw)
            for raw in (0.49, 100.1, True, "", "x", "1_0", "nan", "inf", "-inf", None, [], "5 s")
        ],
        *[(SECONDS, raw) for raw in (float("nan"), float("inf"), 10**400, "1" * 5000, -1)],
        *[
            (SIZE, raw)
            for raw in (0, -1, True, "", "MiB", "1.5GiB", "64m", "64 M iB", "1e6", "65GiB", None, 1.5)
        ],
        *[(FLAG, raw) for raw in ("", "y", "t", "2", 2, -1, 1.0, None, [], "truee")],
        *[(CHOICE, raw) for raw in ("", "optional", None, 1, True)],
        *[(TEXT, raw) for raw in (None, 1, b"x", "a\0b", "\ud800", ["x"])],
        *[(FILE, raw) for raw in (1, b"x", "a\0b")],
        *[(NAME, raw) for raw in ("a b", "a\n", "é", "x" * 201, 1)],
        *[(PART, raw) for raw in ("", ":", "a:b", "\ud800", None, 1, b"x")],
        *[
            (DURABILITY, raw)
            for raw in ("", "aof", "wait", "wait:", "wait:0", "wait:101", "wait:x", "wait:-1", 1, None)
        ],
    ],
)
def test_what_is_not_allowed_is_refused(reader: values.Reader, raw: object) -> None:
    with pytest.raises(Refused) as caught:
        reader(raw)
    assert str(caught.value)


@pytest.mark.parametrize("text", ["auto", "none", "bgsave", "waitaof", "wait:3"])
def test_a_durability_spells_itself(text: str) -> None:
    assert str(DURABILITY(text)) == text


@pytest.mark.parametrize(
    ("raw", "rest"),
    [
        ("43200  # 12 hours", "43200"),
        ("43200\t# 12 # hours", "43200"),
        (" 5 ", "5"),
        ("# only a comment", ""),
        ("   # only a comment", ""),
        ("a#b", "a#b"),
        ("", ""),
    ],
)
def test_a_trailing_comment_is_cut_off(raw: str, rest: str) -> None:
    assert values.without_comment(raw) == rest


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", "'x'"),
        ("a\nb", r"'a\nb'"),
        (5, "5"),
        (None, "of type NoneType"),
        ({"a": 1}, "of type dict"),
        ("x" * 100, "'" + "x" * 76 + "..."),
        ("redis://:secret@host", "a text that is not shown because it may hold a password"),
    ],
)
def test_a_value_is_shown_briefly(value: Any, shown: str) -> None:
    assert values.show(value) == shown


def test_a_number_that_python_would_not_print_is_shown_too() -> None:
    assert values.show(10**5000) == "a very large number"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(1, "1 B"), (1024, "1 KiB"), (1536, "1536 B"), (64 * 2**20, "64 MiB"), (2**36, "64 GiB")],
)
def test_a_size_is_shown_in_its_unit(size: int, shown: str) -> None:
    assert values.show_size(size) == shown
