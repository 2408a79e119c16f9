"""The command settle: a record restored from a backup, and a completely different store."""

import sqlite3
from contextlib import closing

import pytest

from lib.registry import head_watch
from lib.registry.reader import read_book_state
from tests.support.ledger_stores import book_id_of, clear_book_cache, make_registered_model
from tests.support.ledger_tampering import execute

PROMOTE = ("--reason", "Measured better on the same rows.", "--category", "better")
WHY = ("--reason", "We began again with an empty database.", "--category", "housekeeping")


@pytest.fixture
def promoted(run, fresh_store, monkeypatch):
    """A store whose record this Podium remembers."""
    monkeypatch.setattr(head_watch, "_SECOND_LOOK_SECONDS", 0.0)
    clear_book_cache()
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *PROMOTE)
    run("promote", "wine", "2", "--to", "Staging", *PROMOTE)
    return fresh_store


def test_a_record_that_was_put_back_is_settled_in_it(run, promoted):
    book_id, head = book_id_of(promoted), read_book_state(promoted, "wine").book.head
    execute(promoted, "delete from params where run_uuid = ? and key = ?", book_id, f"{head:06d}")
    execute(promoted, "delete from model_version_tags where key = 'podium.head'")
    clear_book_cache()
    listed = run("settle", "wine", code=3)[0]["findings"]
    assert [(finding["place"], finding["what"]) for finding in listed] == [(head, "book is shorter")]
    _, error = run("promote", "wine", "1", "--to", "Archived", *PROMOTE, code=1)
    assert "settle wine --reason" in error
    document = run("settle", "wine", *WHY)[0]
    assert document["settled"] == listed
    assert document["place"] == head
    assert read_book_state(promoted, "wine").book.entries[head - 1].body.was.place == head
    run("recover", "wine", "--finish", *PROMOTE)
    run("promote", "wine", "1", "--to", "Archived", *PROMOTE)
    assert run("verify")[0]["models"][0]["findings"] == []


def test_another_store_is_accepted_once_with_a_reason(run, promoted, empty_database):
    assert run("settle")[0] == {"findings": []}
    with closing(sqlite3.connect(empty_database)) as template, closing(sqlite3.connect(promoted.path)) as database:
        template.backup(database)
    clear_book_cache()
    make_registered_model(promoted)
    _, error = run("promote", "wine", "1", "--to", "Production", *PROMOTE, code=1)
    assert "settle --reason" in error
    assert [finding["what"] for finding in run("settle", code=3)[0]["findings"]] == ["another store"]
    run("settle", "--reason", "short", "--category", "housekeeping", code=2)
    assert [finding["what"] for finding in run("settle", *WHY)[0]["settled"]] == ["another store"]
    run("promote", "wine", "1", "--to", "Production", *PROMOTE)
    assert run("settle")[0] == {"findings": []}
