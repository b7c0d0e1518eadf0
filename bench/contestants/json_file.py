"""nano-graphrag's own JsonKVStorage: a dict in this process, written to one file as a whole. Reading from it
is a look-up in a dict, so it takes part only where it does the work that a storage is for."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import records
from harness.endpoint import Endpoint

from .base import KV, Contestant

if TYPE_CHECKING:
    from harness.server import Admin

STORED_ANSWERS = 2000  # a small project; the file is written as a whole each time


class JsonFile(Contestant):
    name = "JsonKVStorage"
    imports = "import nano_graphrag"
    only = frozenset({"llm_call", "worker"})
    share = 0.02

    async def open(self, endpoint: Endpoint) -> None:
        from nano_graphrag._storage.kv_json import JsonKVStorage

        self._class = JsonKVStorage
        self._is_own_folder = endpoint.folder is None
        self._folder = endpoint.folder or tempfile.mkdtemp(prefix="ngr-bench-")
        self._data: dict[str, dict[str, Any]] = {}

    def storage(self, namespace: str) -> KV:
        storage: Any = self._class(namespace, {"working_dir": self._folder})
        if namespace == "llm_response_cache":
            storage._data.update(records.answers(STORED_ANSWERS, "other"))
        self._data[namespace] = storage._data
        kv: KV = storage
        return kv

    def forget(self, server: Admin, namespace: str, ids: list[str]) -> None:
        for id in ids:
            self._data[namespace].pop(id, None)

    def stored(self, server: Admin, namespace: str, ids: list[str]) -> list[Any]:
        rows = json.loads(Path(self._folder, f"kv_store_{namespace}.json").read_text(encoding="utf-8"))
        return [rows.get(id) for id in ids]

    async def close(self) -> None:
        if self._is_own_folder:
            shutil.rmtree(self._folder, ignore_errors=True)
