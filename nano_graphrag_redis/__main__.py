"""`python -m nano_graphrag_redis`: the command line, also where no script folder is on PATH."""

import sys

from .cli import main

sys.exit(main())
