"""What is counted. Each event loop counts for itself; the sums travel as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# What must never happen. Each is counted from the start, so that the report shows its zero.
WRONG, LOST, HALF = "wrong answers", "lost acknowledged writes", "half batches"
LATE, ERROR, LEFT, UNSETTLED = "calls beyond their bound", "unexpected errors", "requests left behind", "never settled"
VIOLATIONS = (WRONG, LOST, HALF, LATE, ERROR, LEFT, UNSETTLED)


@dataclass
class Figures:
    calls: Counter[str] = field(default_factory=Counter)  # by method
    outcomes: Counter[str] = field(default_factory=Counter)  # answered, cancelled, timed out, failed
    violations: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)  # legal late effects, by their reason
    longest: dict[str, float] = field(default_factory=dict)  # seconds, by method
    bound_used: float = 0.0  # the largest part of its bound that a call took, less what its loop was late
    checked: int = 0  # values compared with the model
    log_lines: int = 0

    def waited(self, method: str, seconds: float, bound_used: float) -> None:
        self.longest[method] = max(seconds, self.longest.get(method, 0.0))
        self.bound_used = max(self.bound_used, bound_used)

    def add(self, other: Figures) -> None:
        for name in ("calls", "outcomes", "violations", "late"):
            getattr(self, name).update(getattr(other, name))
        for method, seconds in list(other.longest.items()):
            self.longest[method] = max(seconds, self.longest.get(method, 0.0))
        self.bound_used = max(self.bound_used, other.bound_used)
        self.checked += other.checked
        self.log_lines += other.log_lines

    def to_plain(self) -> dict[str, Any]:
        return {name: dict(value) if isinstance(value, dict) else value for name, value in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Figures:
        counters = {name: Counter(plain[name]) for name in ("calls", "outcomes", "violations", "late")}
        return cls(**{**plain, **counters})
