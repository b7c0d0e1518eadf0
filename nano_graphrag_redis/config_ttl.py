"""How long the entries of a namespace live: several sources, asked from the most to the least explicit.

All times are whole seconds; 0 means that entries never expire. Nothing here knows which namespace a storage
has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .config_values import Reader, Whole, read

DEFAULTS = {"llm_response_cache": 43200, "community_reports": 86400, "text_chunks": 0, "full_docs": 0}
LONGEST = 2**31 - 1  # 68 years; more is a mistaken unit, and would one day overflow the server's clock
SETTING = "redis_ttl"
VARIABLE = "REDIS_TTL"
SLIDING = "REDIS_TTL_SLIDING"  # another setting's variable, not the TTL of a namespace "sliding"


class _SignedTtl(Whole):
    """A TTL before its sign is judged: a negative one is a warning and 0, not an error."""

    def __init__(self) -> None:
        super().__init__(-LONGEST, LONGEST)
        self.allowed = f"a whole number of seconds from 0 (never expire) to {LONGEST:,}"


class TtlTable(Reader):
    """A mapping of namespace to seconds, or the same as JSON; what is None is left out."""

    allowed = 'seconds by namespace, such as `{"text_chunks": 3600}` (JSON when it is text)'
    is_plain_text = True

    def __call__(self, value: object) -> dict[str, object]:
        if isinstance(value, str):
            value = self._from_json(value)
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise self.refusal()
        return {name: seconds for name, seconds in value.items() if seconds is not None}

    def _from_json(self, text: str) -> object:
        import json  # costs more to import than the rest of the settings

        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self.refusal() from None


_TABLE = TtlTable()
_TTL = _SignedTtl()


class TtlRules(NamedTuple):
    """The sources as they were when the storage was built, so that a copy of it answers the same."""

    tables: tuple[tuple[str, Mapping[str, int]], ...] = ()  # (origin, namespace -> seconds), strongest first
    variables: Mapping[str, str] = {}  # REDIS_TTL_<NAMESPACE> as the environment had them
    json_table: Mapping[str, int] = {}  # out of REDIS_TTL

    def lookup(self, namespace: str) -> tuple[int, str]:
        """Seconds, possibly negative, and their origin. Raises ConfigurationError for a bad variable."""
        for origin, table in self.tables:
            if namespace in table:
                return table[namespace], origin
        variable = variable_of(namespace)
        if variable != SLIDING and variable in self.variables:
            origin = f"from environment variable {variable}"
            return read(f"the TTL of {namespace!r}", origin, self.variables[variable], _TTL), origin
        if namespace in self.json_table:
            return self.json_table[namespace], f"from environment variable {VARIABLE}"
        return DEFAULTS.get(namespace, 0), "the default"

    def ttl_for(self, namespace: str) -> int:
        """Seconds; 0: never expire."""
        return max(0, self.lookup(namespace)[0])


def variable_of(namespace: str) -> str:
    """The environment variable for one namespace; '_' stands for what the name of a variable cannot hold."""
    letters = (c if c.isascii() and c.isalnum() else "_" for c in namespace.upper())
    return f"{VARIABLE}_{''.join(letters)}"


def read_table(value: object, origin: str) -> dict[str, int]:
    """A checked table of TTLs out of a raw value of `redis_ttl`."""
    table = read(SETTING, origin, value, _TABLE)
    return {name: read(f"{SETTING}[{name!r}]", origin, seconds, _TTL) for name, seconds in table.items()}
