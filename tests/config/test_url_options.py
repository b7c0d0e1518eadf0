"""The options of a URL: each of redis-py's is honoured, dropped after a check, or refused with a reason."""

from __future__ import annotations

import inspect

import pytest
from redis.asyncio import connection as redis

from nano_graphrag_redis import config_url
from nano_graphrag_redis.config import Settings, resolve
from nano_graphrag_redis.errors import ConfigurationError

# Parameters of redis-py that take objects or serve redis-py itself: no URL can spell them.
NOT_FOR_URLS = {
    "connection_class",
    "connection_kwargs",
    "credential_provider",
    "driver_info",
    "encoder_class",
    "event_dispatcher",
    "himport_registry",
    "kwargs",
    "maint_notifications_config",
    "maint_notifications_pool_handler",
    "maintenance_notification_hash",
    "maintenance_state",
    "orig_host_address",
    "orig_socket_connect_timeout",
    "orig_socket_timeout",
    "oss_cluster_maint_notifications_handler",
    "parser_class",
    "queue_class",
    "redis_connect_func",
    "retry",
    "self",
    "socket_keepalive_options",
    "socket_type",
}


def build(url: str, **config: object) -> Settings:
    return resolve("n", {"redis_url": url, **config}, {})


def complaint(url: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build(url)
    return str(caught.value)


def test_every_option_of_redis_py_has_one_fate() -> None:
    fates = [
        *config_url.HONOURED,
        *config_url.READ_BY_THE_PARSER,
        *config_url.WITHOUT_EFFECT,
        *config_url.REFUSED,
    ]
    parameters = {
        name
        for cls in (
            redis.AbstractConnection,
            redis.Connection,
            redis.SSLConnection,
            redis.UnixDomainSocketConnection,
            redis.ConnectionPool,
            redis.BlockingConnectionPool,
        )
        for name in inspect.signature(cls.__init__).parameters
    }
    assert sorted(fates) == sorted(parameters - NOT_FOR_URLS)


@pytest.mark.parametrize(
    ("option", "attribute", "value"),
    [
        ("db=5", "db", 5),
        ("username=a%3Ab", "username", "a:b"),
        ("password=p%40ss", "password", "p@ss"),
        ("client_name=w1", "client_name", "w1"),
        ("max_connections=7", "max_connections", 7),
        ("socket_timeout=1.5", "socket_timeout", 1.5),
        ("socket_connect_timeout=2", "connection_timeout", 2.0),
        ("health_check_interval=3", "health_check_interval", 3.0),
        ("ssl_ca_certs=/ca", "ssl_ca_certs", "/ca"),
        ("ssl_certfile=/c", "ssl_certfile", "/c"),
        ("ssl_cert_reqs=none", "ssl_cert_reqs", "none"),
        ("ssl_check_hostname=False", "ssl_check_hostname", False),
    ],
)
def test_an_honoured_option_wins_over_every_setting(option: str, attribute: str, value: object) -> None:
    name = {"db": None, "client_name": None}.get(attribute, f"redis_{attribute}")
    others = {} if name is None else {name: "9"}
    scheme = "rediss" if "ssl" in option else "redis"
    assert getattr(build(f"{scheme}://h/1?{option}", **others), attribute) == value


def test_a_key_file_comes_with_its_certificate() -> None:
    settings = build("rediss://h?ssl_keyfile=/k&ssl_certfile=/c")
    assert (settings.ssl_keyfile, settings.ssl_certfile) == ("/k", "/c")


def test_credentials_of_the_url_win_one_by_one() -> None:
    assert build("redis://u:p@h", redis_username="x", redis_password="y").username == "u"
    assert build("redis://:p@h", redis_username="x", redis_password="y").username == "x"
    assert build("redis://:p@h", redis_username="x", redis_password="y").password == "p"
    assert build("redis://u@h", redis_password="y").password == "y"
    assert build("redis://h?password=q", redis_password="y").password == "q"
    assert build("redis://:p@h?password=q").password == "p"


def test_an_empty_option_means_unset() -> None:
    settings = build(
        "redis://h?max_connections=&client_name=&protocol=&socket_timeout", redis_max_connections=4
    )
    assert (settings.max_connections, settings.client_name) == (4, "nano-graphrag-redis")


@pytest.mark.parametrize(
    "option",
    [
        "decode_responses=True",
        "encoding=UTF-8",
        "encoding_errors=strict",
        "legacy_responses=no",
        "lib_name=any%20thing",
        "protocol=2",
        "retry_on_timeout=1",
        "socket_keepalive=False",
        "socket_read_size=65536",
        "timeout=20",
    ],
)
def test_an_option_without_effect_is_accepted(option: str) -> None:
    assert build(f"redis://h?{option}").native_options() == build("redis://h").native_options()


@pytest.mark.parametrize(
    ("option", "piece"),
    [
        ("protocol=3", "it must be 2 (RESP3, protocol 3, is not spoken here)"),
        ("encoding=latin-1", "it must be utf-8"),
        ("encoding_errors=replace", "it must be strict"),
        ("retry_on_timeout=maybe", "true or false"),
        ("socket_read_size=0", "a whole number"),
        ("timeout=nan", "a number of seconds"),
    ],
)
def test_an_option_without_effect_is_checked(option: str, piece: str) -> None:
    message = complaint(f"redis://h?{option}")
    assert f"from the option {option.partition('=')[0]} of redis_url" in message
    assert piece in message


@pytest.mark.parametrize("option", sorted(config_url.REFUSED))
def test_a_refused_option_says_what_to_do_instead(option: str) -> None:
    message = complaint(f"rediss://h?{option}=x")
    assert f"redis_url has the option {option}, which is not taken; " in message
    assert config_url.REFUSED[option] in message


@pytest.mark.parametrize(
    ("option", "piece"),
    [
        ("max_conections=5", "unknown option max_conections; did you mean max_connections?"),
        ("xyz", "unknown option xyz (known: client_name, db, decode_responses"),
        ("p%C3%A4=5", "unknown option (known: "),
        ("a%20b=5", "unknown option (known: "),
        ("=5", "unknown option (known: "),
    ],
)
def test_an_unknown_option_is_an_error(option: str, piece: str) -> None:
    assert piece in complaint(f"redis://h?{option}")


def test_an_unknown_option_behind_a_password_is_named_only_when_it_resembles_a_known_one() -> None:
    assert "unknown option (known: " in complaint("redis://h?password=start&rest")
    assert "unknown option max_conections; did you mean" in complaint("redis://:p@h?max_conections=5")


@pytest.mark.parametrize(
    ("option", "piece"),
    [
        ("max_connections=0", "redis_max_connections is '0' (from the option max_connections of redis_url)"),
        (
            "socket_connect_timeout=x",
            "redis_connection_timeout is 'x' (from the option socket_connect_timeout of",
        ),
        ("client_name=a%20b", "client_name is 'a b' (from the option client_name of redis_url)"),
        ("db=x", "the database is not a number from 0 to 2147483647"),
    ],
)
def test_a_bad_value_names_the_option(option: str, piece: str) -> None:
    assert piece in complaint(f"redis://h?{option}")


def test_encryption_options_need_an_encrypted_scheme() -> None:
    message = complaint("redis://h?ssl_ca_certs=/ca")
    assert "redis_url has the option ssl_ca_certs, but its scheme is not encrypted; use rediss://" in message


@pytest.mark.parametrize(
    ("config", "environ", "origin"),
    [
        ({"redis_url": "redis://h:0"}, {}, "from global_config"),
        ({"addon_params": {"redis_url": "redis://h:0"}}, {}, "from addon_params"),
        ({}, {"REDIS_URL": "redis://h:0"}, "from environment variable REDIS_URL"),
        ({}, {"REDIS_URL": "redis://h?max=1"}, "from environment variable REDIS_URL"),
    ],
)
def test_a_bad_url_says_where_it_came_from(
    config: dict[str, object], environ: dict[str, str], origin: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve("n", config, environ)
    assert str(caught.value).startswith("redis_url")
    assert str(caught.value).endswith(f"(redis_url is {origin})")
