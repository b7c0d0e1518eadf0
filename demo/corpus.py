"""The text that the demo indexes: the user's files, or the descriptions of the installed packages.

The descriptions are real prose that every machine has after the installation: up to a few pages for each
package, by its authors. They are Markdown or reStructuredText; `prose` keeps their sentences alone.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LONGEST = 8000  # characters of one description: a changelog of 100 KB would drown the others
REQUIREMENTS = Path(__file__).parent / "requirements.txt"


@dataclass(frozen=True)
class Document:
    name: str
    text: str


def from_files(paths: list[str]) -> list[Document]:
    """Reads the user's files, as UTF-8; OSError or ValueError names the file that cannot be read."""
    documents = []
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from None
        if not text:
            raise ValueError(f"{path} is empty")
        documents.append(Document(path, text))
    return documents


def from_packages() -> list[Document]:
    """One document for each package of requirements.txt, in its order, so that every machine has the same."""
    names = re.findall(r"^([\w-]+)==", REQUIREMENTS.read_text(), re.MULTILINE)
    documents = []
    for name in names:
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue  # one of another Python version
        description = about.get("Description") or str(about.get_payload() or "")
        text = f"{about['Name']}: {about['Summary'].rstrip('.')}.\n\n{prose(description)}"
        documents.append(Document(name, shorten(text, LONGEST)))
    return documents


def shorten(text: str, limit: int) -> str:
    """The whole paragraphs that fit into `limit` characters."""
    kept: list[str] = []
    for paragraph in text.split("\n\n"):
        limit -= len(paragraph) + 2
        if limit < 0:
            break
        kept.append(paragraph)
    return "\n\n".join(kept).strip()


MARKUP = [  # (what is no prose, what stays of it); applied in this order
    (r"(?s)<!--.*?-->", ""),
    (r"(?ms)^(```|~~~).*?^\1", ""),  # fenced code
    (r"(?m)^.*::[ \t]*\n(?:[ \t]*\n|[ \t]+\S.*\n?)+", "\n"),  # the block that `::` announces, and directives
    (r'(?m)^.+\n([-=~^"#*+])\1{3,}[ \t]*$', ""),  # underlined titles
    (r"(?m)^\.\. .*\n(?:[ \t]+\S.*\n)*", "\n"),  # directives and targets without a block
    (r"(?s)<(table|details|picture)\b.*?</\1>", ""),
    (r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])", ""),  # images
    (r"\[\s*\](\([^)]*\)|\[[^\]]*\])?", ""),  # links around nothing: a badge was in them
    (r"\[![A-Z]+\]", ""),  # admonitions
    (r"\[([^\]]+)\](\([^)]*\)|\[[^\]]*\])", r"\1"),  # links
    (r"`([^`<]+?)\s*<[^>`]+>`_{0,2}", r"\1"),  # links, the other way
    (r":\w+:`([^`]*)`", r"\1"),  # roles
    (r"</?[a-zA-Z][^>]*>", ""),
    (r"\|[\w -]+\|_?", ""),  # substitutions
    (r"`+([^`]*)`+_{0,2}", r"\1"),
    (r"(?<=\S)\*+|\*+(?=\S)", ""),  # emphasis
    (r"(?<![\w])_+(?=\w)|(?<=\S)_+(?!\w)", ""),
    (r"https?://\S+", ""),
    (r"(?m)^[ \t]*>[ >]*", ""),  # quotations
    (r"[\u2190-\u2bff\ufe0f\U0001f000-\U0001ffff]", ""),  # pictures
]
NO_PROSE = re.compile(
    r"^\s*(#|from \w+ import |import \w+\b|>>>|\$|\||\+[-=]|\[[^\]]+\]:|[-=~^*_#\"']{3,}\s*$)"
)
BULLET = re.compile(r"^\s*([-*+•]|\d+\.)\s+")


def prose(markup: str) -> str:
    """The paragraphs of a Markdown or reStructuredText page that are sentences; no code, tables or badges."""
    text = markup.replace("\r\n", "\n")
    for pattern, kept in MARKUP:
        text = re.sub(pattern, kept, text)
    paragraphs = [join_lines(block) for block in re.split(r"\n\s*\n", html.unescape(text))]
    return "\n\n".join(dict.fromkeys(paragraph for paragraph in paragraphs if paragraph))


def join_lines(block: str) -> str:
    """The items of a list, or the lines of a paragraph, as sentences on one line."""
    items: list[str] = []
    for line in block.splitlines():
        if NO_PROSE.match(line) or not line.strip():
            continue
        if BULLET.match(line) or not items:
            items.append(BULLET.sub("", line).strip())
        else:
            items[-1] += " " + line.strip()
    items = [" ".join(item.split()) for item in items]
    return " ".join(item if item[-1] in ".!?" else item + "." for item in items if is_prose(item))


def is_prose(text: str) -> bool:
    """Words rather than code, and not the announcement of code that is gone."""
    letters = sum(c.isalpha() or c in " ,.'" for c in text)
    return len(text.split()) >= 5 and letters >= 0.9 * len(text) and text[-1] != ":"
