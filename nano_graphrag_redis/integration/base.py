"""Makes the storage class a subclass of nano-graphrag's BaseKVStorage without importing nano-graphrag.

nano-graphrag takes a second to import and may be absent, so the base is added to the finished class when, and
only when, somebody imports `nano_graphrag.base`. Instances that exist by then change with their class.
"""

from __future__ import annotations

from types import ModuleType

from .hook import when_imported

# BaseKVStorage is a dataclass: it has all of these, and none of them may take the place of object's.
_KEPT = ("__init__", "__repr__", "__eq__", "__hash__")


def adopt(cls: type) -> None:
    """Adds BaseKVStorage as the last base of `cls`, now or when it gets imported.

    `cls` must have a base of its own besides object: Python assigns `__bases__` only to such classes.
    """
    when_imported("nano_graphrag.base", lambda module: _add_base(cls, module))


def _add_base(cls: type, module: ModuleType) -> None:
    base = getattr(module, "BaseKVStorage", None)
    if not isinstance(base, type) or issubclass(cls, base):
        return
    for name in _KEPT:
        if name not in vars(cls):
            setattr(cls, name, getattr(cls, name))
    cls.__bases__ = (*cls.__bases__, base)
