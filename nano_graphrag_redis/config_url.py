"""What the options behind the '?' of a Redis URL mean here.

Their names are redis-py's, so that its URLs keep working. Every option that redis-py takes from a URL is
honoured, accepted without effect, or refused with the way out; ignoring one that matters (a CA, a cipher)
would be worse than failing.
"""

from __future__ import annotations

from collections.abc import Mapping

from .config_values import Choice, Flag, Reader, Seconds, Whole, read, suggest
from .errors import ConfigurationError

HONOURED = {  # option: the setting that it overrides
    "client_name": "client_name",
    "health_check_interval": "redis_health_check_interval",
    "max_connections": "redis_max_connections",
    "socket_connect_timeout": "redis_connection_timeout",
    "socket_timeout": "redis_socket_timeout",
    "ssl_ca_certs": "redis_ssl_ca_certs",
    "ssl_cert_reqs": "redis_ssl_cert_reqs",
    "ssl_certfile": "redis_ssl_certfile",
    "ssl_check_hostname": "redis_ssl_check_hostname",
    "ssl_keyfile": "redis_ssl_keyfile",
}
READ_BY_THE_PARSER = ("db", "password", "username")

WITHOUT_EFFECT: dict[str, Reader] = {  # checked, then dropped: nothing a caller sees depends on them
    "decode_responses": Flag(),  # values are JSON either way
    "encoding": Choice("utf-8", "utf8"),
    "encoding_errors": Choice("strict"),
    "legacy_responses": Flag(),
    "lib_name": Reader(),
    "lib_version": Reader(),
    "protocol": Choice("2", note="RESP3, protocol 3, is not spoken here"),
    "retry_on_timeout": Flag(),  # redis_retry_attempts decides
    "socket_keepalive": Flag(),  # health checks notice a dead peer
    "socket_read_size": Whole(1, 2**31 - 1),
    "timeout": Seconds(0, 86400),  # waiting for a free connection counts against socket_timeout here
}

REFUSED = {  # option: what to do instead
    "host": "write the host into the URL itself, as in redis://host:6379",
    "path": "write the socket into the URL itself, as in unix:///run/redis.sock",
    "port": "write the port into the URL itself, as in redis://host:6379",
    "retry_on_error": "leave it out; redis_retry_attempts covers every error that is safe to retry",
    "ssl_ca_data": "put the certificates into a file and name it with ssl_ca_certs",
    "ssl_ca_path": "name a single file with ssl_ca_certs",
    "ssl_ciphers": "leave it out; the ciphers are those of the system's OpenSSL configuration",
    "ssl_exclude_verify_flags": "leave it out; certificates are verified by OpenSSL's default rules",
    "ssl_include_verify_flags": "leave it out; certificates are verified by OpenSSL's default rules",
    "ssl_min_version": "leave it out; TLS 1.2 is always the minimum",
    "ssl_password": "name a key without a passphrase with ssl_keyfile",
}


def overrides(options: Mapping[str, str], *, tls: bool, has_password: bool) -> dict[str, tuple[str, str]]:
    """What the options override: setting -> (value, where it came from). Raises for all that is not taken.

    `has_password` says that the URL has one: what looks like an unknown option may then be a piece of it, cut
    off at a '&' that was not encoded.
    """
    found = {}
    for option, value in options.items():
        _require_known(option, has_password=has_password)
        if option.startswith("ssl_") and not tls:
            raise ConfigurationError(
                f"redis_url has the option {option}, but its scheme is not encrypted; use rediss:// or valkeys://"
            )
        if not value:
            continue
        origin = f"from the option {option} of redis_url"
        if option in HONOURED:
            found[HONOURED[option]] = (value, origin)
        else:
            read(option, origin, value, WITHOUT_EFFECT[option])
    return found


def _require_known(option: str, *, has_password: bool) -> None:
    if option in HONOURED or option in WITHOUT_EFFECT:
        return
    if option in REFUSED:
        raise ConfigurationError(f"redis_url has the option {option}, which is not taken; {REFUSED[option]}")
    known = sorted([*HONOURED, *READ_BY_THE_PARSER, *WITHOUT_EFFECT])
    is_word = option.isascii() and option.replace("_", "").isalpha() and len(option) <= 40
    hint = suggest(option, known) if is_word else ""
    name = f" {option}" if hint or (is_word and not has_password) else ""
    raise ConfigurationError(f"redis_url has an unknown option{name}{hint} (known: {', '.join(known)})")
