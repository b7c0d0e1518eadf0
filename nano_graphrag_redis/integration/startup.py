"""What a Python process runs at start-up when the launcher or the .pth file asks for it.

It waits for nano-graphrag and only then reads STORAGE_KV_BACKEND, so that a program may set the variable
itself first, from a .env file for instance. A process that never imports nano-graphrag pays for one hook.
"""

from __future__ import annotations

from types import ModuleType

from .hook import when_imported


def arm() -> None:
    """Makes the first import of nano_graphrag follow STORAGE_KV_BACKEND."""
    when_imported("nano_graphrag", _follow_environment)


def _follow_environment(_: ModuleType) -> None:
    from .backend import KNOWN, chosen_backend
    from .install import import_factory, install

    factory = import_factory()
    if chosen_backend(allowed=factory.StorageFactory.ALLOWED_KV if factory else KNOWN) == "redis":
        install()
