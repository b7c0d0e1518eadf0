"""The files that JsonKVStorage writes, `kv_store_<namespace>.json`, as something to read from.

A file is only ever read. What is wrong with one is told by its name and, where it applies, line and column.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from .records import TransferError

_PREFIX, _SUFFIX = "kv_store_", ".json"


def file_name(namespace: str) -> str:
    return f"{_PREFIX}{namespace}{_SUFFIX}"


class SourceFile:
    """One namespace's file. It is read several times and has to stay the same meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.namespace = path.name[len(_PREFIX) : -len(_SUFFIX)]
        self._version: tuple[int, int] | None = None

    def records(self) -> Iterable[tuple[str, object]]:
        """The records in the order of the file."""
        self._check_version()
        document = self._parse()
        self._check_version()
        return document.items()

    def _check_version(self) -> None:
        status = self.path.stat()
        version = (status.st_size, status.st_mtime_ns)
        if self._version not in (None, version):
            raise TransferError(
                f"{self.path} changed while it was being read: stop the program that writes it, run again"
            )
        self._version = version

    def _parse(self) -> dict[str, object]:
        try:
            with self.path.open(encoding="utf-8") as file:
                document = json.load(file)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise TransferError(f"{self.path} is not valid JSON: {error.msg} ({place})") from error
        except UnicodeDecodeError as error:
            raise TransferError(f"{self.path} is not UTF-8: {error.reason} (byte {error.start})") from error
        except RecursionError as error:
            raise TransferError(f"{self.path} is nested too deeply for Python's json module") from error
        except ValueError as error:  # an integer beyond the interpreter's limit
            raise TransferError(f"{self.path} cannot be read: {error}") from error
        if document and not isinstance(document, dict):
            kind = type(document).__name__
            raise TransferError(f"{self.path} holds a JSON {kind}, not an object of records")
        return document or {}  # JsonKVStorage takes any empty value for an empty store


def find_source_files(folder: Path, namespaces: Collection[str] = ()) -> list[SourceFile]:
    """The files of these namespaces, or of all; a namespace without a file is an error."""
    if not folder.is_dir():
        raise TransferError(f"{folder} is not a folder")
    found = {source.namespace: source for source in map(SourceFile, _paths(folder))}
    if not found:
        raise TransferError(f"no {file_name('*')} in {folder}: is it the working_dir of a GraphRAG?")
    for namespace in namespaces:
        if namespace not in found:
            raise TransferError(
                f"no {file_name(namespace)} in {folder}; the namespaces there are {', '.join(found)}"
            )
    return [source for name, source in found.items() if not namespaces or name in namespaces]


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.match(file_name("?*")) and path.is_file())
