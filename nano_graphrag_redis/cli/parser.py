"""The arguments of `ngr-redis` and their help texts. It starts no work and imports none of the workers."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_OVERVIEW = """\
Redis key-value storage for nano-graphrag: switch it on without a change of code, move data in and out.

examples:
  ngr-redis migrate ./nano_graphrag_cache --dry-run      what would be moved into Redis
  ngr-redis migrate ./nano_graphrag_cache                move it, then compare every value
  STORAGE_KV_BACKEND=redis ngr-redis run python app.py   run a program on Redis
  ngr-redis export ./backup                              back to JSON files
"""

_CONNECTION = """\
connection:
  REDIS_URL (default redis://localhost:6379), REDIS_USERNAME, REDIS_PASSWORD and the other REDIS_* settings
  come from the environment. Prefer REDIS_PASSWORD: a password in --redis-url shows in the process list.
"""

_RUN = """\
Runs a command so that every Python in it follows STORAGE_KV_BACKEND (json | redis). With redis, a
program that says `from nano_graphrag import GraphRAG` uses Redis by default; the program is not changed.
Child processes are included, exit code and signals are the command's own. Pythons started with -I or -E
are not reached.

examples:
  STORAGE_KV_BACKEND=redis ngr-redis run python app.py --port 8000
  STORAGE_KV_BACKEND=redis ngr-redis run -m my_app
  STORAGE_KV_BACKEND=redis ngr-redis run uvicorn my_app:app --workers 4
"""

_ENABLE = """\
Writes one .pth file into this environment's site-packages, so that plain `python app.py` follows
STORAGE_KV_BACKEND. While the variable is unset, empty or "json" the file imports nothing.
Undo with `ngr-redis disable`, also before uninstalling this package.
"""

_MIGRATE = """\
Writes every record of WORKDIR's kv_store_*.json files into Redis, then reads all of them back and compares
them by value. The files are only read. Nothing is written unless all of them are valid, and nothing in Redis
that differs is replaced unless you say so. Run it while no program is writing to either side.

Two namespaces expire by default: llm_response_cache after 12 hours, community_reports after 24. Reports are
rebuilt only by the next insert, so decide with --ttl or --no-ttl; the program that uses the data has the same
settings as REDIS_TTL_COMMUNITY_REPORTS and so on, and applies its own when it writes.

examples:
  ngr-redis migrate ./nano_graphrag_cache --dry-run
  ngr-redis migrate ./nano_graphrag_cache --ttl community_reports=0
  ngr-redis migrate ./nano_graphrag_cache --namespace full_docs --overwrite

exit code: 0 when every record compared equal (records left by --keep are listed), 1 otherwise.
"""

_EXPORT = """\
Writes the namespaces found in Redis to DIR as kv_store_<namespace>.json, the files that nano-graphrag's own
JsonKVStorage loads. Records come in the order of their ids; of the values, only one batch is in memory.
The files appear when all are complete. Times to live are not kept: JSON files have none.

examples:
  ngr-redis export ./nano_graphrag_cache
  ngr-redis export ./backup --namespace full_docs --namespace text_chunks --overwrite
"""


def split_off_command(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and the command after `run`, whose options are none of argparse's business."""
    for index, argument in enumerate(arguments):
        if argument == "run":
            command = arguments[index + 1 :]
            if command[:1] in (["-h"], ["--help"]):
                return [*arguments[: index + 1], "--help"], []
            return arguments[: index + 1], command[1:] if command[:1] == ["--"] else command
        if not argument.startswith("-"):
            break
    return arguments, []


class _Parser(argparse.ArgumentParser):
    """A parser that quotes what it does not understand, but no credentials: the URL behind a misspelt option, say."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"//.*@", "//***@", message, flags=re.DOTALL))


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ngr-redis",
        description=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = _command(commands, "run", "run a command that follows STORAGE_KV_BACKEND", _RUN, "start:run")
    run.usage = "ngr-redis run [-m MODULE | COMMAND] [ARGUMENT ...]"
    enable = _command(commands, "enable", "make plain python follow it, too", _ENABLE, "switch:enable")
    enable.add_argument(
        "--status", action="store_true", help="only tell: exit code 0 when enabled, 1 when not"
    )
    _command(commands, "disable", "undo enable", "Removes the .pth file that enable wrote.", "switch:disable")
    _add_migrate_options(_command(commands, "migrate", "move JSON files into Redis", _MIGRATE, "migrate:run"))
    _add_export_options(_command(commands, "export", "write JSON files from Redis", _EXPORT, "export:run"))
    return parser


def _command(
    commands: Any, name: str, summary: str, description: str, worker: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.set_defaults(run=_worker(*worker.split(":")))
    return parser


def _worker(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """The function that does the work, imported when it is called: `run` must start fast."""

    def work(options: argparse.Namespace) -> int:
        code: int = getattr(importlib.import_module(f".{module}", __package__), function)(options)
        return code

    return work


def _add_migrate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workdir", metavar="WORKDIR", type=Path, help="the working_dir of a GraphRAG")
    parser.add_argument("--dry-run", action="store_true", help="read, count and compare; write nothing")
    conflict = parser.add_mutually_exclusive_group()
    conflict.add_argument("--overwrite", action="store_true", help="replace what differs in Redis")
    conflict.add_argument("--keep", action="store_true", help="leave what differs in Redis as it is")
    expiry = parser.add_mutually_exclusive_group()
    expiry.add_argument(
        "--ttl",
        metavar="NAMESPACE=SECONDS",
        type=_ttl,
        action="append",
        default=[],
        help="time to live of the records of one namespace, 0 for none; may be repeated",
    )
    expiry.add_argument("--no-ttl", action="store_true", help="let no record expire")
    _add_shared_options(parser)


def _add_export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the files go; made when missing")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--skip-corrupt", action="store_true", help="leave out unreadable values and name them"
    )
    _add_shared_options(parser)


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--namespace", metavar="NAME", action="append", default=[], help="only this one; may be repeated"
    )
    parser.add_argument("--redis-url", metavar="URL", help="instead of REDIS_URL")
    parser.add_argument("--key-prefix", metavar="PREFIX", help="instead of REDIS_KEY_PREFIX (nano_graphrag)")
    parser.epilog = _CONNECTION


def _ttl(text: str) -> tuple[str, int]:
    namespace, _, seconds = text.partition("=")
    if not namespace or not (seconds.isascii() and seconds.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE=SECONDS, as in community_reports=0")
    return namespace, int(seconds)


class _Version(argparse.Action):
    """--version, looked up only when asked for."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help="show all versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .versions import show_libraries, show_package

        print(show_package())
        try:
            print(show_libraries())
        except ImportError as error:
            parser.exit(1, f"{parser.prog}: {error}\n")
        parser.exit()
