"""The settings of one storage, found among the places that may hold them, and checked.

Building them does no I/O. What is wrong fails here, and no message, repr or log line shows a credential.
`python -m nano_graphrag_redis.config` prints the table of settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from . import _native
from .config_table import BY_NAME, CLIENT_NAME, SETTINGS, Setting, markdown_table
from .config_ttl import DEFAULTS, TtlRules, read_table
from .config_url import overrides
from .config_values import Durability, KeyPart, Text, is_encodable, read, show, suggest, without_comment
from .errors import ConfigurationError, UnsupportedFeatureError

__all__ = ["SETTINGS", "ConnectionKey", "Durability", "Settings", "markdown_table", "resolve"]

SECRETS = ("username", "password")
PARTS_OF_THE_URL = ("scheme", "kind", "tls", "nodes", "path", "service", "db")
PRIVATE_TO_A_STORAGE = (  # what two storages on one set of connections may disagree about
    "namespace",
    "scheme",  # redis:// or valkey://; tls and kind hold what matters
    "key_prefix",
    "ttl_rules",
    "ttl_sliding",
    "durability",
    "bgsave_interval",
    "strict_json",
    "max_atomic_bytes",
    "working_dir",
)


class ConnectionKey:
    """Equal for settings that may share connections. Opaque, because it holds the password."""

    __slots__ = ("_endpoint", "_parts")

    def __init__(self, endpoint: str, parts: tuple[object, ...]) -> None:
        self._endpoint, self._parts = endpoint, parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConnectionKey) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"ConnectionKey({self._endpoint})"


class Settings:
    """All settings of one storage, read-only. Times are in seconds, sizes in bytes.

    Not a dataclass: with this many fields it would take longer to import than the rest of the package.
    """

    namespace: str
    scheme: str
    kind: str  # standalone, sentinel or cluster
    tls: bool
    nodes: tuple[tuple[str, int], ...]  # (host, port); none for a Unix socket
    path: str | None  # of the Unix socket
    service: str | None  # the name of the master that sentinels are asked for
    db: int
    username: str | None
    password: str | None
    client_name: str
    max_connections: int
    connection_timeout: float
    socket_timeout: float
    health_check_interval: float
    retry_attempts: int
    retry_base: float
    retry_cap: float
    key_prefix: str
    ttl_rules: TtlRules
    ttl_sliding: bool
    durability: Durability
    bgsave_interval: float
    strict_json: bool
    max_value_bytes: int
    max_atomic_bytes: int
    ssl_ca_certs: str | None
    ssl_certfile: str | None
    ssl_keyfile: str | None
    ssl_cert_reqs: str
    ssl_check_hostname: bool
    working_dir: str | None  # where nano-graphrag would keep its JSON files

    def __init__(self, **values: Any) -> None:
        assert values.keys() == set(Settings.__annotations__)
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"settings are read-only; build new ones instead of changing {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"settings are read-only; {name} cannot be deleted")

    def __repr__(self) -> str:
        shown = [f"url={self.endpoint!r}"]
        for name, value in self.__dict__.items():
            if name in SECRETS:
                shown.append(f"{name}={value and '***'}")
            elif name == "ttl_rules":
                shown.append(f"ttl={self.ttl}")
            elif name not in PARTS_OF_THE_URL:
                shown.append(f"{name}={value!r}")
        return f"Settings({', '.join(shown)})"

    @property
    def endpoint(self) -> str:
        """Where the server is, as a URL without credentials and options: redis://host:6379/0."""
        if self.path is not None:
            from urllib.parse import quote  # for sockets alone: not worth its import time

            return f"unix://{quote(self.path)}" + (f"?db={self.db}" if self.db else "")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.nodes)
        service = f"/{self.service}" if self.service else ""
        db = "" if self.kind == "cluster" else f"/{self.db}"
        return f"{self.scheme}://{hosts}{service}{db}"

    @property
    def ttl(self) -> int:
        """How long the entries of this namespace live; 0: for ever."""
        return self.ttl_for(self.namespace)

    def ttl_for(self, namespace: str) -> int:
        """How long the entries of any namespace live; 0: for ever."""
        return self.ttl_rules.ttl_for(namespace)

    @property
    def ttl_config(self) -> dict[str, int]:
        """The lifetimes in nano-graphrag's own namespaces and in this one."""
        return {namespace: self.ttl_for(namespace) for namespace in (*DEFAULTS, self.namespace)}

    def native_options(self) -> dict[str, object]:
        """What the extension's constructor takes. It holds the password: not for logs."""
        host, port = self.nodes[0] if self.nodes else (None, None)
        return {
            "host": host,
            "port": port,
            "path": self.path,
            "db": self.db,
            "username": self.username,
            "password": self.password,
            "client_name": self.client_name,
            "max_connections": self.max_connections,
            "connection_timeout": self.connection_timeout,
            "socket_timeout": self.socket_timeout,
            "health_check_interval": self.health_check_interval,
            "retry_attempts": self.retry_attempts,
            "retry_base": self.retry_base,
            "retry_cap": self.retry_cap,
            "key_prefix": self.key_prefix,
            "ttl": self.ttl,
            "ttl_sliding": self.ttl_sliding,
            "strict_json": self.strict_json,
            "max_value_bytes": self.max_value_bytes,
            "max_atomic_bytes": self.max_atomic_bytes,
            "tls": self.tls,
            "ssl_verify": self.ssl_cert_reqs != "none",
            "ssl_check_hostname": self.ssl_check_hostname,
            "ssl_ca_certs": self.ssl_ca_certs,
            "ssl_certfile": self.ssl_certfile,
            "ssl_keyfile": self.ssl_keyfile,
        }

    def connection_key(self) -> ConnectionKey:
        """Equal for two storages that may share one set of connections, whatever they keep on the server."""
        shared = [
            self.__dict__[name] for name in Settings.__annotations__ if name not in PRIVATE_TO_A_STORAGE
        ]
        return ConnectionKey(self.endpoint, tuple(shared))

    def require_supported(self) -> None:
        """Raises UnsupportedFeatureError for servers that this version cannot reach yet."""
        if self.kind == "cluster":
            what, instead = "Redis Cluster", "the redis:// URL of a server that is not part of a cluster"
        elif self.kind == "sentinel":
            what, instead = "Redis Sentinel", "the redis:// URL of the present master"
        else:
            return
        raise UnsupportedFeatureError(f"redis_url: {what} ({self.scheme}://) is not built yet; use {instead}")


class _Sources:
    """The places that may hold a setting, from the strongest to the weakest."""

    def __init__(self, global_config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        addon_params = _mapping("global_config", global_config).get("addon_params")
        if addon_params is None:
            addon_params = {}
        self.mappings = (
            ("global_config", global_config),
            ("addon_params", _mapping('global_config["addon_params"]', addon_params)),
        )
        self.environ = environ
        self.from_url: Mapping[str, tuple[str, str]] = {}  # setting -> (value, origin), once the URL is read

    def refuse_unknown(self) -> None:
        """A misspelt setting would silently leave the default in force."""
        for place, mapping in self.mappings:
            for name in mapping:
                if isinstance(name, str) and name.startswith("redis_") and name not in BY_NAME:
                    raise ConfigurationError(f"{place} has an unknown setting {name[:60]!r}{_hint(name)}")

    def configured(self, setting: Setting) -> Iterator[tuple[object, str]]:
        """The setting's values in the mappings, without those that say nothing."""
        for place, mapping in self.mappings:
            value = mapping.get(setting.name)
            is_blank = isinstance(setting.reader, Text) and isinstance(value, str) and not value
            if value is not None and not is_blank:
                yield value, f"from {place}"

    def variable(self, setting: Setting) -> tuple[str, str] | None:
        """The setting's environment variable, unless it says nothing."""
        text = self.environ.get(setting.variable, "")
        if not setting.reader.is_plain_text:
            text = without_comment(text)
        return (text, f"from environment variable {setting.variable}") if text else None

    def find(self, setting: Setting) -> tuple[object, str] | None:
        """The raw value and its origin, out of the strongest place that has one."""
        if setting.name in self.from_url or setting is CLIENT_NAME:
            return self.from_url.get(setting.name)
        return next(self.configured(setting), None) or self.variable(setting)

    def read(self, setting: Setting) -> Any:
        """The typed value, or the default."""
        found = self.find(setting)
        return read(setting.name, found[1], found[0], setting.reader) if found else setting.default

    def url(self) -> dict[str, Any]:
        """The parts of the URL, its options taken as the strongest source from here on."""
        setting = BY_NAME["redis_url"]
        _, origin = self.find(setting) or (None, "the default")
        try:
            parts: dict[str, Any] = _native.parse_url(self.read(setting))
            has_password = parts["password"] is not None
            self.from_url = overrides(parts.pop("options"), tls=parts["tls"], has_password=has_password)
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} (redis_url is {origin})") from None
        return parts

    def ttl_rules(self) -> TtlRules:
        setting = BY_NAME["redis_ttl"]
        tables = tuple((origin, read_table(value, origin)) for value, origin in self.configured(setting))
        found = self.variable(setting)
        variables = {
            name: without_comment(text)
            for name, text in self.environ.items()
            if name.startswith(f"{setting.variable}_") and without_comment(text)
        }
        return TtlRules(tables, variables, read_table(*found) if found else {})


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is {show(value)}; it must be a dict")
    return value


def _hint(name: str) -> str:
    namespace = name.removeprefix("redis_ttl_")
    if namespace in DEFAULTS:
        return f'; write redis_ttl = {{"{namespace}": seconds}}'
    return suggest(name, list(BY_NAME)) or f" (known: {', '.join(BY_NAME)})"


def resolve(
    namespace: str, global_config: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of one storage.

    Each comes from the options of the URL, else from `global_config`, else from its "addon_params", else from
    the environment, else it is the default. None, or an empty environment variable, means unset. Raises
    ConfigurationError with the setting, its value and origin, and what is allowed.
    """
    read("namespace", "the argument", namespace, KeyPart())
    sources = _Sources(global_config, environ)
    sources.refuse_unknown()
    url = sources.url()
    url.update(nodes=tuple(url["nodes"]), db=url["db"] or 0)
    values = {setting.attribute: sources.read(setting) for setting in (*SETTINGS, CLIENT_NAME)}
    del values["url"], values["ttl"]  # `url` and `ttl_rules` say it better
    values.update({name: url.pop(name) or values[name] for name in SECRETS})
    settings = Settings(
        namespace=namespace,
        ttl_rules=sources.ttl_rules(),
        working_dir=_working_dir(global_config),
        **url,
        **values,
    )
    _check_together(settings)
    _check_ttl(settings)
    return settings


def _working_dir(global_config: Mapping[str, Any]) -> str | None:
    value = global_config.get("working_dir")
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    return path if isinstance(path, str) and path and is_encodable(path) else None


def _check_together(settings: Settings) -> None:
    """What no single setting can know."""
    base, cap = settings.retry_base, settings.retry_cap
    if cap < base:
        raise ConfigurationError(
            f"redis_retry_cap is {cap:g}; it must be at least redis_retry_base, {base:g}"
        )
    if settings.ssl_keyfile and not settings.ssl_certfile:
        raise ConfigurationError("redis_ssl_keyfile is set; it needs redis_ssl_certfile, its certificate")


def _check_ttl(settings: Settings) -> None:
    """Reads every TTL that a caller may ask for, so that a bad one fails now; warns of a negative one."""
    _ = settings.ttl_config
    seconds, origin = settings.ttl_rules.lookup(settings.namespace)
    if seconds < 0:
        import logging

        logging.getLogger("nano_graphrag_redis").warning(
            "the TTL of %r is negative: %d, %s; its entries never expire", settings.namespace, seconds, origin
        )


if __name__ == "__main__":
    print(markdown_table())
