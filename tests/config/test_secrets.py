"""A canary password with every special character works, and no repr, message, cause or log line shows it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from nano_graphrag_redis.config import Settings, resolve
from nano_graphrag_redis.errors import ConfigurationError, UnsupportedFeatureError

SPECIALS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ é"
PIECES = ("CANARY1", "CANARY2", "CANARY3", "CANARY4", "canary")  # a lower-cased host would be a piece, too
CANARY = f"CANARY1{SPECIALS}CANARY2"
PLACES = (
    "redis://u:{}@h",
    "redis://{}@h",
    "redis://h?password={}",
    "redis+cluster://u:{}@a,b",
    "unix://u:{}@/s",
)


def shown_by(settings: Settings) -> Iterator[str]:
    yield repr(settings)
    yield str(settings)
    yield f"{settings}"
    yield settings.endpoint
    yield repr(settings.connection_key())
    yield str({settings.connection_key(): 1})
    try:
        settings.require_supported()
    except UnsupportedFeatureError as error:
        yield from shown_by_error(error)


def shown_by_error(error: BaseException) -> Iterator[str]:
    yield "".join(traceback.format_exception(error))
    for each in (error, error.__cause__, error.__context__):
        yield f"{each!r} {each} {getattr(each, 'args', '')} {getattr(each, '__dict__', '')}"


def assert_hidden(texts: Iterator[str]) -> None:
    for text in texts:
        for piece in PIECES:
            assert piece not in text


@pytest.mark.parametrize("place", PLACES)
def test_an_encoded_password_works_and_is_never_shown(place: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = resolve("n", {"redis_url": place.format(quote(CANARY, safe=""))}, {"REDIS_TTL_N": "-1"})
    assert CANARY in (settings.password, settings.username)
    assert settings.native_options()["password"] == settings.password
    assert_hidden(shown_by(settings))
    assert_hidden(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("variable", ["REDIS_PASSWORD", "REDIS_USERNAME"])
def test_a_password_setting_is_taken_as_it_is_and_never_shown(variable: str) -> None:
    settings = resolve("n", {}, {variable: CANARY})
    assert CANARY in (settings.password, settings.username)
    assert_hidden(shown_by(settings))


def test_a_set_password_is_visible_as_such() -> None:
    assert "username=None, password=***" in repr(resolve("n", {"redis_password": CANARY}, {}))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("first", SPECIALS)
@pytest.mark.parametrize("second", "/?#@:=&%")
def test_a_raw_special_is_taken_whole_or_refused_in_silence(place: str, first: str, second: str) -> None:
    raw = f"CANARY1{first}CANARY2{second}CANARY3"
    try:
        settings = resolve("n", {"redis_url": place.format(raw)}, {})
    except ConfigurationError as error:
        assert_hidden(shown_by_error(error))
        return
    assert_hidden(shown_by(settings))
    if "?" in place:  # a query ends an option at '&' and reads '+' as a space, as redis-py does
        assert settings.password in (
            raw.replace("+", " "),
            "CANARY1",
            f"CANARY1{first.replace('+', ' ')}CANARY2",
        )
    else:
        assert f"{settings.username or ''}:{settings.password or ''}".strip(":").endswith(raw.strip(":"))


@pytest.mark.parametrize(
    "tail", [":0", ":x", "/x", "?db=x", "?max=1", "?max_connections=0", "#x", ":1:2", "/1/2", "?protocol=3"]
)
@pytest.mark.parametrize(
    "head", ["redis://u:{}@h", "rediss://u:{}@[::1]", "redis://u:{}@[h", "http://u:{}@h"]
)
def test_a_url_with_an_error_elsewhere_is_not_quoted(head: str, tail: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("n", {}, {"REDIS_URL": head.format(quote(CANARY, safe="")) + tail})
    assert_hidden(shown_by_error(caught.value))


@pytest.mark.parametrize(
    "config",
    [
        {"redis_password": ["CANARY1"]},
        {"redis_password": "CANARY1\0"},
        {"redis_password": "CANARY1\ud800"},
        {"redis_username": b"CANARY1"},
        {"redis_url": b"redis://:CANARY1@h"},
        {"redis_url": "redis://:CANARY1\ud800@h"},
        {"redis_url": "redis://:CANARY1\n@h"},
        {"redis_url": "CANARY1"},
        {"redis_url": "u:CANARY1@h:6379"},
        {"redis_url": "redis://u:CANARY1"},
        {"redis_url": "redis://h?CANARY1@h=1"},
        {"redis_url": "redis://h?socket_timeout=redis%3A%2F%2F%3ACANARY1%40h"},
        {"redis_key_prefix": "redis://:CANARY1@h"},
        {"redis_max_connections": "redis://:CANARY1@h"},
        {"redis_durability": "u:CANARY1@h"},
        {"redis_ttl": "redis://:CANARY1@h"},
        {"addon_params": "redis://:CANARY1@h"},
    ],
)
def test_a_secret_in_a_wrong_place_is_not_quoted(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("n", config, {})
    assert_hidden(shown_by_error(caught.value))
