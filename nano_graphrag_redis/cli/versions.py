"""What `ngr-redis --version` says: all that a report of a fault should name. The package's version comes first and does
not need the extension, whose failure to load may be that fault.
"""

from __future__ import annotations

import platform

from .. import __version__


def show_package() -> str:
    return f"ngr-redis {__version__}"


def show_libraries() -> str:
    """The libraries of the extension; raises ImportError when it cannot be loaded."""
    from .._native import build_info

    return "\n".join(
        [
            f"hiredis {build_info['hiredis']}",
            _with_origin(build_info["openssl"], build_info["openssl_compiled"]),
            f"cJSON {build_info['cjson']}",
            _with_origin(_python(platform.python_version()), _python(build_info["python_compiled"])),
            f"compiled by {build_info['compiler']}",
        ]
    )


def _python(number: str) -> str:
    return f"{platform.python_implementation()} {number}"


def _with_origin(running: str, compiled: str) -> str:
    return running if running == compiled else f"{running} (compiled with {compiled})"
