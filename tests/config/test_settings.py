"""How settings are found, checked and handed on."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis.config import SETTINGS, Durability, Settings, resolve
from nano_graphrag_redis.config_table import BY_NAME
from nano_graphrag_redis.config_values import Text
from nano_graphrag_redis.errors import ConfigurationError, UnsupportedFeatureError


def build(
    config: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    namespace: str = "full_docs",
) -> Settings:
    return resolve(namespace, config or {}, environ or {})


def complaint(config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build(config, environ)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


# For each setting: its attribute, a raw value as code gives it, one as the environment gives it, what both
# mean, and one that is refused, with a piece of the message.
EXAMPLES: dict[str, tuple[str, object, str, object, object, str]] = {
    "redis_url": ("endpoint", "redis://a:1/2", "redis://a:1/2", "redis://a:1/2", "http://a", "is not known"),
    "redis_username": ("username", "u", "u", "u", 5, "text without NUL"),
    "redis_password": ("password", "p # p", "p # p", "p # p", 5, "text without NUL"),
    "redis_max_connections": ("max_connections", 8, "8", 8, 0, "from 1 to 10,000"),
    "redis_connection_timeout": ("connection_timeout", 2, "2", 2.0, 0, "seconds from 0.001 to 86,400"),
    "redis_socket_timeout": ("socket_timeout", 0.5, "0.5", 0.5, "nan", "seconds from 0.001 to 86,400"),
    "redis_health_check_interval": ("health_check_interval", 0, "0", 0.0, -1, "(0: never)"),
    "redis_retry_attempts": ("retry_attempts", 0, "0", 0, 2.5, "from 0 to 100"),
    "redis_retry_base": ("retry_base", 0.1, "0.1", 0.1, "x", "seconds from 0 to 3,600"),
    "redis_retry_cap": ("retry_cap", 20, "20", 20.0, 3601, "seconds from 0 to 3,600"),
    "redis_key_prefix": ("key_prefix", "kb #1", "kb #1", "kb #1", "t:x", "t would own the keys of t:x"),
    "redis_ttl": ("ttl", {"full_docs": 9}, '{"full_docs": 9}', 9, 9, "seconds by namespace"),
    "redis_ttl_sliding": ("ttl_sliding", True, "on", True, 2, "true or false"),
    "redis_durability": ("durability", "wait:2", "wait:2", Durability("wait", 2), "wait", "wait:N"),
    "redis_bgsave_interval": ("bgsave_interval", 5, "5", 5.0, -1, "seconds from 0 to 604,800"),
    "redis_strict_json": ("strict_json", 1, "yes", True, "maybe", "true or false"),
    "redis_max_value_bytes": ("max_value_bytes", 2**20, "1MiB", 2**20, 0, "from 1 B to 64 GiB"),
    "redis_max_atomic_bytes": ("max_atomic_bytes", "1mb", "1048576", 2**20, 5, "from 1 KiB to 64 GiB"),
    "redis_ssl_ca_certs": ("ssl_ca_certs", Path("/ca"), "/ca", "/ca", 1, "a PEM file"),
    "redis_ssl_certfile": ("ssl_certfile", "/c", "/c", "/c", 1, "a PEM file"),
    "redis_ssl_keyfile": ("ssl_keyfile", "/k", "/k", "/k", 1, "a PEM file"),
    "redis_ssl_cert_reqs": ("ssl_cert_reqs", "none", "None", "none", "some", "required or optional or none"),
    "redis_ssl_check_hostname": ("ssl_check_hostname", False, "0", False, "x", "true or false"),
}
NAMES = list(EXAMPLES)
SECRET_NAMES = ("redis_url", "redis_username", "redis_password")


def with_company(name: str, value: object) -> dict[str, Any]:
    """The setting, and what it cannot be without."""
    return {name: value} | ({"redis_ssl_certfile": "/c"} if name == "redis_ssl_keyfile" else {})


def test_every_setting_has_an_example() -> None:
    assert [setting.name for setting in SETTINGS] == NAMES


def test_defaults_are_those_of_the_contract() -> None:
    settings = build()
    assert settings.endpoint == "redis://localhost:6379/0"
    assert (settings.username, settings.password) == (None, None)
    assert (settings.max_connections, settings.connection_timeout, settings.socket_timeout) == (50, 5.0, 5.0)
    assert (settings.health_check_interval, settings.bgsave_interval) == (30.0, 60.0)
    assert (settings.retry_attempts, settings.retry_base, settings.retry_cap) == (3, 1.0, 10.0)
    assert (settings.key_prefix, settings.durability) == ("nano_graphrag", Durability("auto"))
    assert (settings.ttl_sliding, settings.strict_json) == (False, False)
    assert (settings.max_value_bytes, settings.max_atomic_bytes) == (512 * 2**20, 64 * 2**20)
    assert (settings.ssl_cert_reqs, settings.ssl_check_hostname) == ("required", True)
    assert settings.working_dir is None


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_read_from_all_three_places(name: str) -> None:
    attribute, raw, text, meaning, _, _ = EXAMPLES[name]
    assert getattr(build(with_company(name, raw)), attribute) == meaning
    assert getattr(build({"addon_params": with_company(name, raw)}), attribute) == meaning
    environ = {key.upper(): value for key, value in with_company(name, text).items()}
    assert getattr(build(None, environ), attribute) == meaning


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name != "redis_ttl"]
)  # that one is merged: test_ttl.py
def test_a_stronger_place_hides_a_weaker_one_without_reading_it(name: str) -> None:
    attribute, raw, _, meaning, bad, _ = EXAMPLES[name]
    top, addon = with_company(name, raw), {"addon_params": {name: bad}}
    assert getattr(build(top | addon), attribute) == meaning
    assert getattr(build({"addon_params": top}, {name.upper(): "\udcff"}), attribute) == meaning


@pytest.mark.parametrize("name", NAMES)
def test_none_and_an_empty_variable_mean_unset(name: str) -> None:
    attribute, raw, _, meaning, _, _ = EXAMPLES[name]
    config = {name: None, "addon_params": {**with_company(name, raw)}}
    assert getattr(build(config, {name.upper(): ""}), attribute) == meaning
    default = getattr(build(), attribute)
    assert (
        getattr(build({name: None, "addon_params": {name: None}}, {name.upper(): ""}), attribute) == default
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_value_names_setting_place_value_and_range(name: str) -> None:
    _, _, _, _, bad, expected = EXAMPLES[name]
    for config, place in (({name: bad}, "global_config"), ({"addon_params": {name: bad}}, "addon_params")):
        message = complaint(config)
        assert message.startswith(name)
        assert f"from {place}" in message
        assert expected in message
        assert (repr(bad) in message) == (name not in SECRET_NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_variable_is_named(name: str) -> None:
    _, _, _, _, bad, expected = EXAMPLES[name]
    takes_any_text = isinstance(BY_NAME[name].reader, Text) and not isinstance(bad, str)
    message = complaint(None, {name.upper(): "\udcff" if takes_any_text else str(bad)})
    assert message.startswith(name)
    assert f"from environment variable {name.upper()}" in message
    assert expected in message


@pytest.mark.parametrize("name", ["redis_url", "redis_username", "redis_password", "redis_ssl_ca_certs"])
def test_an_empty_text_means_unset(name: str) -> None:
    attribute, raw, _, meaning, _, _ = EXAMPLES[name]
    assert getattr(build({name: "", "addon_params": {name: raw}}), attribute) == meaning


def test_an_empty_prefix_is_an_error() -> None:
    assert "not empty" in complaint({"redis_key_prefix": ""})


@pytest.mark.parametrize(
    ("namespace", "piece"), [("", "not empty"), ("a:b", "t would own"), (5, "it must be text")]
)
def test_a_namespace_is_checked(namespace: Any, piece: str) -> None:
    with pytest.raises(ConfigurationError, match=piece) as caught:
        resolve(namespace, {}, {})
    assert "namespace" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "piece"),
    [
        (None, "global_config is of type NoneType"),
        ([], "global_config is of type list"),
        ({"addon_params": "x"}, "\"addon_params\"] is 'x'"),
    ],
)
def test_the_mappings_are_checked(config: Any, piece: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("n", config, {})
    assert piece in str(caught.value)
    assert "must be a dict" in str(caught.value)


def test_absent_addon_params_are_fine() -> None:
    assert build({"addon_params": None}).max_connections == 50


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("redis_max_conections", "did you mean redis_max_connections?"),
        ("redis_pasword", "did you mean redis_password?"),
        ("redis_ttl_text_chunks", 'write redis_ttl = {"text_chunks": seconds}'),
        ("redis_xyz", "known: redis_url, "),
    ],
)
def test_a_misspelt_setting_is_an_error(name: str, piece: str) -> None:
    for place, config in (
        ("global_config", {name: "CANARY"}),
        ("addon_params", {"addon_params": {name: "CANARY"}}),
    ):
        message = complaint(config)
        assert message.startswith(f"{place} has an unknown setting '{name}'")
        assert piece in message
        assert "CANARY" not in message


def test_foreign_names_are_left_alone() -> None:
    environ = {
        "REDIS_JOB_TTL": "x",
        "REDIS_MAX_CONECTIONS": "x",
        "CLIENT_NAME": "x y",
        "MAX_CONNECTIONS": "x",
    }
    config = {"client_name": "x y", "max_connections": "x", 5: 6, "enable_local": True}
    assert build(config, environ).client_name == "nano-graphrag-redis"


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MAX_CONNECTIONS", "17")
    assert resolve("n", {}).max_connections == 17


def test_values_of_the_environment_may_carry_a_comment() -> None:
    environ = {
        "REDIS_URL": "redis://h  # the server",
        "REDIS_MAX_CONNECTIONS": "8 # plenty",
        "REDIS_SOCKET_TIMEOUT": " # unset",
        "REDIS_STRICT_JSON": "on\t# yes",
    }
    settings = build(None, environ)
    assert settings.endpoint == "redis://h:6379/0"
    assert (settings.max_connections, settings.socket_timeout, settings.strict_json) == (8, 5.0, True)


def test_the_configuration_that_the_fork_passes_is_accepted() -> None:
    config = {
        "working_dir": "./cache",
        "redis_url": "redis://localhost:6379",
        "redis_password": None,
        "redis_max_connections": 50,
        "redis_connection_timeout": 5.0,
        "redis_socket_timeout": 5.0,
        "redis_health_check_interval": 30,
        "addon_params": {},
    }
    settings = build(config, {"REDIS_PASSWORD": "p"})
    assert (settings.password, settings.working_dir) == ("p", "./cache")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("./d", "./d"), (Path("/d"), "/d"), ("", None), (None, None), (5, None), ("\ud800", None)],
)
def test_working_dir_is_optional(value: object, expected: str | None) -> None:
    assert build({"working_dir": value}).working_dir == expected


def test_the_longest_wait_is_not_below_the_first() -> None:
    assert "redis_retry_cap is 5; it must be at least redis_retry_base, 8" in complaint(
        {"redis_retry_base": 8, "redis_retry_cap": 5}
    )


def test_a_key_needs_its_certificate() -> None:
    assert "needs redis_ssl_certfile" in complaint({"redis_ssl_keyfile": "/k"})


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("redis://u:p@H", "redis://h:6379/0"),
        ("valkey://h:1/3", "valkey://h:1/3"),
        ("redis://[::1]:2", "redis://[::1]:2/0"),
        ("unix://u:p@/run/a%20b.sock", "unix:///run/a%20b.sock"),
        ("unix:///r%0a?db=2", "unix:///r%0A?db=2"),
        ("rediss+cluster://u:p@a,b:2", "rediss+cluster://a:6379,b:2"),
        ("redis+sentinel://u:p@a,b:2/main/1", "redis+sentinel://a:26379,b:2/main/1"),
    ],
)
def test_the_endpoint_has_no_credentials(url: str, endpoint: str) -> None:
    assert build({"redis_url": url}).endpoint == endpoint


@pytest.mark.parametrize(
    ("url", "piece"),
    [
        (
            "redis+sentinel://h/main",
            "Redis Sentinel (redis+sentinel://) is not built yet; use the redis:// URL",
        ),
        ("rediss+cluster://h", "Redis Cluster (rediss+cluster://) is not built yet; use the redis:// URL"),
    ],
)
def test_what_is_not_built_yet_says_so(url: str, piece: str) -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        build({"redis_url": url}).require_supported()
    assert piece in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "valkey://h", "valkeys://h", "unix:///s"])
def test_what_is_built_is_supported(url: str) -> None:
    build({"redis_url": url}).require_supported()


def test_native_options_are_plain_values() -> None:
    config = {
        "redis_url": "redis://u:p@h:1/2?client_name=c",
        "redis_ttl": {"full_docs": 7},
        "redis_retry_base": 2,
    }
    assert build(config).native_options() == {
        "host": "h",
        "port": 1,
        "path": None,
        "db": 2,
        "username": "u",
        "password": "p",
        "client_name": "c",
        "max_connections": 50,
        "connection_timeout": 5.0,
        "socket_timeout": 5.0,
        "health_check_interval": 30.0,
        "retry_attempts": 3,
        "retry_base": 2.0,
        "retry_cap": 10.0,
        "key_prefix": "nano_graphrag",
        "ttl": 7,
        "ttl_sliding": False,
        "strict_json": False,
        "max_value_bytes": 512 * 2**20,
        "max_atomic_bytes": 64 * 2**20,
        "tls": False,
        "ssl_verify": True,
        "ssl_check_hostname": True,
        "ssl_ca_certs": None,
        "ssl_certfile": None,
        "ssl_keyfile": None,
    }


def test_native_options_of_a_socket_name_no_host() -> None:
    options = build({"redis_url": "unix:///s?db=4"}).native_options()
    assert (options["host"], options["port"], options["path"], options["db"]) == (None, None, "/s", 4)


@pytest.mark.parametrize(
    "change",
    [
        {"redis_url": "valkey://u:p@h"},
        {"redis_url": "redis://u:p@H:6379/0"},
        {"redis_url": "redis://h", "redis_username": "u", "redis_password": "p"},
        {"redis_key_prefix": "x"},
        {"redis_ttl": {"full_docs": 5}},
        {"redis_ttl_sliding": True},
        {"redis_strict_json": True},
        {"redis_durability": "none"},
        {"redis_bgsave_interval": 1},
        {"redis_max_atomic_bytes": "1MiB"},
        {"working_dir": "/elsewhere"},
    ],
)
def test_storages_that_differ_in_their_own_matters_share_connections(change: dict[str, Any]) -> None:
    base = build({"redis_url": "redis://u:p@h"})
    other = build({"redis_url": "redis://u:p@h"} | change, namespace="text_chunks")
    assert other.connection_key() == base.connection_key()
    assert len({other.connection_key(), base.connection_key()}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"redis_url": "redis://u:p@other"},
        {"redis_url": "redis://u:p@h:1"},
        {"redis_url": "redis://u:p@h/1"},
        {"redis_url": "redis://u:q@h"},
        {"redis_url": "redis://v:p@h"},
        {"redis_url": "rediss://u:p@h"},
        {"redis_url": "redis+cluster://u:p@h"},
        {"redis_url": "unix://u:p@/h"},
        {"redis_url": "redis://u:p@h?client_name=c"},
        {"redis_max_connections": 1},
        {"redis_connection_timeout": 1},
        {"redis_socket_timeout": 1},
        {"redis_health_check_interval": 1},
        {"redis_retry_attempts": 1},
        {"redis_retry_base": 2},
        {"redis_retry_cap": 20},
        {"redis_max_value_bytes": 1},
        {"redis_ssl_ca_certs": "/ca"},
        {"redis_ssl_certfile": "/c"},
        {"redis_ssl_cert_reqs": "none"},
        {"redis_ssl_check_hostname": False},
    ],
)
def test_storages_that_differ_in_their_connection_do_not_share(change: dict[str, Any]) -> None:
    base = build({"redis_url": "redis://u:p@h"})
    assert build({"redis_url": "redis://u:p@h"} | change).connection_key() != base.connection_key()


def test_settings_are_read_only() -> None:
    settings = build()
    with pytest.raises(AttributeError, match="read-only"):
        settings.max_connections = 1  # type: ignore[misc]
    with pytest.raises(AttributeError, match="read-only"):
        del settings.max_connections
    with pytest.raises(AttributeError, match="read-only"):
        settings.another = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_have_the_same_settings(clone: Any) -> None:
    settings = build(
        {"redis_url": "redis://u:p@h", "redis_durability": "wait:2"}, {"REDIS_TTL_FULL_DOCS": "5"}
    )
    twin = clone(settings)
    assert vars(twin) == vars(settings)
    assert twin.connection_key() == settings.connection_key()
    assert twin.ttl == 5


def test_settings_are_built_from_what_json_can_hold() -> None:
    config = json.loads(
        '{"redis_max_connections": 8.0, "redis_ttl": {"full_docs": "3"}, "redis_ttl_sliding": "no"}'
    )
    settings = build(config)
    assert (settings.max_connections, settings.ttl, settings.ttl_sliding) == (8, 3, False)
