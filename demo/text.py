"""What the stand-in model knows about language: sentences, words, names, and which sentence fits a question.

Pure functions on strings, deterministic from process to process. Knows nothing of prompts or of storage.
"""

from __future__ import annotations

import math
import re
from collections import Counter

STOP_LIST = """
    a about above after again all also although am an and any are as at be because been before being
    below between both but by can cannot could did do does doing done down during each either else
    even every few for from further get had has have having he her here hers him his how however i
    if in instead into is it its itself just like make many may me might more most much must my need
    no nor not now of off often on once one only or other our out over own perhaps please same see
    several shall she should since so some still such take than that the their them then there these
    they this those though three through thus to too two under until up upon us use used uses using
    very via was we well were what when where whether which while who whom whose why will with
    within without would yes yet you your
"""
# Words that open sentences with a capital and are no names.
OPENERS = """
    add added adds allow allows available by changes check code contributions currently default
    documentation download example examples features first fix fixed following function functions
    important includes install installation instead latest learn let license methods new note notes
    one otherwise package part project provides read requires returns run set similarly simple
    simply support supports thanks things try unfortunately update updated version warning
"""
STOP_WORDS = frozenset(STOP_LIST.split())
NO_NAMES = STOP_WORDS | frozenset(OPENERS.split())
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z0-9\"'(\[])|\n+")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Mr|Mrs|Dr|St|No|Vol|U\.S)|\b[A-Z])\.$")
WORD = re.compile(r"[A-Za-z0-9][\w.+/-]*[\w+]|\w")
NAME_WORD = r"(?:[A-Z][\w]*(?:[.+-][A-Za-z0-9]\w*)*\+*|[a-z]+[A-Z]\w*|[a-z]+\d+\b)"
NAME = re.compile(rf"\b{NAME_WORD}(?: {NAME_WORD}){{0,2}}")
TITLE = re.compile(r"^([A-Za-z][\w-]+): ", re.MULTILINE)


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line, in order, each once, without the marks of Markdown lists."""
    found: list[str] = []
    for part in SENTENCE_END.split(text):
        part = " ".join(part.split()).lstrip("*-+•># ")
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += " " + part
        elif part:
            found.append(part)
    return list(dict.fromkeys(found))


def words(text: str) -> list[str]:
    """The meaningful words of a text, in lower case, with plural endings off."""
    lower = (word.lower().strip(".-/") for word in WORD.findall(text))
    return [singular(word) for word in lower if word and word not in STOP_WORDS]


def singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def names(text: str) -> dict[str, list[str]]:
    """The names in a text, each with the sentences it is in; the most frequent first.

    A name is a run of capitalised words (`Christmas Carol`), a word with a capital or a digit inside
    (`AnyIO`, `h11`), or the word before the colon that opens a paragraph (`tenacity: ...`) wherever it
    comes again.
    """
    titles = {title.lower(): title for title in TITLE.findall(text)}
    found: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for sentence in sentences(text):
        for name in names_of_sentence(sentence, titles):
            key = spelling.setdefault(name.lower(), name)
            if sentence not in found.setdefault(key, []):
                found[key].append(sentence)
    order = sorted(found, key=lambda name: (name.lower() not in titles, -len(found[name]), name))
    return {name: found[name] for name in order}


def names_of_sentence(sentence: str, titles: dict[str, str]) -> list[str]:
    found = [trim(match.group()) for match in NAME.finditer(sentence)]
    found += [titles[word] for word in re.findall(r"[\w-]+", sentence.lower()) if word in titles]
    return list(dict.fromkeys(name for name in found if is_name(name, sentence)))


def trim(name: str) -> str:
    """Without the capitalised words at its ends that only open a sentence: `The Python` is `Python`."""
    parts = name.rstrip(".").split()
    while parts and parts[0].lower() in NO_NAMES:
        parts.pop(0)
    while parts and parts[-1].lower() in NO_NAMES:
        parts.pop()
    return " ".join(parts)


def is_name(name: str, sentence: str) -> bool:
    """A capital at the start of the sentence alone proves nothing, unless the word has another one inside."""
    if len(name) < 3 or name.lower() in NO_NAMES:
        return False
    unusual = " " in name or not name[1:].islower()
    return unusual or not sentence.startswith(name) or name.islower()


def best_sentences(question: str, text: str, count: int) -> list[tuple[float, str]]:
    """The sentences of `text` that share the rarest words with the question, with a score from 0 to 1.

    At most `count`, the best first, no two that say nearly the same, none with less than half the best score.
    """
    candidates = [(sentence, set(words(sentence))) for sentence in sentences(text)]
    candidates = [(sentence, its) for sentence, its in candidates if 5 <= len(sentence.split()) <= 60]
    asked = set(words(question))
    spread = Counter(word for _, its in candidates for word in its & asked)
    weight = {word: math.log(1 + len(candidates) / spread[word]) for word in spread}
    whole = sum(weight.values()) or 1.0

    def score(its: set[str]) -> float:
        return sum(weight[word] for word in sorted(its & asked)) / whole / (1 + 0.02 * len(its))

    ranked = sorted((-score(its), sentence, its) for sentence, its in candidates)
    chosen: list[tuple[float, str, set[str]]] = []
    for negative, sentence, its in ranked:
        if negative > 0.5 * ranked[0][0] or negative == 0 or len(chosen) == count:
            break
        if all(len(its & other) < 0.6 * min(len(its), len(other)) for _, _, other in chosen):
            chosen.append((-negative, sentence, its))
    return [(points, sentence) for points, sentence, _ in chosen]
