"""The suite's tests of itself: it passes on a correct storage, and fails where it should on each broken one.

They run the suite as a user does, in a process of its own with --kv, on one server.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytestmark = pytest.mark.not_sanitized(
    reason="it tests the tests, for minutes, with storages in Python: no C code of ours runs"
)

HERE = Path(__file__).parent

BROKEN = {  # a faulty storage, and tests that must find the fault
    "wrong_order": {"test_a_batch_comes_back_in_the_order_asked_for"},
    "lost_duplicate": {"test_duplicate_ids_are_answered_each_time"},
    "stale_fields": {"test_each_call_filters_by_its_own_fields"},
    "glob_drop": {"test_drop_and_all_keys_keep_to_their_namespace", "test_a_prefix_is_no_pattern_either"},
    "silent_outage": {
        "test_a_server_that_was_never_there_is_an_error",
        "test_a_server_that_died_is_an_error",
    },
}
HARMLESS = "test_a_record_comes_back_whole"  # passes on all of them


def run_suite(storage: str, folder: Path, *arguments: str) -> tuple[set[str], set[str]]:
    """Runs the contract suite on a storage; answers the names of the tests that passed and that failed."""
    report = folder / "report.xml"
    options = [
        "--kv",
        storage,
        "--kv-server",
        "redis",
        f"--junitxml={report}",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), *options, *arguments],
        cwd=HERE.parent.parent, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    verdicts: dict[bool, set[str]] = {True: set(), False: set()}
    for case in ET.parse(report).iter("testcase"):
        assert case.find("skipped") is None, f"{case.get('name')} was skipped"
        assert case.find("error") is None, f"{case.get('name')} could not run:\n{done.stdout}"
        verdicts[case.find("failure") is None].add(str(case.get("name")).partition("[")[0])
    return verdicts[True] - verdicts[False], verdicts[False]


def test_a_correct_storage_passes_the_whole_suite(tmp_path: Path) -> None:
    passed, failed = run_suite("plain:RedisKVStorage", tmp_path)
    assert failed == set()
    assert len(passed) > 100


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_storage_fails_where_its_fault_is(fault: str, tmp_path: Path) -> None:
    chosen = " or ".join({*BROKEN[fault], HARMLESS})
    passed, failed = run_suite(f"broken.{fault}:RedisKVStorage", tmp_path, "-k", chosen)
    assert failed == BROKEN[fault]
    assert passed == {HARMLESS}, "a fault must not be found for another reason"


@pytest.mark.parametrize("fault", ["wrong_order", "lost_duplicate", "stale_fields", "glob_drop"])
def test_random_operations_find_a_fault_too(fault: str, tmp_path: Path) -> None:
    random_operations = "test_random_operations_get_the_answers_of_the_oracle"
    options = ("-k", random_operations, "--hypothesis-profile", "first-failure")
    assert run_suite(f"broken.{fault}:RedisKVStorage", tmp_path, *options) == (set(), {random_operations})


def test_a_class_without_its_module_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE), "--kv", "RedisKVStorage", "-p", "no:cacheprovider"],
        cwd=HERE.parent.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "say module:Class" in done.stderr
