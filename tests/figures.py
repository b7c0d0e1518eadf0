"""Figures that tests have measured, and the table of them that ends a test run.

A test that proves a bound says how far from it the truth was: `figure("longest wait", took, "s")`. The table in
docs/reliability.md is made of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Figure = Callable[..., None]  # figure(what, value, unit="")


@dataclass(frozen=True)
class Measured:
    test: str
    what: str
    value: float
    unit: str

    def __str__(self) -> str:
        number = f"{self.value:,.3g}" if self.value % 1 else f"{self.value:,.0f}"
        return f"{self.test}  {self.what}: {number} {self.unit}".rstrip()


class Figures:
    """What the tests of one run have measured. Of what a test measures again, in a variant of it, the larger counts."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], Measured] = {}

    def add(self, test: str, what: str, value: float, unit: str) -> None:
        known = self._by_name.get((test, what))
        if known is None or value > known.value:
            self._by_name[test, what] = Measured(test, what, value, unit)

    def lines(self) -> list[str]:
        return [str(measured) for measured in self._by_name.values()]
