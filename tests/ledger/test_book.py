"""Appending with injected faults: lost answers, lost places, a locked database, missing permissions."""

import threading
from datetime import UTC, datetime

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, Busy, NotFound, NotWritable
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp, timestamp_from_millis
from lib.ledger.entry.vocabulary import Actor, declared_actor
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.storage.book import append, read_book
from lib.ledger.storage.book_index import ensure_book, find_book_id, read_index_params
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reconcile import sync_model_status
from lib.text import clean_text
from tests.support.ledger_factories import make_opened
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_writer

WINE = ModelIncarnation("wine", "a")


@pytest.fixture
def book_run_id(fresh_store):
    return ensure_book(fresh_store, WINE).book_id


def make_log_param_fail(monkeypatch, backend, error, after_writing, times=1):
    """Let `log_param` fail this many times, before or after it has written."""
    original, failures_left = client(backend).log_param, [times]

    def log_param(*args):
        if not failures_left[0]:
            return original(*args)
        failures_left[0] -= 1
        if after_writing:
            original(*args)
        raise error

    monkeypatch.setattr(client(backend), "log_param", log_param)


def test_an_entry_whose_answer_was_lost_is_written_once(monkeypatch, fresh_store, book_run_id):
    make_log_param_fail(monkeypatch, fresh_store, MlflowException("connection lost", INTERNAL_ERROR), after_writing=True)
    entry = append(make_writer(fresh_store), book_run_id, lambda state: make_opened())
    assert [e.id for e in read_book(fresh_store, book_run_id).book.entries] == [entry]


def test_an_entry_that_was_not_written_is_tried_again(monkeypatch, fresh_store, book_run_id):
    make_log_param_fail(
        monkeypatch, fresh_store, MlflowException("connection lost", INTERNAL_ERROR), after_writing=False, times=3
    )
    append(make_writer(fresh_store), book_run_id, lambda state: make_opened())
    assert read_book(fresh_store, book_run_id).book.head == 1


def test_a_database_that_stays_locked_ends_in_a_clear_error_and_no_entry(monkeypatch, fresh_store, book_run_id):
    make_log_param_fail(
        monkeypatch, fresh_store, MlflowException("database is locked", TEMPORARILY_UNAVAILABLE), after_writing=False, times=99
    )
    with pytest.raises(Busy, match="locked"):
        append(make_writer(fresh_store), book_run_id, lambda state: make_opened())
    assert read_book(fresh_store, book_run_id).book.head == 0


def test_a_reader_without_rights_is_told_so(monkeypatch, fresh_store, book_run_id):
    make_log_param_fail(monkeypatch, fresh_store, MlflowException("READ is not EDIT", PERMISSION_DENIED), after_writing=False)
    with pytest.raises(NotWritable):
        append(make_writer(fresh_store), book_run_id, lambda state: make_opened())


def test_make_is_asked_again_with_the_new_state_when_the_place_was_lost(fresh_store, book_run_id):
    heads = []

    def make(state):
        heads.append(state.book.head)
        if len(heads) == 1:
            append(make_writer(fresh_store), book_run_id, lambda _: make_opened())
        return make_opened(why="re-created")

    append(make_writer(fresh_store), book_run_id, make)
    assert heads == [0, 1]
    assert [e.body.why for e in read_book(fresh_store, book_run_id).book.entries] == ["first look", "re-created"]


def test_a_guard_that_refuses_leaves_nothing(fresh_store, book_run_id):
    def refuse(state):
        raise ActionRefused("no")

    with pytest.raises(ActionRefused):
        append(make_writer(fresh_store), book_run_id, refuse)
    assert append(make_writer(fresh_store), book_run_id, lambda state: None) is None
    assert read_book(fresh_store, book_run_id).book.head == 0


def test_threads_of_one_process_appending_at_once_lose_nothing(fresh_store, book_run_id):
    threads = [
        threading.Thread(target=append, args=(make_writer(fresh_store), book_run_id, lambda state: make_opened()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = read_book(fresh_store, book_run_id)
    assert state.book.head == len(state.book.entries) == 8
    assert state.findings() == ()


def test_a_backend_that_fails_after_the_decision_says_that_it_is_recorded(monkeypatch, fresh_store):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")

    def locked(*_):
        raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", locked)
    with pytest.raises(Busy, match="The decision is in the ledger"):
        move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    assert len(read_book(fresh_store, book_id_of(fresh_store)).open_intents) == 1


def test_each_model_has_one_book_and_finding_writes_nothing(fresh_store):
    assert find_book_id(fresh_store, WINE) is None
    assert read_index_params(fresh_store) == {}
    assert client(fresh_store).get_experiment_by_name("podium-ledger") is None
    wine, beer = ensure_book(fresh_store, WINE), ensure_book(fresh_store, ModelIncarnation("beer", "b"))
    assert ensure_book(fresh_store, WINE).book_id == wine.book_id == find_book_id(fresh_store, WINE)
    assert beer.all_book_ids == {wine.book_id, beer.book_id}


def test_a_book_that_is_not_there_is_named(fresh_store):
    with pytest.raises(NotFound):
        read_book(fresh_store, "f" * 32)


def test_times_are_written_in_utc_with_milliseconds_and_read_back():
    at = datetime(2023, 3, 14, 9, 0, 0, 123000, tzinfo=UTC)
    assert format_timestamp(at) == "2023-03-14T09:00:00.123Z"
    assert parse_timestamp(format_timestamp(at)) == at
    assert timestamp_from_millis(1678784400123) == format_timestamp(at)


def test_control_and_invisible_characters_are_stripped_from_what_people_type():
    assert clean_text(" a\x00b\u202ec\n\nd ") == "a b c d"
    assert declared_actor("ana\u200b") == Actor(name="ana")
