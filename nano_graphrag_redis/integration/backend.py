"""Reads STORAGE_KV_BACKEND, the variable that chooses the key-value storage.

This is the only place that reads it. It knows the two names and nothing about the classes behind them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from ..errors import ConfigurationError

VARIABLE = "STORAGE_KV_BACKEND"
KNOWN = ("json", "redis")


def chosen_backend(environ: Mapping[str, str] | None = None, allowed: Collection[str] = KNOWN) -> str | None:
    """The backend that the environment names, or None when it names none (unset or empty)."""
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    if not value:
        return None
    if value not in allowed:
        names = " or ".join(sorted(allowed))
        raise ConfigurationError(
            f"{VARIABLE} is {value!r}, which names no key-value storage: set it to {names}, or unset it"
        )
    return value
