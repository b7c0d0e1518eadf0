"""What the stand-in model knows about language, as tables of facts."""

from __future__ import annotations

import pytest

from demo.text import best_sentences, names, sentences, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Broken\nacross lines. Next", ["Broken", "across lines.", "Next"]),
        ("Mr. Smith and Dr. Jones met.", ["Mr. Smith and Dr. Jones met."]),
        ("See J. Doe, e.g. Tom, here. End.", ["See J. Doe, e.g. Tom, here.", "End."]),
        ("Version 3.11 of a.b.c is out. Yes.", ["Version 3.11 of a.b.c is out.", "Yes."]),
        ("Twice. Twice.", ["Twice."]),
        ("  many   spaces.  ", ["many spaces."]),
        ("* An item.\n- Another item.\n> A quotation.", ["An item.", "Another item.", "A quotation."]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]):
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The libraries of asyncio", ["library", "asyncio"]),
        ("HTTP/2 classes, C++ and e-mail.", ["http/2", "classe", "c++", "e-mail"]),
        ("is of the", []),
    ],
)
def test_words_are_the_meaningful_ones_in_one_form(text: str, expected: list[str]):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We met Scrooge in London.", {"Scrooge", "London"}),
        ("Christmas Carol was written by Charles Dickens.", {"Christmas Carol", "Charles Dickens"}),
        ("It works with AnyIO and h11.", {"AnyIO", "h11"}),
        ("The Python language.", {"Python"}),
        ("However, nothing happened.", set()),
        ("tenacity: a tool.\n\nUse tenacity often.", {"tenacity"}),
        ("nothing here at all.", set()),
    ],
)
def test_names(text: str, expected: set[str]):
    assert set(names(text)) == expected


def test_a_name_in_two_spellings_is_one_name_with_all_its_sentences():
    found = names("openai: A client. It talks to OpenAI.\n\nThe OpenAI service answers.")
    assert found == {"openai": ["openai: A client.", "It talks to OpenAI.", "The OpenAI service answers."]}


def test_the_most_frequent_name_comes_first():
    assert list(names("We saw Rome. Then Rome and Paris.")) == ["Rome", "Paris"]


TEXT = """
AnyIO works on top of asyncio or Trio. Requests is a simple HTTP library for Python. Requests is a very simple
HTTP library. NumPy is about arrays and linear algebra. Trio is a friendly library for asynchronous programs.
""".replace("\n", " ")


def test_the_sentence_with_the_rarest_shared_words_comes_first():
    assert (
        best_sentences("What works with asyncio?", TEXT, 1)[0][1] == "AnyIO works on top of asyncio or Trio."
    )


def test_nearly_equal_sentences_are_given_once():
    found = [sentence for _, sentence in best_sentences("Which simple HTTP library is there?", TEXT, 5)]
    assert sum("Requests" in sentence for sentence in found) == 1


def test_scores_fall_and_lie_between_0_and_1():
    scores = [score for score, _ in best_sentences("Which library is for Trio and asyncio?", TEXT, 5)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_no_sentence_is_given_for_a_question_about_something_else():
    assert best_sentences("Who painted the ceiling?", TEXT, 5) == []
