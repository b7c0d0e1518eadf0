"""Lifetimes: the defaults, the four places that change them, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from nano_graphrag_redis.config import Settings, resolve
from nano_graphrag_redis.config_ttl import variable_of
from nano_graphrag_redis.errors import ConfigurationError


def build(
    config: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    namespace: str = "text_chunks",
) -> Settings:
    return resolve(namespace, config or {}, environ or {})


def complaint(config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build(config, environ)
    return str(caught.value)


@pytest.mark.parametrize(
    ("namespace", "seconds"),
    [
        ("llm_response_cache", 43200),
        ("community_reports", 86400),
        ("text_chunks", 0),
        ("full_docs", 0),
        ("mine", 0),
    ],
)
def test_each_namespace_has_its_default(namespace: str, seconds: int) -> None:
    assert build(namespace=namespace).ttl == seconds
    assert build().ttl_for(namespace) == seconds


def test_ttl_config_holds_the_known_namespaces_and_this_one() -> None:
    assert build(namespace="mine").ttl_config == {
        "llm_response_cache": 43200,
        "community_reports": 86400,
        "text_chunks": 0,
        "full_docs": 0,
        "mine": 0,
    }


PLACES: list[
    tuple[dict[str, Any], dict[str, str]]
] = [  # from the weakest to the strongest; each says another number
    ({}, {"REDIS_TTL": '{"text_chunks": 1}'}),
    ({}, {"REDIS_TTL_TEXT_CHUNKS": "2"}),
    ({"addon_params": {"redis_ttl": {"text_chunks": 3}}}, {}),
    ({"redis_ttl": {"text_chunks": 4}}, {}),
]


@pytest.mark.parametrize("strongest", range(4))
def test_the_more_explicit_place_wins(strongest: int) -> None:
    config: dict[str, Any] = {}
    environ: dict[str, str] = {}
    for place in PLACES[: strongest + 1]:
        config |= place[0]
        environ |= place[1]
    assert build(config, environ).ttl == strongest + 1


def test_a_table_says_nothing_about_namespaces_it_does_not_hold() -> None:
    config = {"redis_ttl": {"full_docs": 5, "text_chunks": None}, "addon_params": {"redis_ttl": {"mine": 6}}}
    settings = build(config, {"REDIS_TTL_TEXT_CHUNKS": "7", "REDIS_TTL": '{"other": 8, "full_docs": 9}'})
    assert [
        settings.ttl_for(n) for n in ("full_docs", "mine", "text_chunks", "other", "llm_response_cache")
    ] == [
        5,
        6,
        7,
        8,
        43200,
    ]


@pytest.mark.parametrize(
    ("namespace", "variable"),
    [
        ("text_chunks", "REDIS_TTL_TEXT_CHUNKS"),
        ("my-cache.v2", "REDIS_TTL_MY_CACHE_V2"),
        ("a b", "REDIS_TTL_A_B"),
        ("ñ", "REDIS_TTL__"),
        ("straße", "REDIS_TTL_STRASSE"),
        ("=\0", "REDIS_TTL___"),
    ],
)
def test_a_variable_carries_the_name_of_the_namespace(namespace: str, variable: str) -> None:
    assert variable_of(namespace) == variable
    assert build(None, {variable: "5"}, namespace).ttl == 5


def test_the_variable_of_another_setting_is_not_a_ttl() -> None:
    settings = build(None, {"REDIS_TTL_SLIDING": "on"}, namespace="sliding")
    assert (settings.ttl, settings.ttl_sliding) == (0, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("43200  # 12 hours", 43200),
        ("0\t# No expiry", 0),
        (" 7 ", 7),
        ("", 9),
        ("# unset", 9),
        ("2147483647", 2**31 - 1),
    ],
)
def test_a_variable_may_carry_a_comment(text: str, seconds: int) -> None:
    environ = {"REDIS_TTL_TEXT_CHUNKS": text, "REDIS_TTL": '{"text_chunks": 9}'}
    assert build(None, environ).ttl == seconds


@pytest.mark.parametrize("text", ["12h", "1.5", "x", "1_000", "0x10", "2147483648", "9" * 5000, "true"])
def test_a_variable_that_is_not_a_number_is_named(text: str) -> None:
    message = complaint(None, {"REDIS_TTL_TEXT_CHUNKS": text})
    assert "from environment variable REDIS_TTL_TEXT_CHUNKS" in message
    assert "a whole number of seconds from 0 (never expire) to 2,147,483,647" in message
    assert text[:70] in message


def test_a_bad_variable_of_any_known_namespace_fails() -> None:
    assert "REDIS_TTL_FULL_DOCS" in complaint(None, {"REDIS_TTL_FULL_DOCS": "x"})


def test_a_bad_variable_of_a_namespace_that_nobody_asked_for_is_ignored() -> None:
    settings = build(None, {"REDIS_TTL_OTHER": "x"})
    with pytest.raises(ConfigurationError, match="REDIS_TTL_OTHER"):
        settings.ttl_for("other")


@pytest.mark.parametrize("value", [True, 1.5, "x", [], float("nan"), 2**31, {}])
def test_a_bad_entry_of_the_table_is_named(value: object) -> None:
    for config, place in (
        ({"redis_ttl": {"other": value}}, "from global_config"),
        ({"addon_params": {"redis_ttl": {"other": value}}}, "from addon_params"),
    ):
        message = complaint(config)
        assert "redis_ttl['other'] is " in message
        assert place in message


@pytest.mark.parametrize("table", [5, "5", "[]", "{", '{"a"', [("text_chunks", 5)], {1: 5}, "[" * 100_000])
def test_what_is_not_a_table_is_refused(table: object) -> None:
    assert 'it must be seconds by namespace, such as `{"text_chunks": 3600}`' in complaint(
        {"redis_ttl": table}
    )


def test_a_bad_table_in_the_environment_names_the_variable() -> None:
    assert "from environment variable REDIS_TTL)" in complaint(None, {"REDIS_TTL": "3600"})
    assert "redis_ttl['a'] is 'x' (from environment variable REDIS_TTL)" in complaint(
        None, {"REDIS_TTL": '{"a": "x"}'}
    )


def test_the_environment_is_read_once() -> None:
    environ = {"REDIS_TTL_TEXT_CHUNKS": "5"}
    settings = build(None, environ)
    environ["REDIS_TTL_TEXT_CHUNKS"] = "6"
    assert settings.ttl == 5


@pytest.mark.parametrize(
    ("config", "environ", "piece"),
    [
        ({"redis_ttl": {"text_chunks": -1}}, {}, "-1, from global_config"),
        ({}, {"REDIS_TTL_TEXT_CHUNKS": "-7 # oops"}, "-7, from environment variable REDIS_TTL_TEXT_CHUNKS"),
        ({}, {"REDIS_TTL": '{"text_chunks": -2}'}, "-2, from environment variable REDIS_TTL"),
    ],
)
def test_a_negative_ttl_is_a_warning_and_zero(
    config: dict[str, Any], environ: dict[str, str], piece: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = build(config, environ)
    assert (settings.ttl, settings.ttl_config["text_chunks"]) == (0, 0)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("nano_graphrag_redis", logging.WARNING)
    assert "the TTL of 'text_chunks' is negative: " in record.getMessage()
    assert piece in record.getMessage()


def test_the_warning_comes_from_the_storage_concerned_alone(caplog: pytest.LogCaptureFixture) -> None:
    for namespace in ("llm_response_cache", "community_reports", "text_chunks", "full_docs"):
        build(None, {"REDIS_TTL_FULL_DOCS": "-1"}, namespace)
    assert len(caplog.records) == 1
