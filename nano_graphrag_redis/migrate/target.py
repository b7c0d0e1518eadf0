"""A `kv_store_<namespace>.json` being written: record by record, visible only when it is complete.

Its bytes are those that JsonKVStorage itself would write for the same records in the same order.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from .._native import dumps


class TargetFile:
    """Use as a context manager: leaving without an exception puts the file in place, with one removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.records = 0
        self.bytes = 0

    def __enter__(self) -> TargetFile:
        self._file = self._temporary.open("wb")
        return self

    def add(self, key: str, value: object) -> None:
        self._write((b",\n" if self.records else b"{\n") + _member(key, value))
        self.records += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._write(b"\n}" if self.records else b"{}")
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self._temporary, self.path)
        _sync_folder(self.path.parent)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.bytes += len(data)


def _member(key: str, value: object) -> bytes:
    """One `"key": value` with the indentation it has inside the file."""
    try:
        text = json.dumps({key: value}, indent=2, ensure_ascii=False)
        return text[len("{\n") : -len("\n}")].encode()
    except (UnicodeEncodeError, RecursionError):
        # A lone surrogate, which UTF-8 cannot hold, or depth: our writer escapes the one and takes the other.
        return b"  " + dumps(key) + b": " + dumps(value)


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
