"""What an error of the server means and whether it is tried again is said in one place, src/core/answer.c."""

from __future__ import annotations

import re
from pathlib import Path

CORE = Path(__file__).parents[2] / "src"
ANSWER = CORE / "core" / "answer.c"


def words_of_errors() -> set[str]:
    """The first words that server errors are told apart by."""
    table = ANSWER.read_text().partition("} errors[] = {")[2].partition("};")[0]
    return {word for word in re.findall(r'\{"([A-Z]+) ', table) if word != "ERR"}


def test_no_other_file_looks_at_the_text_of_an_error() -> None:
    words = words_of_errors()
    assert {"LOADING", "READONLY", "WRONGTYPE", "MOVED"} <= words
    for file in CORE.glob("*/*.c"):
        if file != ANSWER:
            compared = {word for word in words if f'"{word} ' in file.read_text()}
            assert not compared, f"{file.name} knows {compared}"


def test_the_question_whether_to_try_again_is_asked_in_one_place() -> None:
    askers = [file.name for file in CORE.glob("*/*.c") if "ngr_answer_is_retried(" in file.read_text()]
    assert sorted(askers) == ["answer.c", "client.c"]
