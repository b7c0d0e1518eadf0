"""The exceptions of this package: one hierarchy under RedisKVError.

Each class is also the built-in that a Python user would catch, so `except ConnectionError` or
`except ValueError` keep working. A message names the operation, the namespace, the endpoint (never its
credentials), the fact, and what to do about it.
"""

from __future__ import annotations


class RedisKVError(Exception):
    """Anything that this storage raises on its own account."""


class ConfigurationError(RedisKVError, ValueError):
    """A setting is missing, malformed or out of range: raised when the storage is built, or, for the files that TLS
    needs, at the first call."""


class UnsupportedFeatureError(RedisKVError, NotImplementedError):
    """The feature is known and planned, but this version does not have it."""


class RedisConnectionError(RedisKVError, ConnectionError):
    """The server could not be reached, or the connection broke before the answer came."""


class TlsError(RedisConnectionError):
    """The TLS handshake failed: a certificate that is not trusted, expired or for another host, or no TLS at all."""


class ClosedError(RedisConnectionError):
    """The storage was closed while the call was waiting."""


class RedisTimeoutError(RedisKVError, TimeoutError):
    """No answer came within the configured time. A write that timed out may still have happened."""


class ProtocolError(RedisConnectionError):
    """The peer sent bytes that are not a valid answer; the connection was dropped."""


class AuthenticationError(RedisKVError, PermissionError):
    """The server asked for a password, or refused the one it was given (NOAUTH, WRONGPASS)."""


class NoPermissionError(RedisKVError, PermissionError):
    """The server's ACL does not allow this user the command or the key (NOPERM)."""


class ReadOnlyError(RedisKVError, PermissionError):
    """The server is a replica and takes no writes (READONLY)."""


class LoadingError(RedisConnectionError):
    """The server is up but not ready: it loads its data set, or has lost its master."""


class OutOfMemoryError(RedisKVError, OSError):
    """The server has reached its maxmemory and may not evict (OOM)."""


class MisconfError(RedisKVError, OSError):
    """The server cannot persist to disk and therefore refuses writes (MISCONF)."""


class ClusterDownError(RedisConnectionError):
    """The cluster does not serve this slot at the moment (CLUSTERDOWN, TRYAGAIN)."""


class CrossSlotError(RedisKVError, ValueError):
    """The keys belong to another node or to several (MOVED, ASK, CROSSSLOT)."""


class WrongTypeError(RedisKVError, ValueError):
    """The key exists but holds a list, a hash or another type that is not a string (WRONGTYPE)."""


class ResponseError(RedisKVError):
    """The server answered with an error that has no class of its own."""


class ValueTooLargeError(RedisKVError, ValueError):
    """A value, to be written or read, is larger than `redis_max_value_bytes`."""


class CorruptValueError(RedisKVError, ValueError):
    """What is stored under a key is not valid JSON."""


class EncodeError(RedisKVError, ValueError, TypeError):
    """A value or an id cannot be written as JSON; nothing of the batch was sent."""


__all__ = [
    name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, RedisKVError)
]
