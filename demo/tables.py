"""Brings the token table of gpt-4o to where tiktoken looks for it.

tiktoken would download the table from a host that not every machine can reach. The same bytes are in a wheel,
which is fetched from the package index, checked and thrown away again. Knows nothing of the rest of the demo.

    python -m demo.tables FOLDER
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llama-index-core==0.14.25"
TABLE = "fb374d419588a4632f3f557e76b4b70aebbca790"  # o200k_base, by the name that tiktoken gives it
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"  # tiktoken's own


def is_good(table: bytes) -> bool:
    return hashlib.sha256(table).hexdigest() == SHA256


def read_from_wheel() -> bytes:
    """Downloads WHEEL into a temporary folder and returns the table in it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "download", "--no-deps", "--dest", folder, WHEEL], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"llama_index/core/_static/tiktoken_cache/{TABLE}")


def install(folder: Path) -> None:
    """Makes sure that a good table is in `folder`; the file appears whole or not at all."""
    target = folder / TABLE
    if target.exists() and is_good(target.read_bytes()):
        return
    table = read_from_wheel()
    if not is_good(table):
        sys.exit(f"demo: the token table in {WHEEL} has not the expected SHA-256; nothing was installed")
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.write_bytes(table)
    partial.replace(target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m demo.tables FOLDER")
    install(Path(sys.argv[1]))
