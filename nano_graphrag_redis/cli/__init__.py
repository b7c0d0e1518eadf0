"""The command line `ngr-redis`: arguments in, exit code out, one line for an error.

Exit codes: 0 done, 1 not done (the reason is on stderr), 2 wrong usage, 130 interrupted. Under `run` the code
is that of the command, with 126 and 127 for one that cannot be started, as shells do.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from ..errors import RedisKVError
from .parser import build_parser, split_off_command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `ngr-redis` with these arguments (default: those of the process)."""
    arguments, command = split_off_command(sys.argv[1:] if argv is None else list(argv))
    options = build_parser().parse_args(arguments)
    options.command = command
    _set_up_log(options.debug)
    try:
        code: int = options.run(options)
        return code
    except KeyboardInterrupt:
        print("ngr-redis: interrupted; the same command may be run again", file=sys.stderr)
        return 130
    except (RedisKVError, OSError, ImportError) as error:
        if options.debug:
            raise
        print(f"ngr-redis: {_one_line(error)}", file=sys.stderr)
        return 1


def _set_up_log(debug: bool) -> None:
    """The commands themselves say what matters, so the log is for --debug."""
    if debug:
        logging.basicConfig(level=logging.DEBUG)
    else:
        logging.getLogger("nano_graphrag_redis").addHandler(logging.NullHandler())


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, RedisKVError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


__all__ = ["main"]
