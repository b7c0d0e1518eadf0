"""`ngr-redis migrate`: shows what would happen, does it, and shows that it has happened."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ..migrate.into_redis import Comparison, Survey, compare, survey, write
from ..migrate.records import TransferError
from ..migrate.source import SourceFile, find_source_files
from ..storage import RedisKVStorage
from .show import Progress, count, print_table, show_bytes, show_ttl
from .storages import open_storage

_NAMED_IDS = 5  # how many ids an error lists


@dataclass
class _Part:
    """One namespace on its way."""

    source: SourceFile
    storage: RedisKVStorage
    survey: Survey

    @property
    def namespace(self) -> str:
        return self.source.namespace

    @property
    def ttl(self) -> int:
        return self.storage._ttl_config.get(self.namespace, 0)


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_migrate(options))


async def _migrate(options: argparse.Namespace) -> int:
    sources = find_source_files(options.workdir, options.namespace)
    ttl = _chosen_ttls(options, [source.namespace for source in sources])
    async with AsyncExitStack() as stack:
        parts = []
        for source in sources:
            storage = await stack.enter_async_context(open_storage(source.namespace, options, ttl))
            parts.append(await _look_at(source, storage))
        _show_plan(parts)
        _tell_about_expiry(parts, set(ttl))
        if options.dry_run:
            print("Dry run: nothing was written.")
            return 0
        _refuse_conflicts(parts, options)
        kept = [await _write(part, options.keep) for part in parts]
        comparisons = [await _compare(part, ids) for part, ids in zip(parts, kept, strict=True)]
        return _show_result(parts, kept, comparisons)


def _chosen_ttls(options: argparse.Namespace, namespaces: list[str]) -> dict[str, int]:
    if options.no_ttl:
        return dict.fromkeys(namespaces, 0)
    for namespace, _ in options.ttl:
        if namespace not in namespaces:
            raise TransferError(
                f"--ttl names {namespace}, which is not migrated; these are: {', '.join(namespaces)}"
            )
    return dict(options.ttl)


async def _look_at(source: SourceFile, storage: RedisKVStorage) -> _Part:
    with Progress(f"checking {source.namespace}") as progress:
        return _Part(source, storage, await survey(storage, source, progress.advance))


def _show_plan(parts: list[_Part]) -> None:
    print_table(
        ("namespace", "records", "size", "expires", "new", "same in Redis", "different in Redis"),
        [
            (
                part.namespace,
                f"{part.survey.records:,}",
                show_bytes(part.survey.bytes),
                show_ttl(part.ttl),
                f"{part.survey.new:,}",
                f"{part.survey.same:,}",
                f"{part.survey.different:,}",
            )
            for part in parts
        ],
    )


def _tell_about_expiry(parts: list[_Part], decided: set[str]) -> None:
    """Says what will expire although nobody asked for it here."""
    for part in parts:
        if not part.ttl or not part.survey.records or part.namespace in decided:
            continue
        print(f"Note: records of {part.namespace} expire {show_ttl(part.ttl)} after they are written.")
        if part.namespace == "community_reports":
            print("      Only the next insert rebuilds them; until then answers are weaker.")
        variable = f"REDIS_TTL_{part.namespace.upper()}"
        print(f"      To keep them: --ttl {part.namespace}=0 here, {variable}=0 for the program.")


def _refuse_conflicts(parts: list[_Part], options: argparse.Namespace) -> None:
    conflicts = [part for part in parts if part.survey.different]
    if conflicts and not (options.overwrite or options.keep):
        where = ", ".join(f"{part.survey.different:,} in {part.namespace}" for part in conflicts)
        raise TransferError(
            f"Redis holds different values for records that are in the files ({where}); nothing was written. "
            "Choose --overwrite to replace them or --keep to leave them"
        )


async def _write(part: _Part, keep_different: bool) -> frozenset[str]:
    with Progress(f"writing {part.namespace}", part.survey.records) as progress:
        return await write(part.storage, part.source, keep_different, progress.advance)


async def _compare(part: _Part, kept: frozenset[str]) -> Comparison:
    with Progress(f"comparing {part.namespace}", part.survey.records) as progress:
        return await compare(part.storage, part.source, kept, progress.advance)


def _show_result(parts: list[_Part], kept: list[frozenset[str]], comparisons: list[Comparison]) -> int:
    for part, left, comparison in zip(parts, kept, comparisons, strict=True):
        line = f"{part.namespace}: {count(comparison.equal, 'record')} compared equal"
        print(line + (f", {len(left):,} kept as they were in Redis" if left else ""))
    wrong = [
        f"{part.namespace}:{key}"
        for part, comparison in zip(parts, comparisons, strict=True)
        for key in comparison.wrong
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED_IDS:,} more" if len(wrong) > _NAMED_IDS else ""
        raise TransferError(
            f"{count(len(wrong), 'record')} in Redis did not compare equal after writing: "
            f"{', '.join(wrong[:_NAMED_IDS])}{more}. Was another program writing, or is Redis evicting keys?"
        )
    total = sum(comparison.equal for comparison in comparisons)
    print(f"Done: {count(total, 'record')} in Redis equal to the files, which are unchanged.")
    print("Next: STORAGE_KV_BACKEND=redis ngr-redis run python app.py")
    return 0
