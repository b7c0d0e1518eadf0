"""`ngr-redis enable` and `disable`: the opt-in .pth file of this environment."""

from __future__ import annotations

import argparse

from ..integration import autoload
from ..integration.backend import VARIABLE


def enable(options: argparse.Namespace) -> int:
    if options.status:
        return _status()
    written = autoload.enable()
    print(f"{'enabled' if written else 'already enabled'}: {autoload.pth_file()}")
    print(f"Now {VARIABLE}=redis python app.py uses Redis. Undo: ngr-redis disable")
    return 0


def disable(_: argparse.Namespace) -> int:
    removed = autoload.disable()
    print(f"{'disabled, removed' if removed else 'was not enabled, there is no'} {autoload.pth_file()}")
    return 0


def _status() -> int:
    enabled = autoload.is_enabled()
    print(f"{'enabled' if enabled else 'not enabled'}: {autoload.pth_file()}")
    return 0 if enabled else 1
