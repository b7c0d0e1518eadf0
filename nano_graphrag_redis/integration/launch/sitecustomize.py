"""Runs at the start of every Python under `ngr-redis run`: arms the switch, then steps out of the way.

PYTHONPATH is inherited, so this file also meets Pythons of other environments and versions: it must start
anywhere, and leave the environment's own sitecustomize, if there is one, in charge of the name.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

HERE = os.path.dirname(os.path.abspath(__file__))


def arm() -> None:
    try:
        from nano_graphrag_redis.integration import startup
    except ModuleNotFoundError as error:
        if error.name != "nano_graphrag_redis":
            raise
        if find_spec("nano_graphrag") is not None:
            print(
                f"ngr-redis: {sys.executable} has nano-graphrag but not nano-graphrag-redis; "
                "it keeps its own storage. Install nano-graphrag-redis there.",
                file=sys.stderr,
            )
    else:
        startup.arm()


def hand_over() -> None:
    """Runs the sitecustomize that this one hides."""
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != HERE]
try:
    arm()
finally:
    hand_over()
