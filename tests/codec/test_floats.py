"""Floats on their way to text and back: the table they are multiplied by, and random doubles against repr()."""

from __future__ import annotations

import json
import math
import random
import re
import struct
from pathlib import Path

from nano_graphrag_redis import _native

CORE = Path(__file__).parent.parent.parent / "src" / "core"
LOWEST, HIGHEST = -342, 324


def leading_128_bits(power: int) -> int:
    """Of 10**power, cut off."""
    if power >= 0:
        number = 10**power
        return number << 128 >> number.bit_length()
    divisor = 10**-power
    quotient = (1 << (divisor.bit_length() + 128)) // divisor
    return quotient >> (quotient.bit_length() - 128)


def test_the_table_of_powers_of_ten_is_what_it_says() -> None:
    header = (CORE / "json_powers.h").read_text()
    assert f"NGR__POWER_MIN (-{-LOWEST})" in header
    assert re.search(rf"NGR__POWER_MAX\s+{HIGHEST}\b", header)
    rows = re.findall(r"\{0x(\w{16}), 0x(\w{16})\}", (CORE / "json_powers.c").read_text())
    assert [int(high + low, 16) for high, low in rows] == [
        leading_128_bits(power) for power in range(LOWEST, HIGHEST + 1)
    ]


def check(numbers: list[float]) -> None:
    text = json.dumps(numbers, separators=(",", ":")).encode()
    assert _native.dumps(numbers) == text
    assert [struct.pack("d", number) for number in _native.loads(text)] == [
        struct.pack("d", number) for number in numbers
    ]


def test_random_bit_patterns_are_written_and_read_as_json_does() -> None:
    rng = random.Random(8)
    for _ in range(20):
        numbers = struct.unpack("5000d", rng.randbytes(40000))
        check([number for number in numbers if math.isfinite(number)])


def test_numbers_as_people_write_them_are_written_and_read_as_json_does() -> None:
    rng = random.Random(9)
    for digits in range(1, 18):
        check([rng.randrange(10**digits) / 10.0 ** rng.randrange(25) for _ in range(3000)])
        check([-float(rng.randrange(10**digits)) for _ in range(1000)])


def test_text_between_two_doubles_is_read_as_json_reads_it() -> None:
    """With 19 digits and more, and on both sides of every halfway case."""
    rng = random.Random(10)
    for _ in range(5000):
        number = struct.unpack("d", rng.randbytes(8))[0]
        if not math.isfinite(number):
            continue
        for spelling in ("%.17e", "%.18e", "%.19e", "%.20e", "%.40e"):
            text = spelling % (number / 2 + math.nextafter(number, 0) / 2)
            assert _native.loads(text.encode()) == float(text)
