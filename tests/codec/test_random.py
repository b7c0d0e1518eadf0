"""Random documents and values, read and written by us and by Python's json: the same answer every time."""

from __future__ import annotations

import json
import random

import pytest
from documents import key, mutated, scalar, spelled, text, value
from oracle import REFUSED, check_read, check_written, python_reads, same

from nano_graphrag_redis import _native

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_values_are_written_as_json_writes_them(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2000):
        check_written(value(rng))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_spelling_reads_as_json_reads_it(seed: int) -> None:
    rng = random.Random(1000 + seed)
    for _ in range(1500):
        document = spelled(rng, value(rng)).encode()
        assert python_reads(document) is not REFUSED
        check_read(document)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_json_dumps_wrote_reads_back(seed: int) -> None:
    rng = random.Random(2000 + seed)
    for _ in range(400):
        original = value(rng)
        for ascii_only in (True, False):
            document = json.dumps(original, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
            check_read(document)


@pytest.mark.parametrize("seed", SEEDS)
def test_broken_documents_are_refused_as_json_refuses_them(seed: int) -> None:
    rng = random.Random(3000 + seed)
    refused = 0
    for _ in range(1000):
        document = spelled(rng, value(rng, 2)).encode()
        for _ in range(4):
            broken = mutated(rng, document)
            check_read(broken)
            refused += python_reads(broken) is REFUSED
    assert 1000 < refused < 3800  # neither all nor none of them: both answers were compared


@pytest.mark.parametrize("seed", SEEDS)
def test_fields_select_what_a_filter_would(seed: int) -> None:
    rng = random.Random(4000 + seed)
    for _ in range(300):
        record = {key(rng): value(rng, 2) for _ in range(rng.randrange(8))}
        fields = {key(rng) for _ in range(rng.randrange(6))}
        document = spelled(rng, record).encode()
        expected = {k: v for k, v in json.loads(document).items() if k in fields}
        assert same(_native.loads(document, fields), expected)


def test_numbers_of_every_shape_read_as_json_reads_them() -> None:
    rng = random.Random(5)
    for _ in range(20000):
        digits = "".join(rng.choices("0123456789", k=rng.randrange(1, 25))).lstrip("0") or "0"
        fraction = (
            "." + "".join(rng.choices("0123456789", k=rng.randrange(1, 25))) if rng.random() < 0.6 else ""
        )
        exponent = (
            rng.choice("eE") + rng.choice(("", "+", "-")) + str(rng.randrange(0, 340))
            if rng.random() < 0.5
            else ""
        )
        check_read((rng.choice(("", "-")) + digits + fraction + exponent).encode())


def test_floats_of_every_bit_pattern_are_written_as_json_writes_them() -> None:
    rng = random.Random(6)
    for _ in range(20000):
        number = rng.choice(
            (rng.random(), rng.uniform(-1e6, 1e6), round(rng.uniform(0, 100), 2), scalar(rng))
        )
        if isinstance(number, float):
            assert _native.dumps(number).decode() == json.dumps(number)


def test_text_of_every_length_and_alphabet_survives() -> None:
    rng = random.Random(7)
    for _ in range(5000):
        string = text(rng) + text(rng)
        check_written(string)
        check_written({string: string})
