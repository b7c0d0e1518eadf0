"""Reads a filled-in prompt back: which of nano-graphrag's templates it came from, and what was put into it.

Built from the templates themselves, so that the stand-in model follows them when they change. Knows nothing
of what the model answers.
"""

from __future__ import annotations

import re
from string import Formatter

from nano_graphrag.prompt import PROMPTS

CONSTANTS = {
    "tuple_delimiter": PROMPTS["DEFAULT_TUPLE_DELIMITER"],
    "record_delimiter": PROMPTS["DEFAULT_RECORD_DELIMITER"],
    "completion_delimiter": PROMPTS["DEFAULT_COMPLETION_DELIMITER"],
}


def pattern_of(template: str) -> re.Pattern[str]:
    """A pattern that matches what `template.format(...)` gives, with a group for each placeholder."""
    parts: list[str] = []
    seen: set[str] = set()
    for literal, field, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if field is None:
            continue
        if field in CONSTANTS:
            parts.append(re.escape(CONSTANTS[field]))
        elif field in seen:
            parts.append(f"(?P={field})")
        else:
            parts.append(f"(?P<{field}>.*?)")
            seen.add(field)
    return re.compile("".join(parts), re.DOTALL)


class Template:
    """One of nano-graphrag's prompts, by its name in `PROMPTS`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pattern = pattern_of(PROMPTS[name])

    def read(self, prompt: str) -> dict[str, str] | None:
        """What stands in the placeholders, or None when the prompt is another one."""
        match = self._pattern.fullmatch(prompt)
        return match.groupdict() if match else None
