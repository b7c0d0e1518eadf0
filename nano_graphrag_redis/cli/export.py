"""`ngr-redis export`: finds the namespaces, checks that every file may be written, writes them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from ..migrate.out_of_redis import Exported, export_namespace, find_namespaces, target_path
from ..migrate.records import TransferError
from .show import Progress, count, show_bytes
from .storages import open_storage


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_export(options))


async def _export(options: argparse.Namespace) -> int:
    namespaces = list(dict.fromkeys(options.namespace)) or await _all_namespaces(options)
    paths = {namespace: target_path(options.folder, namespace) for namespace in namespaces}
    if not options.overwrite:
        _refuse_existing(list(paths.values()))
    options.folder.mkdir(parents=True, exist_ok=True)
    results = [await _export_one(namespace, path, options) for namespace, path in paths.items()]
    _show_result(results)
    return 0


async def _all_namespaces(options: argparse.Namespace) -> list[str]:
    async with open_storage("full_docs", options) as storage:  # any namespace will do: it is not read
        namespaces = await find_namespaces(storage)
        if not namespaces:
            prefix = storage._prefix.removesuffix("full_docs:")
            raise TransferError(
                f"no record under {prefix}* in this Redis: is it the right server, database and prefix?"
            )
        return namespaces


def _refuse_existing(paths: list[Path]) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing:
        raise TransferError(
            f"{', '.join(existing)} would be replaced; say --overwrite or choose another folder"
        )


async def _export_one(namespace: str, path: Path, options: argparse.Namespace) -> Exported:
    async with open_storage(namespace, options) as storage:
        ids = sorted(await storage.all_keys())
        with Progress(f"exporting {namespace}", len(ids)) as progress:
            return await export_namespace(storage, ids, path, options.skip_corrupt, progress.advance)


def _show_result(results: list[Exported]) -> None:
    for result in results:
        line = f"{result.path}: {count(result.records, 'record')}, {show_bytes(result.bytes)}"
        print(line + (f"; {result.vanished:,} expired meanwhile" if result.vanished else ""))
        for reason in result.skipped:
            print(f"ngr-redis: skipped: {reason}", file=sys.stderr)
    skipped = sum(len(result.skipped) for result in results)
    total = sum(result.records for result in results)
    print(f"Done: {count(total, 'record')} exported, {skipped:,} unreadable left out.")
