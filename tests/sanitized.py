"""Whether this interpreter is the one of `make asan`: with AddressSanitizer and all that linked in."""

from __future__ import annotations

import ctypes

IS_SANITIZED = hasattr(ctypes.CDLL(None), "__asan_init")
