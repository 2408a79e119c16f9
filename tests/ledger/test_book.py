"""Appending under faults that a test must make itself: lost answers, lost places, a locked database, missing rights."""

import threading
from datetime import UTC, datetime

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE

from lib.backends.mlflow_client import client
from lib.errors import Busy, NotFound, NotWritable, Refused
from lib.ledger.entry.vocabulary import Actor, as_text, as_time, declared, from_millis, typed
from lib.ledger.storage.book import append, read
from lib.ledger.storage.book_index import find_book, index_params, open_book
from lib.ledger.storage.book_lookup import Life
from lib.registry.promote import Wish, move
from lib.registry.reconcile import look
from tests.ledger.test_replay import opened
from tests.support.ledger_stores import WHY, book_id, registered, writer

WINE = Life("wine", "a")


@pytest.fixture
def book(fresh_store):
    return open_book(fresh_store, WINE).book


def faulty(monkeypatch, backend, error, after_writing, times=1):
    """Let `log_param` fail so many times, before or after it has written."""
    real, left = client(backend).log_param, [times]

    def log_param(*args):
        if not left[0]:
            return real(*args)
        left[0] -= 1
        if after_writing:
            real(*args)
        raise error

    monkeypatch.setattr(client(backend), "log_param", log_param)


def test_an_entry_whose_answer_was_lost_is_written_once(monkeypatch, fresh_store, book):
    faulty(monkeypatch, fresh_store, MlflowException("connection lost", INTERNAL_ERROR), after_writing=True)
    entry = append(fresh_store, book, lambda state: opened())
    assert [e.id for e in read(fresh_store, book).reading.entries] == [entry]


def test_an_entry_that_was_not_written_is_tried_again(monkeypatch, fresh_store, book):
    faulty(monkeypatch, fresh_store, MlflowException("connection lost", INTERNAL_ERROR), after_writing=False, times=3)
    append(fresh_store, book, lambda state: opened())
    assert read(fresh_store, book).reading.head == 1


def test_a_database_that_stays_locked_ends_in_a_clear_error_and_no_entry(monkeypatch, fresh_store, book):
    faulty(
        monkeypatch, fresh_store, MlflowException("database is locked", TEMPORARILY_UNAVAILABLE), after_writing=False, times=99
    )
    with pytest.raises(Busy, match="locked"):
        append(fresh_store, book, lambda state: opened())
    assert read(fresh_store, book).reading.head == 0


def test_a_reader_without_rights_is_told_so(monkeypatch, fresh_store, book):
    faulty(monkeypatch, fresh_store, MlflowException("READ is not EDIT", PERMISSION_DENIED), after_writing=False)
    with pytest.raises(NotWritable):
        append(fresh_store, book, lambda state: opened())


def test_make_is_asked_again_with_the_new_state_when_the_place_was_lost(fresh_store, book):
    asked = []

    def make(state):
        asked.append(state.reading.head)
        if len(asked) == 1:
            append(fresh_store, book, lambda _: opened())
        return opened(why="re-created")

    append(fresh_store, book, make)
    assert asked == [0, 1]
    assert [e.body.why for e in read(fresh_store, book).reading.entries] == ["first look", "re-created"]


def test_a_guard_that_refuses_leaves_nothing(fresh_store, book):
    def refuse(state):
        raise Refused("no")

    with pytest.raises(Refused):
        append(fresh_store, book, refuse)
    assert append(fresh_store, book, lambda state: None) is None
    assert read(fresh_store, book).reading.head == 0


def test_threads_of_one_process_appending_at_once_lose_nothing(fresh_store, book):
    threads = [threading.Thread(target=append, args=(fresh_store, book, lambda state: opened())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = read(fresh_store, book)
    assert state.reading.head == len(state.reading.entries) == 8
    assert state.findings() == ()


def test_a_backend_that_fails_after_the_decision_says_that_it_is_recorded(monkeypatch, fresh_store):
    registered(fresh_store)
    look(writer(fresh_store), "wine")

    def locked(*_):
        raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", locked)
    with pytest.raises(Busy, match="The decision is in the ledger"):
        move(writer(fresh_store), Wish("wine", "1", "Production", WHY))
    assert len(read(fresh_store, book_id(fresh_store)).open) == 1


def test_each_model_has_one_book_and_finding_writes_nothing(fresh_store):
    assert find_book(fresh_store, WINE) is None
    assert index_params(fresh_store) == {}
    assert client(fresh_store).get_experiment_by_name("podium-ledger") is None
    one, two = open_book(fresh_store, WINE), open_book(fresh_store, Life("beer", "b"))
    assert open_book(fresh_store, WINE).book == one.book == find_book(fresh_store, WINE)
    assert two.known == {one.book, two.book}


def test_a_book_that_is_not_there_is_named(fresh_store):
    with pytest.raises(NotFound):
        read(fresh_store, "f" * 32)


def test_times_are_written_in_utc_with_milliseconds_and_read_back():
    at = datetime(2023, 3, 14, 9, 0, 0, 123000, tzinfo=UTC)
    assert as_text(at) == "2023-03-14T09:00:00.123Z"
    assert as_time(as_text(at)) == at
    assert from_millis(1678784400123) == as_text(at)


def test_control_and_invisible_characters_are_stripped_from_what_people_type():
    assert typed(" a\x00b\u202ec\n\nd ") == "a b c d"
    assert declared("ana\u200b") == Actor(name="ana")
