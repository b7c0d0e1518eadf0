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
PIECES = ("CANARYONE", "CANARYTWO", "CANARYSIX", "canary")  # a lower-cased host would be a piece, too
CANARY = f"CANARYONE{SPECIALS}CANARYTWO"
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


def raw_passwords() -> Iterator[str]:
    for first in SPECIALS:
        for second in "/?#@:=&%":
            yield f"CANARYONE{first}CANARYTWO{second}CANARYSIX"


@pytest.mark.parametrize("place", PLACES)
def test_raw_specials_are_taken_whole_or_refused_in_silence(place: str) -> None:
    for raw in raw_passwords():
        try:
            settings = resolve("n", {"redis_url": place.format(raw)}, {})
        except ConfigurationError as error:
            assert_hidden(shown_by_error(error))
            continue
        assert_hidden(shown_by(settings))
        if "?" in place:  # as in redis-py, '&' ends an option and '+' is a space
            assert settings.password == raw.partition("&")[0].replace("+", " ")
        else:
            credentials = f"{settings.username or ''}:{settings.password or ''}"
            assert credentials.strip(":").endswith(raw.strip(":"))


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
        {"redis_password": ["CANARYONE"]},
        {"redis_password": "CANARYONE\0"},
        {"redis_password": "CANARYONE\ud800"},
        {"redis_username": b"CANARYONE"},
        {"redis_url": b"redis://:CANARYONE@h"},
        {"redis_url": "redis://:CANARYONE\ud800@h"},
        {"redis_url": "redis://:CANARYONE\n@h"},
        {"redis_url": "CANARYONE"},
        {"redis_url": "u:CANARYONE@h:6379"},
        {"redis_url": "redis://u:CANARYONE"},
        {"redis_url": "redis://h?CANARYONE@h=1"},
        {"redis_url": "redis://h?socket_timeout=redis%3A%2F%2F%3ACANARYONE%40h"},
        {"redis_key_prefix": "redis://:CANARYONE@h"},
        {"redis_max_connections": "redis://:CANARYONE@h"},
        {"redis_durability": "u:CANARYONE@h"},
        {"redis_ttl": "redis://:CANARYONE@h"},
        {"addon_params": "redis://:CANARYONE@h"},
    ],
)
def test_a_secret_in_a_wrong_place_is_not_quoted(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("n", config, {})
    assert_hidden(shown_by_error(caught.value))
