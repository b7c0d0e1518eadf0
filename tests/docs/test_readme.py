"""What README.md says can be typed, exists: commands, make goals, settings, methods, files."""

from __future__ import annotations

import argparse
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nano_graphrag_redis
from nano_graphrag_redis import RedisKVStorage, config
from nano_graphrag_redis.cli.parser import build_parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = "\n".join([*BLOCKS, *re.findall(r"`([^`\n]+)`", README)])


def subcommands() -> set[str]:
    actions = build_parser()._actions
    return {name for action in actions if isinstance(action, argparse._SubParsersAction) for name in action.choices}


def test_every_goal_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    goals = set(re.findall(r"\bmake ([a-z][a-z-]*)", COMMANDS))
    assert goals >= {"demo", "test", "lint", "bench"}
    assert goals <= set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def test_every_subcommand_exists() -> None:
    used = set(re.findall(r"\bngr-redis ([a-z]+)", COMMANDS))
    assert used >= {"run", "enable", "disable", "migrate", "export"}
    assert used <= subcommands()


@pytest.mark.parametrize("line", re.findall(r"^ngr-redis (?:migrate|export) .*$", README, re.MULTILINE))
def test_every_option_of_a_subcommand_is_understood(line: str) -> None:
    words = line.partition("#")[0].split()[1:]
    assert build_parser().parse_args(words)


def test_the_table_of_settings_is_the_one_that_the_package_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "nano_graphrag_redis.config"], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    _, _, rest = README.partition("<!-- settings: python -m nano_graphrag_redis.config -->")
    table, _, _ = rest.partition("<!-- /settings -->")
    assert table.strip() == printed


def test_every_setting_that_is_named_exists() -> None:
    known = {setting.name for setting in config.SETTINGS}
    named = set(re.findall(r"`(redis_[a-z_]+)`", README))
    assert named <= known
    variables = set(re.findall(r"\b(REDIS_[A-Z_]+)\b", README))
    assert {name for name in variables if not name.startswith("REDIS_TTL_")} <= {name.upper() for name in known}


def test_every_method_of_the_contract_exists_and_is_async() -> None:
    for name in re.findall(r"^\| `([a-z_]+)\(", README, re.MULTILINE):
        if name != "install":
            assert inspect.iscoroutinefunction(getattr(RedisKVStorage, name)), name


def test_every_python_example_runs() -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        imports = [line for line in code.splitlines() if line.startswith(("from ", "import "))]
        exec("\n".join(imports), {})
        compile(code, "README.md", "exec")
    assert callable(nano_graphrag_redis.install)


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"`?(docker-compose-redis\.yml)`?", README):
        assert (ROOT / name).exists()


def test_the_packages_to_install_are_those_that_the_build_names() -> None:
    build = (ROOT / "setup.py").read_text(encoding="utf-8")
    for tool in ("apt-get", "brew"):
        line = re.search(rf"^{tool} install.*?(?=\s{{2,}}#|$)", README, re.MULTILINE)
        assert line is not None
        assert line.group().strip() in build
