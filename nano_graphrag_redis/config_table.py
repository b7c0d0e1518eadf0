"""The table of settings: for each its name, its type and range, its default and its meaning.

Everything else about settings is derived from it: the names of the environment variables, the check for
misspelt names, the table in the README.
"""

from __future__ import annotations

from typing import NamedTuple

from .config_ttl import SETTING as TTL_SETTING
from .config_ttl import TtlTable
from .config_values import (
    GIB,
    KIB,
    MIB,
    Choice,
    ClientName,
    Durability,
    DurabilityReader,
    File,
    Flag,
    KeyPart,
    Reader,
    Seconds,
    Size,
    Text,
    UrlText,
    Whole,
    show_size,
)

DAY = 86400


class Setting(NamedTuple):
    """One row of the table. A default of None means that nothing is set."""

    name: str
    reader: Reader
    default: object
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return self.name.upper()

    @property
    def attribute(self) -> str:
        """The field of Settings that holds the value."""
        return self.name.removeprefix("redis_")

    @property
    def shown_default(self) -> str:
        if self.default is None:
            return ""
        if isinstance(self.default, bool):
            return "`true`" if self.default else "`false`"
        if isinstance(self.reader, Size) and isinstance(self.default, int):
            return show_size(self.default)
        return f"`{self.default}`"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "redis_url",
        UrlText(),
        "redis://localhost:6379",
        "where the server is; what the URL says (user, password, options) wins over the settings below",
    ),
    Setting("redis_username", Text(is_secret=True), None, "the ACL user"),
    Setting("redis_password", Text(is_secret=True), None, "the password"),
    Setting(
        "redis_max_connections",
        Whole(1, 10_000),
        50,
        "the most connections to one server, for each event loop",
    ),
    Setting(
        "redis_connection_timeout",
        Seconds(0.001, DAY),
        5.0,
        "for connecting, name lookup and login included",
    ),
    Setting(
        "redis_socket_timeout",
        Seconds(0.001, DAY),
        5.0,
        "for one try without progress, waiting in line included",
    ),
    Setting(
        "redis_health_check_interval",
        Seconds(0, DAY, zero="never"),
        30.0,
        "how long a connection may be idle before a PING must prove it alive",
    ),
    Setting("redis_retry_attempts", Whole(0, 100), 3, "retries after the first try"),
    Setting(
        "redis_retry_base",
        Seconds(0, 3600),
        1.0,
        "the wait before the first retry; it doubles each time, jittered",
    ),
    Setting("redis_retry_cap", Seconds(0, 3600), 10.0, "the longest wait between two tries"),
    Setting(
        "redis_key_prefix",
        KeyPart(),
        "nano_graphrag",
        "the first part of every key; indexes that share a server need one each",
    ),
    Setting(
        TTL_SETTING,
        TtlTable(),
        None,
        "how long entries live, by namespace; `REDIS_TTL_<NAMESPACE>` sets a single one",
    ),
    Setting("redis_ttl_sliding", Flag(), False, "reading an entry renews its lifetime (needs Redis 6.2)"),
    Setting(
        "redis_durability",
        DurabilityReader(),
        Durability("auto"),
        "what is done so that writes survive a crash of the server",
    ),
    Setting("redis_bgsave_interval", Seconds(0, 7 * DAY), 60.0, "the least time between two BGSAVE commands"),
    Setting(
        "redis_strict_json",
        Flag(),
        False,
        "refuse a value of a type that JSON lacks instead of storing its `str()`",
    ),
    Setting(
        "redis_max_value_bytes",
        Size(1, 64 * GIB),
        512 * MIB,
        "the largest value that is written or read",
    ),
    Setting(
        "redis_max_atomic_bytes",
        Size(KIB, 64 * GIB),
        64 * MIB,
        "the largest upsert that is written as one atomic group",
    ),
    Setting("redis_ssl_ca_certs", File(), None, "the CA certificates to trust; unset: those of the system"),
    Setting("redis_ssl_certfile", File(), None, "the certificate of this client"),
    Setting("redis_ssl_keyfile", File(), None, "its private key; unset: in the same file"),
    Setting(
        "redis_ssl_cert_reqs",
        Choice("required", "optional", "none"),
        "required",
        "whether the server's certificate is verified",
    ),
    Setting("redis_ssl_check_hostname", Flag(), True, "whether that certificate must name the host"),
)
# Not a setting of its own: only a URL can say it, as in redis-py.
CLIENT_NAME = Setting("client_name", ClientName(), "nano-graphrag-redis", "what CLIENT LIST shows")

BY_NAME = {setting.name: setting for setting in SETTINGS}


def markdown_table() -> str:
    """All settings, in order, for the README."""
    rows = [("Setting", "Default", "Allowed", "Meaning"), ("---",) * 4]
    rows += [(f"`{s.name}`", s.shown_default, s.reader.allowed, s.meaning) for s in SETTINGS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
