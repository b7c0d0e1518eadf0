"""From what a user wrote to a typed value: numbers, flags, sizes, names, each within its range.

A reader knows neither the name of its setting nor where a value came from, and its message quotes nothing:
`read` adds all three, unless the value is a secret.
"""

from __future__ import annotations

import operator
import os
from typing import Any, NamedTuple

from .errors import ConfigurationError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

TRUE_WORDS = ("true", "1", "yes", "on")
FALSE_WORDS = ("false", "0", "no", "off")
LONGEST_NUMBER = 40  # characters; no setting needs more, and int() is slow on very long ones


class Refused(ValueError):
    """The value is not what the setting allows. The message completes "it must be ..."."""


class Reader:
    """Turns a raw value (text out of the environment, or any object) into a typed one, or raises Refused.

    This one takes everything as it is; the others are more particular.
    """

    allowed = "anything"  # completes "it must be ...", and stands in the table of settings
    is_secret = False
    is_plain_text = False  # used as it stands: a trailing comment in the environment belongs to it

    def __call__(self, value: object) -> Any:
        return value

    def refusal(self) -> Refused:
        return Refused(self.allowed)


def to_whole(value: object) -> int | None:
    """The whole number that `value` is or spells, else None. A bool is not a number here."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        digits = text[1:] if text[:1] in ("+", "-") else text
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER
        return int(text) if is_number else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def to_number(value: object) -> float | None:
    """The number that `value` is or spells, else None."""
    if isinstance(value, bool) or (isinstance(value, str) and (len(value) > LONGEST_NUMBER or "_" in value)):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


class Whole(Reader):
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.allowed = f"a whole number from {low:,} to {high:,}"

    def __call__(self, value: object) -> int:
        number = to_whole(value)
        if number is None or not self.low <= number <= self.high:
            raise self.refusal()
        return number


class Seconds(Reader):
    def __init__(self, low: float, high: int, zero: str = "") -> None:
        self.low, self.high = low, high
        self.allowed = f"a number of seconds from {low:g} to {high:,}" + (f" (0: {zero})" if zero else "")

    def __call__(self, value: object) -> float:
        number = to_number(value)
        if number is None or not self.low <= number <= self.high:  # false for NaN, too
            raise self.refusal()
        return number


class Size(Reader):
    """A number of bytes. The units are powers of 1024, with or without the "i", as in redis.conf."""

    UNITS = (("kib", KIB), ("mib", MIB), ("gib", GIB), ("kb", KIB), ("mb", MIB), ("gb", GIB), ("b", 1))

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.allowed = (
            f"a number of bytes from {show_size(low)} to {show_size(high)}, such as 67108864 or 64MiB"
        )

    def __call__(self, value: object) -> int:
        factor = 1
        if isinstance(value, str):
            value = value.strip().lower()
            for unit, factor_of_unit in self.UNITS:
                if value.endswith(unit):
                    value, factor = value[: -len(unit)], factor_of_unit
                    break
        number = to_whole(value)
        if number is None or not self.low <= number * factor <= self.high:
            raise self.refusal()
        return number * factor


class Flag(Reader):
    allowed = "true or false (also yes/no, on/off, 1/0)"

    def __call__(self, value: object) -> bool:
        word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise self.refusal()


class Choice(Reader):
    def __init__(self, *words: str, note: str = "") -> None:
        self.words = words
        self.allowed = " or ".join(words) + (f" ({note})" if note else "")

    def __call__(self, value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in self.words:
            raise self.refusal()
        return word


class Text(Reader):
    """Text that is used as it stands; "" means that nothing is set."""

    allowed = "text without NUL characters"
    is_plain_text = True

    def __init__(self, *, is_secret: bool = False) -> None:
        self.is_secret = is_secret

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or "\0" in value or not is_encodable(value):
            raise self.refusal()
        return value


class UrlText(Text):
    """A URL; the core parses it. It may hold a password, so it is never shown."""

    allowed = "a redis://, rediss://, valkey://, valkeys:// or unix:// URL"
    is_plain_text = False

    def __init__(self) -> None:
        super().__init__(is_secret=True)


class File(Text):
    allowed = "the path of a PEM file"

    def __call__(self, value: object) -> str:
        return super().__call__(os.fspath(value) if isinstance(value, os.PathLike) else value)


class ClientName(Text):
    allowed = "1 to 200 printable ASCII characters without spaces (a rule of CLIENT SETNAME)"

    def __call__(self, value: object) -> str:
        name = super().__call__(value)
        if len(name) > 200 or not all("!" <= character <= "~" for character in name):
            raise self.refusal()
        return name


class KeyPart(Reader):
    """A prefix or a namespace: one of the two parts that stand in front of an id in every key."""

    allowed = "text without ':', not empty"
    is_plain_text = True

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or not value or not is_encodable(value):
            raise self.refusal()
        if ":" in value:
            raise Refused("text without ':', which separates the parts of a key: t would own the keys of t:x")
        return value


class Durability(NamedTuple):
    """What a write waits for, or what is started after it; `replicas` counts for "wait" alone."""

    mode: str  # auto, none, bgsave, wait, waitaof
    replicas: int = 0

    def __str__(self) -> str:
        return f"wait:{self.replicas}" if self.mode == "wait" else self.mode


class DurabilityReader(Reader):
    allowed = "auto, none, bgsave, wait:N (N replicas, 1 to 100) or waitaof"
    MODES = ("auto", "none", "bgsave", "waitaof")
    MOST_REPLICAS = 100

    def __call__(self, value: object) -> Durability:
        if isinstance(value, Durability):
            value = str(value)
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in self.MODES:
            return Durability(word)
        replicas = to_whole(word[len("wait:") :]) if word.startswith("wait:") else None
        if replicas is None or not 1 <= replicas <= self.MOST_REPLICAS:
            raise self.refusal()
        return Durability("wait", replicas)


def is_encodable(text: str) -> bool:
    """Whether UTF-8 has bytes for it: a lone surrogate, as from a damaged environment variable, has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def show_size(size: int) -> str:
    """1536 -> '1536 B', 64 * MIB -> '64 MiB'."""
    for name, unit in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def show(value: object) -> str:
    """A value for an error message: short, and hidden where it looks like a URL in the wrong place."""
    if not isinstance(value, (str, int, float)):
        return f"of type {type(value).__name__}"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a very large number"  # repr() refuses some
    text = repr(value)
    if "://" in text or "@" in text:
        return "a text that is not shown because it may hold a password"
    return text if len(text) <= 80 else f"{text[:77]}..."


def without_comment(text: str) -> str:
    """The value of an environment variable whose file carried a comment: '43200  # 12 hours' -> '43200'."""
    for position, character in enumerate(text):
        if character == "#" and (position == 0 or text[position - 1].isspace()):
            return text[:position].strip()
    return text.strip()


def suggest(name: str, known: list[str]) -> str:
    """A "; did you mean ...?" when one of the known names is close, else nothing."""
    from difflib import get_close_matches  # for an error alone: not worth its import time

    close = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def read(name: str, origin: str, value: object, reader: Reader) -> Any:
    """The typed value, or a ConfigurationError: the setting, the value, its origin and what is allowed."""
    try:
        return reader(value)
    except Refused as refused:
        allowed = str(refused)
    found = f"has a value of type {type(value).__name__}" if reader.is_secret else f"is {show(value)}"
    raise ConfigurationError(f"{name} {found} ({origin}); it must be {allowed}")
