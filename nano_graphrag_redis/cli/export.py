"""`ngr-redis export`: finds the namespaces, checks that every file may be written, writes them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from ..migrate.out_of_redis import Exported, export_records, find_namespaces, target_path
from ..migrate.records import TransferError
from ..migrate.target import TargetFile
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
    with ExitStack() as targets:  # no file takes its place before all are written
        results = [
            await _export_one(namespace, targets.enter_context(TargetFile(path)), options)
            for namespace, path in paths.items()
        ]
    _show_result(results)
    return 0


async def _all_namespaces(options: argparse.Namespace) -> list[str]:
    async with open_storage("full_docs", options) as storage:  # any namespace will do: it is not read
        namespaces = await find_namespaces(storage)
        if not namespaces:
            raise _nothing_under(storage._prefix.removesuffix("full_docs:"))
        return namespaces


def _nothing_under(prefix: str) -> TransferError:
    return TransferError(
        f"no record under {prefix}* in this Redis: is it the right server, database and prefix?"
    )


def _refuse_existing(paths: list[Path]) -> None:
    existing = [str(path) for path in paths if path.exists()]
    if existing:
        raise TransferError(
            f"{', '.join(existing)} would be replaced; say --overwrite or choose another folder"
        )


async def _export_one(namespace: str, target: TargetFile, options: argparse.Namespace) -> Exported:
    async with open_storage(namespace, options) as storage:
        ids = sorted(await storage.all_keys())
        if not ids:
            raise _nothing_under(storage._prefix)
        with Progress(f"exporting {namespace}", len(ids)) as progress:
            return await export_records(storage, ids, target, options.skip_corrupt, progress.advance)


def _show_result(results: list[Exported]) -> None:
    for result in results:
        target = result.target
        line = f"{target.path}: {count(target.records, 'record')}, {show_bytes(target.bytes)}"
        print(line + (f"; {result.vanished:,} expired meanwhile" if result.vanished else ""))
        for reason in result.skipped:
            print(f"ngr-redis: left out: {reason}", file=sys.stderr)
    skipped = sum(len(result.skipped) for result in results)
    total = sum(result.target.records for result in results)
    print(f"Done: {count(total, 'record')} exported" + (f", {skipped:,} left out." if skipped else "."))
