"""What is installed, what it needs and what it is linked with: nothing beside the package, the system's libraries."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_package_needs_no_other_at_run_time() -> None:
    assert PROJECT["project"]["dependencies"] == []


def test_what_is_installed_is_the_package_and_nothing_beside_it() -> None:
    """A .pth file, a script or a data file outside of the package would act without being asked."""
    settings = PROJECT["tool"]["setuptools"]
    assert settings["packages"]["find"]["include"] == ["nano_graphrag_redis", "nano_graphrag_redis.*"]
    assert settings["package-data"] == {"nano_graphrag_redis": ["py.typed", "*.pyi"]}
    assert settings["include-package-data"] is False
    assert not {"py-modules", "data-files", "script-files"} & settings.keys()
    assert re.findall(r"^setup\((.*)\)$", (ROOT / "setup.py").read_text(), re.MULTILINE) == [
        "ext_modules=[extension()]"
    ]
    assert not [*(ROOT / "nano_graphrag_redis").rglob("*.pth")]


def test_building_fetches_nothing() -> None:
    build = (ROOT / "setup.py").read_text()
    assert PROJECT["build-system"]["requires"] == [next(iter(PROJECT["build-system"]["requires"]))]
    assert PROJECT["build-system"]["requires"][0].startswith("setuptools")
    assert not re.search(r"urllib|http|socket|requests|curl|wget|git ", build)


def test_the_libraries_are_those_of_the_system() -> None:
    extension = importlib.util.find_spec("nano_graphrag_redis._native")
    assert extension is not None, "the extension is not built: pip install -e ."
    assert extension.origin is not None
    tool = ["otool", "-L"] if sys.platform == "darwin" else ["readelf", "-d"]
    listing = subprocess.run([*tool, extension.origin], check=True, capture_output=True, text=True).stdout
    assert {"hiredis", "cjson", "ssl", "crypto"} <= set(re.findall(r"\blib([a-z]+)", listing))


def test_every_source_file_is_our_own() -> None:
    """A vendored file says whose it is."""
    for file in [*(ROOT / "src").glob("*/*.[ch]"), *(ROOT / "nano_graphrag_redis").rglob("*.py")]:
        assert not re.search(r"copyright|\(c\) \d{4}|SPDX-", file.read_text(), re.IGNORECASE), file
