"""`ngr-redis run`: a program that only says `from nano_graphrag import GraphRAG` uses Redis, unchanged."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from nano_graphrag_redis.integration.launcher import FOLDER, launch_environment

RUN = ("-m", "nano_graphrag_redis", "run")
APP = (
    "from nano_graphrag import GraphRAG\n"
    "print('storage:', type(GraphRAG('work').full_docs).__name__)\n"
    "import sys; print('arguments:', sys.argv[1:])\n"
)


@pytest.fixture
def app(tmp_path: Path) -> str:
    tmp_path.joinpath("app.py").write_text(APP)
    return "app.py"


def test_program_uses_redis(run_python: Any, app: str) -> None:
    result = run_python(*RUN, sys.executable, app, "--port", "-x", STORAGE_KV_BACKEND="redis")
    assert "storage: RedisKVStorage" in result.stdout, result.stderr
    assert "arguments: ['--port', '-x']" in result.stdout


def test_module_uses_redis(run_python: Any, app: str) -> None:
    result = run_python(*RUN, "-m", "app", "--flag", STORAGE_KV_BACKEND="redis")
    assert "storage: RedisKVStorage" in result.stdout, result.stderr
    assert "arguments: ['--flag']" in result.stdout


def test_child_process_uses_redis_too(run_python: Any, app: str, tmp_path: Path) -> None:
    tmp_path.joinpath("parent.py").write_text(
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, 'app.py']).returncode)"
    )
    result = run_python(*RUN, sys.executable, "parent.py", STORAGE_KV_BACKEND="redis")
    assert "storage: RedisKVStorage" in result.stdout, result.stderr


def test_variable_set_by_the_program_itself_counts(run_python: Any, tmp_path: Path) -> None:
    program = f"import os; os.environ['STORAGE_KV_BACKEND'] = 'redis'\n{APP}"
    tmp_path.joinpath("app.py").write_text(program)
    result = run_python(*RUN, sys.executable, "app.py")
    assert "storage: RedisKVStorage" in result.stdout, result.stderr


def test_without_the_variable_json_is_used_and_said(run_python: Any, app: str) -> None:
    result = run_python(*RUN, sys.executable, app)
    assert "storage: JsonKVStorage" in result.stdout, result.stderr
    assert "STORAGE_KV_BACKEND is not set" in result.stderr


def test_explicit_json_is_quiet(run_python: Any) -> None:
    result = run_python(*RUN, sys.executable, "-c", "pass", STORAGE_KV_BACKEND="json")
    assert (result.returncode, result.stderr) == (0, "")


def test_unknown_backend_stops_before_the_program(run_python: Any) -> None:
    result = run_python(*RUN, sys.executable, "-c", "print('ran')", STORAGE_KV_BACKEND="reddis")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("ngr-redis: STORAGE_KV_BACKEND is 'reddis'")
    assert len(result.stderr.splitlines()) == 1


def test_unknown_backend_set_by_the_program_fails_its_import(run_python: Any) -> None:
    program = "import os; os.environ['STORAGE_KV_BACKEND'] = 'reddis'; import nano_graphrag"
    result = run_python(*RUN, sys.executable, "-c", program)
    assert "ConfigurationError: STORAGE_KV_BACKEND is 'reddis'" in result.stderr
    assert result.returncode == 1


def test_exit_code_is_that_of_the_command(run_python: Any) -> None:
    program = "import sys; sys.exit(7)"
    assert run_python(*RUN, sys.executable, "-c", program, STORAGE_KV_BACKEND="redis").returncode == 7


def test_signal_is_that_of_the_command(run_python: Any) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    result = run_python(*RUN, sys.executable, "-c", program, STORAGE_KV_BACKEND="redis")
    assert result.returncode == -signal.SIGTERM


def test_command_replaces_the_launcher(run_python: Any) -> None:
    """No process stays in between that would have to pass signals on."""
    program = "import os; print(os.getppid())"
    result = run_python(*RUN, sys.executable, "-c", program, STORAGE_KV_BACKEND="json")
    assert int(result.stdout) == os.getpid()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("no-such-command",), 127, "no-such-command: command not found"),
        (("script.py",), 127, "to run a script: ngr-redis run python script.py"),
        (("./folder",), 127, "./folder: command not found"),
        (("./broken",), 126, "./broken is there but cannot be started: "),
        ((), 2, "no command given"),
    ],
)
def test_command_that_cannot_start(
    run_python: Any, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    tmp_path.joinpath("script.py").write_text("")
    tmp_path.joinpath("folder").mkdir()
    tmp_path.joinpath("broken").write_text("#!/no/such/interpreter\n")
    tmp_path.joinpath("broken").chmod(0o755)
    result = run_python(*RUN, *arguments, STORAGE_KV_BACKEND="redis")
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_double_dash_ends_our_arguments(run_python: Any) -> None:
    result = run_python(*RUN, "--", sys.executable, "-c", "print('ran')", STORAGE_KV_BACKEND="json")
    assert result.stdout == "ran\n"


def test_nothing_but_the_hook_is_loaded_until_nano_graphrag_is(run_python: Any) -> None:
    program = "import sys; print(sorted(name for name in sys.modules if name.startswith('nano')))"
    result = run_python(*RUN, sys.executable, "-c", program, STORAGE_KV_BACKEND="redis")
    assert "'nano_graphrag'" not in result.stdout
    assert "nano_graphrag_redis.integration.install" not in result.stdout
    assert "nano_graphrag_redis.integration.hook" in result.stdout


def test_sitecustomize_of_the_environment_still_runs(run_python: Any, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text("import sys; sys.was_customized = True")
    program = "import sys, sitecustomize; print(sys.was_customized, sitecustomize.__file__)"
    result = run_python(*RUN, sys.executable, "-c", program, path=(folder,), STORAGE_KV_BACKEND="redis")
    assert result.stdout == f"True {folder / 'sitecustomize.py'}\n", result.stderr


def test_error_in_the_sitecustomize_of_the_environment_is_shown_and_survived(
    run_python: Any, tmp_path: Path, app: str
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    folder.joinpath("sitecustomize.py").write_text("raise RuntimeError('their mistake')")
    result = run_python(*RUN, sys.executable, app, path=(folder,), STORAGE_KV_BACKEND="redis")
    assert "their mistake" in result.stderr
    assert "storage: RedisKVStorage" in result.stdout


def test_launch_folder_is_not_on_the_path_of_the_program(run_python: Any) -> None:
    program = f"import sys; print({FOLDER!r} in sys.path, 'sitecustomize' in sys.modules)"
    result = run_python(*RUN, sys.executable, "-c", program, STORAGE_KV_BACKEND="redis")
    assert result.stdout == "False True\n"


def test_python_without_our_package_starts_and_is_quiet(run_python: Any, bare_python: str) -> None:
    environ = launch_environment({})
    result = run_python("-c", "print('ran')", python=bare_python, **environ)
    assert (result.stdout, result.stderr) == ("ran\n", "")


def test_python_with_nano_graphrag_but_without_our_package_says_so(
    run_python: Any, bare_python: str, fork_home: Path
) -> None:
    environ = launch_environment({"PYTHONPATH": str(fork_home)})
    result = run_python("-c", "print('ran')", python=bare_python, **environ)
    assert result.stdout == "ran\n"
    assert "has nano-graphrag but not nano-graphrag-redis" in result.stderr


def test_launch_folder_comes_first_and_once() -> None:
    environ = launch_environment(launch_environment({"PYTHONPATH": "/a:/b", "OTHER": "kept"}))
    assert environ == {"PYTHONPATH": f"{FOLDER}:/a:/b", "OTHER": "kept"}


def test_empty_entry_of_pythonpath_keeps_its_meaning() -> None:
    assert launch_environment({"PYTHONPATH": ":/a"})["PYTHONPATH"] == f"{FOLDER}::/a"
    assert launch_environment({"PYTHONPATH": ""})["PYTHONPATH"] == FOLDER


def test_launch_folder_is_a_package_so_that_wheels_contain_it() -> None:
    assert Path(FOLDER, "__init__.py").is_file()


def test_no_pth_file_is_shipped() -> None:
    """It is written by `enable` alone: a wheel that brings one acts without being asked."""
    assert list(Path(FOLDER).parent.parent.rglob("*.pth")) == []
