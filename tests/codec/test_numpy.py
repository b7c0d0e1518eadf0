"""The numbers of numpy stay numbers; nothing else of numpy does, and numpy is not imported for it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nano_graphrag_redis import _native

numpy = pytest.importorskip("numpy", reason="numpy is not installed for this interpreter")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (numpy.int64(-3), b"-3"), (numpy.uint64(2**64 - 1), b"18446744073709551615"), (numpy.int8(1), b"1"),
        (numpy.float64(0.1), b"0.1"), (numpy.float32(0.5), b"0.5"), (numpy.float16(1), b"1.0"),
        (numpy.float64("nan"), b"NaN"), (numpy.float32("inf"), b"Infinity"), (numpy.bool_(True), b"true"),
        (numpy.str_("x"), b'"x"'), (numpy.array([1.5]), b'"[1.5]"'), (numpy.array(7), b'"7"'),
        (numpy.timedelta64(5, "ns"), b'"5 nanoseconds"'),
        (numpy.datetime64("2024-01-02", "ns"), b'"2024-01-02T00:00:00.000000000"'),
        (numpy.complex128(1j), b'"1j"'), (numpy.longdouble("1.5"), b'"1.5"'),
    ],
    ids=lambda v: str(type(v).__name__),
)  # fmt: skip
def test_numbers_of_numpy_stay_numbers_and_nothing_else_of_it_does(value: Any, written: bytes) -> None:
    assert _native.dumps([value]) == b"[" + written + b"]"


def test_numpy_is_not_imported_for_it() -> None:
    program = (
        "import sys; from nano_graphrag_redis import _native; "
        "_native.dumps([1, 1.5, object()]); sys.exit('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
