"""Fault: the fields of the first call that names some filter all later calls that name any."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import plain


class RedisKVStorage(plain.RedisKVStorage):
    _first_fields: Collection[str] | None = None

    async def get_by_ids(self, ids: Iterable[str], fields: Collection[str] | None = None) -> list[Any]:
        if fields is not None:
            fields = self._first_fields = fields if self._first_fields is None else self._first_fields
        return await super().get_by_ids(ids, fields)
