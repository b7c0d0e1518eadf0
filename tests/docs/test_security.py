"""The tests that SECURITY.md and docs/reliability.md name exist, and so do the files they link to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("SECURITY.md", "docs/reliability.md")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    named = set(re.findall(r"`([a-z_/]+\.(?:c|py))::(\w+)`", text_of(document)))
    assert len(named) > 20
    for file, name in sorted(named):
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        definition = rf"^TEST\({name}\)" if file.endswith(".c") else rf"^(?:async )?def {name}\("
        assert re.search(definition, source, re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_that_looks_like_a_test_escapes_that_look(document: str) -> None:
    text = text_of(document)
    assert text.count("::") == len(re.findall(r"`[a-z_/]+\.(?:c|py)::\w+`", text))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_linked_file_exists(document: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text_of(document)):
        assert ((ROOT / document).parent / target).exists(), target


def test_the_rights_in_the_documentation_are_those_that_the_test_proves() -> None:
    (rights,) = re.findall(r"ACL SETUSER kv on >PASSWORD ~nano_graphrag:\* (.*)", text_of("SECURITY.md"))
    tested = (ROOT / "tests/faults/test_fault_answers.py").read_text(encoding="utf-8")
    assert f'LEAST = "{rights}"' in tested


def test_the_readme_leads_to_both() -> None:
    readme = text_of("README.md")
    assert all(f"]({document})" in readme for document in DOCUMENTS)
