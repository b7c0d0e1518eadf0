"""The demo's text: prose out of Markdown and reStructuredText, and files with clear errors."""

from __future__ import annotations

import pytest

from demo.corpus import LONGEST, from_files, from_packages, prose, shorten

SENTENCE = "This is a sentence about the library."


@pytest.mark.parametrize(
    "markup",
    [
        f"# A title of several words\n\n{SENTENCE}",
        f"[![build](https://x/b.svg)](https://x)\n[![other][1]][2]\n\n{SENTENCE}",
        f"<!-- a comment\nof two lines -->\n{SENTENCE}",
        f"```python\nimport this\nprint(this)\n```\n\n{SENTENCE}",
        "This is a **sentence** about the [library](https://example.org).",
        "This is a `sentence` about the *library*.",
        f"| a table | with cells |\n|---|---|\n| one cell | another cell |\n\n{SENTENCE}",
        f"> [!NOTE]\n> {SENTENCE}",
        f"- {SENTENCE[:-1]}",
        f"A title of several words\n========================\n\n{SENTENCE}",
        f".. title:: A title of several words\n\n{SENTENCE}",
        f".. image:: https://x/y.svg\n   :target: https://x\n   :alt: status of the build\n\n{SENTENCE}",
        "This is a ``sentence`` about the `library <https://example.org>`_.",
        "This is a :class:`sentence` about the |badge| library.",
        f"Use it like this::\n\n    import this\n    this.run()\n\n{SENTENCE}",
        f"Install it with the following command:\n\n    pip install it\n\n{SENTENCE}",
        f">>> import this and that and more\n\n{SENTENCE}",
        f"<p align='center'><img src='x.png'></p>\n\n{SENTENCE}",
        f"\U0001f680 {SENTENCE}",
        f"{SENTENCE}\r\n\r\n{SENTENCE}\r\n",
        "This is a sentence\nabout the library.",
        "This is a sentence about the&#32;library.",
    ],
)
def test_prose_keeps_the_sentences_and_nothing_else(markup: str):
    assert prose(markup) == SENTENCE


def test_the_packages_give_about_a_hundred_kilobytes_of_prose():
    documents = from_packages()
    size = sum(len(document.text) for document in documents)
    assert len(documents) > 20
    assert 60_000 < size < 200_000
    assert max(len(document.text) for document in documents) <= LONGEST
    assert all(document.text.startswith(document.name.split("_")[0][:3]) for document in documents)


def test_the_packages_give_the_same_text_again():
    assert from_packages() == from_packages()


def test_shorten_keeps_whole_paragraphs():
    assert shorten("one\n\ntwo\n\nthree", 12) == "one\n\ntwo"


def test_files_are_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("  Grüße.\n", encoding="utf-8")
    (document,) = from_files([str(path)])
    assert document.text == "Grüße."


@pytest.mark.parametrize(("content", "reason"), [(b"\xff\xfe", "is not UTF-8"), (b" \n", "is empty")])
def test_a_file_that_is_no_text_is_named_with_the_reason(tmp_path, content: bytes, reason: str):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.txt {reason}"):
        from_files([str(path)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        from_files([str(tmp_path / "missing")])
