"""The documents and values that codecs get wrong, one by one, each checked against Python's json."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from oracle import REFUSED, check_read, check_written, python_reads, same, we_read

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import CorruptValueError, EncodeError

ACCEPTED = [
    b"null", b"true", b"false", b"0", b"-0", b"-0.0", b"0.0", b"1.0", b"1e0", b"1E+2", b"1e-2", b"-1.5e10",
    b" \t\r\n1\n ", b"[]", b"{}", b"[ ]", b"{ }", b"[1,2]", b"[ 1 , 2 ]", b'{"a":1}',
    b'{ "a" : 1 , "b" : [ ] }', b"NaN", b"Infinity", b"-Infinity", b"[NaN,Infinity,-Infinity]", b"1e400",
    b"-1e400", b"1e-400", b"-1e-400", b"9007199254740993", b"9007199254740993.0", b"9007199254740992.0",
    b"9007199254740991e1", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
    b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616",
    b"123456789012345678901234567890", b"1" * 4300, b"0.1", b"0.30000000000000004",
    b"2.2250738585072014e-308", b"2.2250738585072011e-308", b"5e-324", b"2e-324", b"1.7976931348623157e308",
    b"1.7976931348623159e308", b"1e22", b"1e23", b"1e-22", b"1e-23", b"0e999999999999", b"-0e-999999999999",
    b"1e99999999999999999999", b"1e-99999999999999999999", b"0." + b"0" * 400 + b"1e401",
    b"1" * 400 + b".5e-400", b"123456789012345678901234567890.5", b"0.000001", b"100000000000000000000000.0",
    b'""', b'"a"', b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\\u0000"', b'"a\\u0000b"', b'"\x7f"', b'"\\u007F"',
    b'"\\ud83d\\ude00"', b'"\\uD83D\\uDE00"', b'"\\ud83d"', b'"\\ude00"', b'"\\ude00\\ud83d"',
    b'"\\ud83d\\ud83d\\ude00"', b'"\\ud83dx"', b'"\\ud83d\\n"', b'"\\ud83d\\u0041"', b'"\\udbff\\udfff"',
    b'"\\ud800\\udc00"', b'"\\uffff"', "\"é\"".encode(), "\"ÿĀ\"".encode(), "\"€\"".encode(),
    "\"😀\"".encode(), "\"\U0010ffff\"".encode(), "\"\u0080\u07ff\u0800\uffff\U00010000\"".encode(),
    "\"\\u00e9 é €\"".encode(), '"\u2028\ufeff"'.encode(), b'{"a":1,"b":2,"a":3}',
    b'{"a":{"x":1},"b":2,"a":null}', b'{"":0}', b'{"\\u0061":1,"a":2}', '{"é":1,"\\u00e9":2}'.encode(),
    b'{"a":[{"b":[{"c":[]}]}]}', b'[[],{},"",0,null]',
]  # fmt: skip

REJECTED = [
    b"", b" ", b"\n\t", b"\xef\xbb\xbf1", b"\xef\xbb\xbf", b"\xff\xfe1\x00", b"\x00", b"1\x00", b"\x0b1",
    b"\xa01", "\u00a01".encode(), "1\u2028".encode(), b"nul", b"nulL", b"nullx", b"True", b"tru", b"fals",
    b"NAN", b"nan", b"Nan", b"Na", b"Infinit", b"-Infinit", b"infinity", b"+Infinity", b"-NaN", b"+1", b"01",
    b"-01", b"00", b"1.", b"-1.", b".5", b"-.5", b"-", b"1e", b"1e+", b"1E-", b"1.e5", b"1.5e", b"--1", b"1-",
    b"0x10", b"1_000", b"1 2", "١".encode(), b"[1,]", b"[,1]", b"[,]", b"[1 2]", b"[1", b"[", b"]", b"[1}",
    b"[1,", b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b"{,}", b'{"a" 1}', b'{"a",1}',
    b"{a:1}", b"{1:1}", b"{'a':1}", b'{"a":1 "b":2}', b'{"a":1]', b"{null:1}", b"[1]]", b"{}{}", b"[]1", b'"',
    b'"a', b'"a\\', b'"a\\"', b'"\\x41"', b'"\\a"', b'"\\U0041"', b'"\\u"', b'"\\u12"', b'"\\u123"',
    b'"\\u123g"', b'"\\u 123"', b'"\\u-123"', b'"\\u+123"', b'"\\ud83d\\u12"', b'"\\ud83d\\uzzzz"',
    b'"\\ud83d\\', b'"\\ud83d\\u', b'"\\ud83d\\x"', b"'a'", b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"',
    b'"abcdefghijklmnop\n"', b'"\\\n"', b"/**/1", b"1//", b"#1", b'["a\nb"]', b'{"a\x01":1}', b'"\x80"',
    b'"\xbf"', b'"\xc0\x80"', b'"\xc1\xbf"', b'"\xc2"', b'"\xc3(\xa9"', b'"\xe0\x80\x80"', b'"\xe0\x9f\xbf"',
    b'"\xe2\x82"', b'"\xe2\x28\xa1"', b'"\xe2\x82\x28"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"',
    b'"\xf0\x80\x80\x80"', b'"\xf0\x8f\xbf\xbf"', b'"\xf0\x9f\x98"', b'"\xf4\x90\x80\x80"',
    b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xfe"', b'"\xff"', b"\x80", b"[1\xc3\xa9]",
    b'{"\xff":1}', b'{"a":"\xff"}', b"\xed\xa0\x80",
]  # fmt: skip


@pytest.mark.parametrize(
    "around", [b"plain ", "é".encode(), b"\\n\\t", b'\\"\\\\'], ids=["plain", "accents", "escapes", "rows"]
)
def test_any_byte_behind_a_backslash_is_read_or_refused_at_any_place(around: bytes) -> None:
    for byte in range(256):
        for before in range(20):
            text = around * before + b"x" * (before % 3) + b"\\" + bytes([byte]) + around * 12
            check_read(b'["' + text + b'"]')


@pytest.mark.parametrize("document", ACCEPTED, ids=lambda d: repr(d[:40])[2:-1])
def test_document_reads_as_json_reads_it(document: bytes) -> None:
    assert python_reads(document) is not REFUSED
    check_read(document)


@pytest.mark.parametrize("document", REJECTED, ids=lambda d: repr(d[:40])[2:-1])
def test_document_is_refused_as_json_refuses_it(document: bytes) -> None:
    assert python_reads(document) is REFUSED
    assert we_read(document) is REFUSED


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_a_thousand_levels_are_read_and_one_more_is_refused(opening: str, closing: str) -> None:
    step = opening.count("[") + opening.count("{")
    _native.loads(nested(1000 // step, opening, closing))
    with pytest.raises(CorruptValueError, match="deeper than 1,000 levels"):
        _native.loads(nested(1000 // step + 1, opening, closing))


def test_a_thousand_levels_are_written_and_one_more_is_refused() -> None:
    value: Any = 1
    for level in range(1000):
        value = [value] if level % 2 else {"a": value}
    assert _native.dumps(value) == b'[{"a":' * 500 + b"1" + b"}]" * 500
    with pytest.raises(EncodeError, match="deeper than 1,000 levels"):
        _native.dumps([value])


VALUES: list[Any] = [
    None, True, False, 0, -1, 1.0, -0.0, 0.1, 1e22, 1e23, 5e-324, 1.7976931348623157e308, float("nan"),
    float("inf"), float("-inf"), 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**4299, "",
    "a", "\x00", "a\x00b", '"\\/\b\f\n\r\t\x1f\x7f', "\x80\xff", "é", "ÿĀ", "€", "😀", "\ud800", "\udfff",
    "\ud83d\ude00", "x\ud83d", "\U0010ffff", "\ufeff", "\u2028", "a" * 15, "a" * 16, "a" * 17 + '"',
    "é" * 40 + "a" * 40, "a" * 31 + "€" + "b" * 33, "😀" * 20 + "\n" * 20, [], {}, [[]], [{}], {"": {}},
    {"a": [1, {"b": None}]}, (), (1, (2,)), {"a": ()}, {1: 2}, {1.5: 1}, {True: 1, None: 2, False: 3},
    {float("nan"): 1, float("inf"): 2, -0.0: 3}, {10**30: 1}, {"\ud800": "\udc00"}, {"é": 1}, set(), 1j, b"x",
    [b"x", {1}],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: ascii(v)[:40])
def test_value_is_written_as_json_writes_it(value: Any) -> None:
    check_written(value)


def test_text_is_written_as_utf8_and_without_spaces() -> None:
    assert _native.dumps({"a": ["é€😀", 1, None]}) == '{"a":["é€😀",1,null]}'.encode()


def test_every_character_survives() -> None:
    for start in range(0, 0x110000, 0x1000):
        text = " ".join(map(chr, range(start, start + 0x1000)))  # apart: two halves of a pair would join
        written = _native.dumps(text)
        assert _native.loads(written) == text
        assert json.loads(written) == text
        assert _native.loads(json.dumps(text).encode()) == text


def test_integer_beyond_the_interpreters_digit_limit_is_refused_in_both_directions() -> None:
    limit = sys.get_int_max_str_digits()
    with pytest.raises(CorruptValueError, match=r"sys\.get_int_max_str_digits"):
        _native.loads(b"[1," + b"9" * (limit + 1) + b"]")
    with pytest.raises(EncodeError, match=r"at \$\.a\[1\]: an integer has more digits"):
        _native.dumps({"a": [1, 10**limit]})


def test_a_string_of_100_megabytes_passes() -> None:
    text = "x" * (100 * 1000 * 1000 - 2) + "\n\n"
    written = _native.dumps(text)
    assert len(written) == len(text) + 4
    assert _native.loads(written) == text


def test_duplicate_keys_keep_the_first_place_and_the_last_value() -> None:
    assert same(_native.loads(b'{"a":1,"b":2,"a":3}'), {"a": 3, "b": 2})


def test_refusal_names_reason_and_byte() -> None:
    with pytest.raises(CorruptValueError, match=r"^not valid JSON: a control character .* \(byte 9\)$"):
        _native.loads('{"é": "a\n"}'.encode())


@pytest.mark.parametrize("document", [b'{"a":1,"b":[1,{"a":2}],"c":"x\\n\xc3\xa9","d":NaN}', b"[1]", b'"a"', b"{}"])
@pytest.mark.parametrize("fields", [[], ["a"], ["b", "zz"], ["a", "b", "c", "d"]])
def test_fields_filter_the_top_level_object_only(document: bytes, fields: list[str]) -> None:
    whole = json.loads(document)
    expected = {k: v for k, v in whole.items() if k in fields} if isinstance(whole, dict) else whole
    assert same(_native.loads(document, fields), expected)


@pytest.mark.parametrize(
    "value",
    [
        b'"\xff"',
        b'"\\x"',
        b'"\x01"',
        b"[1,]",
        b'{"b":1',
        b"01",
        b"[" * 1000 + b"]" * 1000,
        b'"\\ud83d\\uzzzz"',
    ],
)
def test_a_skipped_value_is_still_checked(value: bytes) -> None:
    document = b'{"a":1,"skipped":' + value + b',"z":2}'
    with pytest.raises(CorruptValueError):
        _native.loads(document)
    with pytest.raises(CorruptValueError):
        _native.loads(document, {"a", "z"})
