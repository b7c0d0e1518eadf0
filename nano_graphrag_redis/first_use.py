"""What a user should know about a namespace, told once, after its first call.

Two things surprise people: rows that are still in nano-graphrag's JSON file while Redis has none, and community reports
that expire although nano-graphrag rebuilds them only on the next insert.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from .errors import RedisKVError

if TYPE_CHECKING:
    from ._native import Store
    from .config import Settings

logger = logging.getLogger("nano_graphrag_redis")

REPORTS = "community_reports"
PEEK_CHARACTERS = 64 * 1024
PAGES = 50  # of SCAN, before an answer is no longer worth its price

_told: set[tuple[str, str]] = set()


class FirstUse:
    """The remarks about one storage; `tell` is called once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def tell(self, store: Store) -> None:
        self.tell_about_reports()
        await self._tell_about_rows(store)

    def tell_about_reports(self) -> None:
        settings = self._settings
        if settings.namespace == REPORTS and settings.ttl and _is_news("ttl", settings.endpoint):
            logger.warning(
                "community reports expire after %d s, and nano-graphrag writes them again only on the next insert: "
                "set REDIS_TTL_COMMUNITY_REPORTS=0 to keep them, or redis_ttl_sliding to renew them on reading",
                settings.ttl,
            )

    async def _tell_about_rows(self, store: Store) -> None:
        working_dir, namespace = self._settings.working_dir, self._settings.namespace
        path = os.path.join(working_dir, f"kv_store_{namespace}.json") if working_dir else ""
        first_id = first_id_of(path) if path else None
        if first_id is None or not _is_news("rows", os.path.abspath(path)):
            return
        try:
            is_empty = not await self._has_rows(store, first_id)
        except RedisKVError:
            return  # an outage is told by the calls that it hits; the user may not look around, for another
        if is_empty:
            logger.warning(
                "%s holds rows, and namespace %r of %s holds none: `ngr-redis migrate %s` brings them over",
                path,
                namespace,
                self._settings.endpoint,
                working_dir,
            )

    async def _has_rows(self, store: Store, first_id: str) -> bool:
        prefix = f"{self._settings.key_prefix}:{self._settings.namespace}:"
        if await store.execute(("EXISTS", prefix + first_id), repeatable=True):
            return True
        pattern = "".join("\\" + c if c in "*?[]\\^" else c for c in prefix) + "*"
        cursor = 0
        for _ in range(PAGES):
            words = ("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            reply = await store.execute(words, repeatable=True)
            cursor = int(reply[0])
            if reply[1] or not cursor:
                return bool(reply[1])
        return True  # not known: say nothing


def _is_news(kind: str, what: str) -> bool:
    is_new = (kind, what) not in _told
    _told.add((kind, what))
    return is_new


def first_id_of(path: str) -> str | None:
    """The first key of a JSON object in a file, without reading all of it; None where there is none."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            head = file.read(PEEK_CHARACTERS).lstrip()
        if not head.startswith("{"):
            return None
        first, _ = json.JSONDecoder().raw_decode(head[1:].lstrip())
    except (OSError, ValueError):
        return None
    return first if isinstance(first, str) else None
