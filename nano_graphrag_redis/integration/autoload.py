"""The opt-in .pth file that lets plain `python app.py` follow STORAGE_KV_BACKEND in one environment.

Python runs the file's one line at every start, so the line imports nothing of ours unless the variable asks
for it, and a line that outlives the package does nothing. Writing and removing it is all this module does.
"""

from __future__ import annotations

import os
import site
import sysconfig
import tempfile
from pathlib import Path

from ..errors import RedisKVError
from .backend import VARIABLE

# Late in the alphabet: lines run in the order of file names, and another one may put our package on sys.path.
NAME = "zz_nano_graphrag_redis.pth"

_ARM = (
    "try:\n"
    " from nano_graphrag_redis.integration import startup\n"
    "except ModuleNotFoundError as error:\n"
    " if error.name != 'nano_graphrag_redis': raise\n"
    "else: startup.arm()"
)
LINE = f"import os; os.environ.get({VARIABLE!r}, '') in ('', 'json') or exec({_ARM!r})\n"


class AutoloadError(RedisKVError, OSError):
    """The .pth file cannot be written or removed here."""


def pth_file() -> Path:
    """Where the file belongs in the environment of this Python."""
    folder = sysconfig.get_path("purelib")
    if os.path.realpath(folder) not in map(os.path.realpath, site.getsitepackages()):
        raise AutoloadError(
            f"Python reads no .pth files in {folder}: use `ngr-redis run` in this environment"
        )
    return Path(folder, NAME)


def is_enabled() -> bool:
    return pth_file().exists()


def enable() -> bool:
    """Writes the file; False if it was there already, with the same content."""
    path = pth_file()
    if path.exists() and path.read_text(encoding="utf-8") == LINE:
        return False
    try:
        _write_whole(path)
    except OSError as error:
        raise AutoloadError(_refused("write", path, error)) from error
    return True


def disable() -> bool:
    """Removes the file; False if there was none."""
    path = pth_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise AutoloadError(_refused("remove", path, error)) from error
    return True


def _write_whole(path: Path) -> None:
    """A Python that starts meanwhile sees the old file or the new one, never half a line."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{NAME}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(LINE)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _refused(verb: str, path: Path, error: OSError) -> str:
    return (
        f"cannot {verb} {path}: {error.strerror}. Use an environment that you may change "
        "(python -m venv), or `ngr-redis run`, which changes none"
    )
