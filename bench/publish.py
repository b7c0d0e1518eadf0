"""Writes what shows the figures: docs/benchmarks.md, its plots, and the numbers in README.md.

    python bench/publish.py                 from docs/benchmarks.json
    python bench/publish.py FILE FOLDER     from another file, into another folder (README.md is left alone)"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness import pages, plots

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
FIGURES = DOCS / "benchmarks.json"


def write_pages(parts: dict[str, Any], folder: Path) -> None:
    (folder / "benchmarks.md").write_text(pages.benchmarks(parts), encoding="utf-8")
    plots.draw_all(parts, folder)


def publish() -> None:
    parts = json.loads(FIGURES.read_text(encoding="utf-8"))
    write_pages(parts, DOCS)
    README.write_text(pages.readme(README.read_text(encoding="utf-8"), parts), encoding="utf-8")
    print(f"written: {DOCS / 'benchmarks.md'}, its plots, and the numbers in {README}")


def main() -> None:
    if len(sys.argv) == 3:
        file, folder = map(Path, sys.argv[1:])
        folder.mkdir(exist_ok=True)
        write_pages(json.loads(file.read_text(encoding="utf-8")), folder)
    else:
        publish()


if __name__ == "__main__":
    main()
