"""The URL parser as Python sees it: the dict, the exceptions, and agreement with redis-py where both accept.
What single URLs mean is in tests/c/test_url.c."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio.connection import parse_url as redis_py

from nano_graphrag_redis import _native
from nano_graphrag_redis.errors import ConfigurationError

SPECIALS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "


def test_all_parts_come_as_a_dict() -> None:
    assert _native.parse_url("rediss://u:p@Host:7/2?max_connections=5&client_name=a%20b") == {
        "scheme": "rediss",
        "kind": "standalone",
        "tls": True,
        "nodes": [("host", 7)],
        "path": None,
        "service": None,
        "username": "u",
        "password": "p",
        "db": 2,
        "options": {"max_connections": "5", "client_name": "a b"},
    }


def test_what_is_absent_is_none_or_empty() -> None:
    assert _native.parse_url("unix:///run/r.sock") == {
        "scheme": "unix",
        "kind": "standalone",
        "tls": False,
        "nodes": [],
        "path": "/run/r.sock",
        "service": None,
        "username": None,
        "password": None,
        "db": None,
        "options": {},
    }


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "service"),
    [
        ("redis+cluster://a:1,[::1]", "cluster", [("a", 1), ("::1", 6379)], None),
        ("redis+sentinel://a,b:2/main/3", "sentinel", [("a", 26379), ("b", 2)], "main"),
    ],
)
def test_several_hosts_are_told_apart_by_kind(
    url: str, kind: str, nodes: list[tuple[str, int]], service: str | None
) -> None:
    parts = _native.parse_url(url)
    assert (parts["kind"], parts["nodes"], parts["service"]) == (kind, nodes, service)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("a=1&a=2", {"a": "1"}),
        ("a=&a=2&a=3", {"a": "2"}),
        ("a=1&a=", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=&a", {"a": ""}),
        ("%C3%A4=%E2%82%AC", {"ä": "€"}),
        ("db=1&username=u&password=p", {}),
    ],
)
def test_the_first_value_of_an_option_that_says_something_counts(query: str, options: dict[str, str]) -> None:
    assert _native.parse_url(f"redis://h?{query}")["options"] == options


def test_every_character_of_unicode_can_be_encoded_into_a_password() -> None:
    text = SPECIALS + "äß€\U0001f511\u0085\u2028" + "".join(map(chr, range(1, 32)))
    parts = _native.parse_url(f"redis://{quote(text, safe='')}:{quote(text, safe='')}@h")
    assert (parts["username"], parts["password"]) == (text, text)


@pytest.mark.parametrize("url", ["redis://:a\ud800b@h", "redis://h?x=\udcff", "\ud800"])
def test_a_lone_surrogate_is_refused_without_the_text(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"redis_url: .*lone surrogate") as caught:
        _native.parse_url(url)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("wrong", [None, b"redis://h", 1])
def test_only_a_str_is_taken(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"takes a str, not "):
        _native.parse_url(wrong)  # type: ignore[arg-type]


def as_redis_py(parts: dict[str, Any]) -> dict[str, Any]:
    """Our answer in redis-py's form, which leaves out what the URL does not say."""
    [(host, port)] = parts["nodes"]
    answer = {"host": host, "port": port, **{name: parts[name] for name in ("username", "password", "db")}}
    answer |= parts["options"]
    return {name: value for name, value in answer.items() if value not in (None, "")}


def random_url(rng: random.Random) -> str:
    def text(*pieces: str) -> str:
        return "".join(rng.choice(pieces) for _ in range(rng.randrange(6)))

    escapes = ("%25", "%z", "%2F", "%3a", "%C3%A9", "é")
    user = text(*"aB1-._~!$'()*+,;= {|", *escapes)
    password = text(*"aB1-._~!$'()*+,;= {|@:", *escapes)
    user_info = f"{user}:{password}@" if rng.random() < 0.7 else ""
    host = rng.choice(["", "h", "Host.example", "127.0.0.1", "[::1]", "[2001:DB8::1]", "my_host", "%68"])
    port = rng.choice(["", ":", ":1", ":6380", ":65535"])
    path = rng.choice(["", "/", "/0", "/12", "/3/", "//4"])
    names, values = (*"ab1+", *escapes), (*"ab1/?:+=", *escapes)
    options = [f"{text(*names)}x={text(*values)}" for _ in range(rng.randrange(3))]
    options += rng.sample(["db=7", "db=", "username=n", "password=a+b%2B", "client_name="], rng.randrange(3))
    query = "&".join(options)
    return f"redis://{user_info}{host}{port}{path}" + (f"?{query}" if query else "")


def test_it_agrees_with_redis_py_on_random_urls() -> None:
    rng = random.Random(8)
    for _ in range(20_000):
        url = random_url(rng)
        expected = {"host": "localhost", "port": 6379} | redis_py(url)
        assert as_redis_py(_native.parse_url(url)) == expected, url


def test_a_million_bytes_of_results_leave_nothing_behind() -> None:
    url = f"redis+cluster://u:{'p' * 500}@a,b,c?x={'y' * 500}"

    def many() -> None:
        for _ in range(1000):
            _native.parse_url(url)
            with pytest.raises(ConfigurationError):
                _native.parse_url(url + "&z=%00")

    many()
    gc.collect()
    before = sys.getallocatedblocks()
    many()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100
