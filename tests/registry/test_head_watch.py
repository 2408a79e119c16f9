"""Records cut, rewritten, removed or replaced outside Podium raise alarms and block decisions; legitimate changes do not."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import BOOK_TAG, LEDGER_EXPERIMENT
from lib.errors import LedgerBroken, MissingPermission, NotFound, PodiumError, RecordInDoubt
from lib.ledger.chain.hash_chain import param_key
from lib.ledger.entry.schema_2_types import HeadRef, Settlement
from lib.ledger.state import volumes
from lib.ledger.storage.book import append, read_book
from lib.ledger.storage.index_run import find_index_id
from lib.registry import head_watch
from lib.registry.head_watch import HeadWatch, check_heads, find_head_alarms
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.registry.settle import settle as settle_record
from lib.registry.unsettled import list_unsettled
from tests.conftest import copy_store
from tests.support.ledger_stores import (
    DECISION,
    REASON,
    book_id_of,
    clear_book_cache,
    make_registered_model,
    make_remembering_writer,
    make_writer,
)
from tests.support.ledger_tampering import (
    drop_the_tags,
    execute,
    plant_an_index,
    purge_run,
    rename_both,
    replace_the_record,
    rewrite_book,
)
from tests.support.variants import thin


@pytest.fixture(scope="module")
def recorded_database(tmp_path_factory, empty_database):
    """A template database with the record of one model, wine: v1, then v2 in Production."""
    backend = copy_store(empty_database, tmp_path_factory.mktemp("recorded"))
    make_registered_model(backend)
    for version in "12":
        move_version(make_writer(backend), MoveRequest("wine", version, "Production"), DECISION)
    return backend.path


@pytest.fixture
def writer(recorded_database, tmp_path, monkeypatch):
    """A Podium that has seen the record of wine, on a store of its own."""
    monkeypatch.setattr(head_watch, "_SECOND_LOOK_SECONDS", 0.0)
    clear_book_cache()  # copies of one database contain the same runs
    writer = make_remembering_writer(copy_store(recorded_database, tmp_path / "store"), tmp_path / "home")
    assert alarms(writer) == []
    assert known_wine(writer).model == "wine"
    return writer


def watch_of(writer):
    return HeadWatch(writer.memory, writer.clock)


def alarms(writer):
    clear_book_cache()
    return [(a.known.model, a.what) for a in find_head_alarms(writer.backend, watch_of(writer))]


def known_wine(writer):
    (head,) = [head for head in writer.memory.read(writer.backend).heads.values() if head.model == "wine"]
    return head


def promote(writer, version="3", model="wine", to="Production"):
    clear_book_cache()
    return move_version(writer, MoveRequest(model, version, to), DECISION).outcome


def check_no_decision(writer, what, model="wine"):
    """Every reader gets the alarm, no decision is accepted, and nothing is written to the store."""
    assert (model, what) in alarms(writer)
    before = execute(writer.backend, "select (select count(*) from params), (select count(*) from runs)")
    with pytest.raises(LedgerBroken, match=what) as error:
        promote(writer, model=model)
    assert "No decision is accepted" in str(error.value)
    assert execute(writer.backend, "select (select count(*) from params), (select count(*) from runs)") == before
    assert (model, what) in alarms(writer)


def cut_book(backend, places, model="wine"):
    """Remove the last places of a book from the database, with the heads on its versions that would reveal it."""
    book_id = book_id_of(backend, model)
    head = read_book(backend, book_id).book.head
    for place in range(head - places + 1, head + 1):
        execute(backend, "delete from params where run_uuid = ? and key = ?", book_id, param_key(place))
    execute(backend, "delete from model_version_tags where key = 'podium.head'")


def rewrite_in_place(backend, replacement=("ana", "ben")):
    """Rewrite every entry of the book of wine in its own run, by SQL."""
    mlflow, book_id = client(backend), book_id_of(backend)
    experiment_id = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    from lib.ledger.chain.hash_chain import chain_seed, encode_entry

    params, chain = mlflow.get_run(book_id).data.params, chain_seed(book_id)
    for place in sorted(name for name in params if name.isdecimal()):
        entry_id, _, _, text = params[place].split(" ", 3)
        value, _ = encode_entry(entry_id, text.replace(*map('"{}"'.format, replacement)), chain)
        execute(backend, "update params set value = ? where run_uuid = ? and key = ?", value, book_id, place)
        chain = value.split(" ", 3)[2]
    drop_the_tags(mlflow)
    mlflow.set_registered_model_tag("wine", BOOK_TAG, book_id)
    return experiment_id


def settle(writer, known, book_id=None):
    """Write the entry of `settle`: a person accepts the present book in place of the known one."""
    present_id = book_id or known.book_id
    book = read_book(writer.backend, present_id).book
    body = Settlement(
        **writer.common_fields("wine"),
        was=HeadRef(book=known.book_id, place=known.position, chain=known.chain),
        now=HeadRef(book=present_id, place=book.head, chain=book.chain),
        why="book is shorter",
        reason=REASON,
    )
    assert append(writer, present_id, lambda _: body, settles=True)


# Attacks


def test_a_book_whose_end_was_cut_off(writer):
    cut_book(writer.backend, 2)
    check_no_decision(writer, "book is shorter")


def test_a_book_without_a_single_entry_left(writer):
    cut_book(writer.backend, known_wine(writer).position)
    assert alarms(writer) == [("wine", "book is shorter")]


def test_a_book_that_was_cut_and_grew_again(writer):
    cut_book(writer.backend, 2)
    body = read_book_state(writer.backend, "wine").book.entries[-1].body
    for _ in range(3):
        append(make_writer(writer.backend), known_wine(writer).book_id, lambda _: body)
    check_no_decision(writer, "chain differs")


def test_a_book_that_was_rewritten_in_its_own_run(writer):
    rewrite_in_place(writer.backend)
    check_no_decision(writer, "chain differs")


def test_a_record_that_was_replaced_with_every_tag_redirected(writer):
    """Attack R3."""
    replace_the_record(client(writer.backend), book_id_of(writer.backend))
    check_no_decision(writer, "another book")


def test_a_record_that_was_replaced_and_then_removed_for_good(writer):
    make_registered_model(writer.backend, "beer")
    promote(writer, "1", "beer")
    book_id = book_id_of(writer.backend)
    old_index_id, _ = replace_the_record(client(writer.backend), book_id)
    for run_id in (book_id, old_index_id):
        purge_run(writer.backend, run_id)
    check_no_decision(writer, "another book")


def test_a_record_that_was_hidden_twice_under_other_names(writer):
    """Attack R4, and again for the record that began after it."""
    mlflow = client(writer.backend)
    rename_both(mlflow)
    drop_the_tags(mlflow)
    assert alarms(writer) == [("wine", "another book")]
    with pytest.raises(LedgerBroken):
        promote(writer)
    index_id = plant_an_index(
        mlflow, rewrite_book(mlflow, known_wine(writer).book_id, mlflow.create_experiment(LEDGER_EXPERIMENT)), "0"
    )
    mlflow.create_experiment("podium-ledger-index", tags={"podium.index": index_id})
    assert alarms(writer) == [("wine", "another book")]
    rename_with_suffix = [
        (e.experiment_id, f"{e.name}-x") for e in mlflow.search_experiments() if e.name.startswith("podium-ledger")
    ]
    for experiment_id, name in rename_with_suffix:
        mlflow.rename_experiment(experiment_id, name)
    assert alarms(writer) == [("wine", "another book")]


def test_no_record_begins_in_place_of_one_that_was_removed_for_good(writer):
    book_id, mlflow = book_id_of(writer.backend), client(writer.backend)
    index_id = find_index_id(writer.backend)
    rename_both(mlflow)
    drop_the_tags(mlflow)
    for experiment in mlflow.search_experiments():
        if "podium.index" in experiment.tags:
            execute(writer.backend, "delete from experiment_tags where key = 'podium.index'")
    purge_run(writer.backend, index_id)
    mlflow.set_tag(book_id, "podium.kind", "note")
    execute(writer.backend, "delete from params where run_uuid = ?", book_id)
    mlflow.delete_tag(book_id, "podium.kind")
    check_no_decision(writer, "another book")


def test_the_book_of_a_deleted_model_that_was_removed(writer):
    client(writer.backend).delete_registered_model("wine")
    sync_model_status(writer, "wine")
    assert alarms(writer) == []
    purge_run(writer.backend, known_wine(writer).book_id)
    assert alarms(writer) == [("wine", "book gone")]


def test_a_model_that_was_given_the_book_of_another_one(writer):
    """Add an OPENED for wine to the book of beer and redirect the tag of wine, so that tag and index agree."""
    make_registered_model(writer.backend, "beer")
    promote(writer, "1", "beer")
    beer_id, mlflow = book_id_of(writer.backend, "beer"), client(writer.backend)
    opened = read_book_state(writer.backend, "wine").book.entries[0].body
    append(make_writer(writer.backend), beer_id, lambda _: opened)
    drop_the_tags(mlflow)
    mlflow.set_registered_model_tag("wine", BOOK_TAG, beer_id)
    check_no_decision(writer, "another book")


def test_a_memory_that_cannot_be_read_stops_the_decision(writer):
    writer.memory.file.write_text("damaged")
    with pytest.raises(LedgerBroken, match="cannot be read"):
        promote(writer)


def test_a_cut_between_look_and_append_is_noticed_by_append(writer, monkeypatch):
    status = sync_model_status(writer, "wine")
    cut_book(writer.backend, 2)
    body = read_book_state(writer.backend, "wine").book.entries[-1].body
    with pytest.raises(LedgerBroken, match="book is shorter"):
        append(writer, status.book_id, lambda _: body)


# Another store


@pytest.fixture
def exchanged(writer, empty_database):
    """Replace the database by another one with a model of the same name and no ledger yet."""
    with closing(sqlite3.connect(empty_database)) as template, closing(sqlite3.connect(writer.backend.path)) as database:
        template.backup(database)
    make_registered_model(writer.backend)
    return writer


def test_another_store_is_one_alarm_for_all_books_and_no_decision_until_somebody_accepts_it(exchanged):
    assert alarms(exchanged) == [("", "another store")]
    for model in ("wine", "beer"):
        if model == "beer":
            make_registered_model(exchanged.backend, "beer")
        with pytest.raises(LedgerBroken, match="another store"):
            promote(exchanged, model=model)
    assert exchanged.memory.accept_store(
        exchanged.backend, "", datetime.now(UTC), "ana", "The tests begin with an empty database."
    )
    assert alarms(exchanged) == []
    assert promote(exchanged) == "applied"
    assert alarms(exchanged) == []


def test_in_another_store_nothing_is_decided_about_a_model_that_nobody_knew(exchanged):
    make_registered_model(exchanged.backend, "beer")
    promote(make_writer(exchanged.backend), "1", "beer")
    with pytest.raises(RecordInDoubt, match="another store"):
        promote(exchanged, "2", "beer")


def test_another_store_with_a_record_of_its_own_is_one_alarm_too(exchanged):
    promote(make_writer(exchanged.backend))
    assert alarms(exchanged) == [("", "another store")]
    exchanged.memory.accept_store(
        exchanged.backend, find_index_id(exchanged.backend), datetime.now(UTC), "ana", "An empty database."
    )
    assert alarms(exchanged) == []
    cut_book(exchanged.backend, 1)
    assert alarms(exchanged) == [("wine", "book is shorter")]


# Settlements


def test_a_settlement_explains_the_change_before_it_and_none_after_it(writer):
    cut_book(writer.backend, 2)
    settle(writer, known_wine(writer))
    assert alarms(writer) == []
    sync_model_status(writer, "wine")
    cut_book(writer.backend, 1)
    check_no_decision(writer, "book is shorter")


def test_a_settlement_by_a_key_that_is_not_trusted_here_explains_nothing(writer, tmp_path):
    cut_book(writer.backend, 2)
    settle(make_remembering_writer(writer.backend, tmp_path / "another home"), known_wine(writer))
    assert alarms(writer) == [("wine", "book is shorter")] or alarms(writer) == [("wine", "chain differs")]


def test_a_settlement_in_the_book_now_there_explains_the_one_it_replaces(writer):
    first = known_wine(writer)
    replace_the_record(client(writer.backend), first.book_id)
    present_id = book_id_of(writer.backend)
    settle(replace(writer, memory=None), first, present_id)
    assert alarms(writer) == []
    assert promote(writer) == "applied"
    assert known_wine(writer).book_id == present_id


def replace_record(backend):
    """Attack R3."""
    replace_the_record(client(backend), book_id_of(backend))


def cut_the_end(backend):
    """The last decision and its closing are gone, so its move looks like an outside move."""
    cut_book(backend, 2)


def remove_book(backend):
    purge_run(backend, book_id_of(backend))


@pytest.mark.parametrize("change", thin([cut_the_end, rewrite_in_place, replace_record, remove_book], 3))
def test_a_person_looks_gives_a_reason_and_decisions_go_on(writer, monkeypatch, tmp_path, change):
    """For example, a backup was restored. The entry names the old and the new head; the next change raises an alarm again."""
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    was = known_wine(writer)
    change(writer.backend)
    with pytest.raises(PodiumError):
        promote(writer, to="Staging")
    clear_book_cache()
    unsettled = list_unsettled(writer.backend, "wine", watch_of(writer))
    assert [alarm.known for alarm in unsettled.alarms] == [was]
    settled = settle_record(writer, "wine", unsettled, REASON)
    body = next(e.body for e in read_book_state(writer.backend, "wine").book.entries if e.id == settled.entry_id)
    assert (body.was.book, body.was.place, body.was.chain) == (was.book_id, was.position, was.chain)
    assert body.now.book == book_id_of(writer.backend)
    assert alarms(writer) == []
    request = MoveRequest("wine", "2", "Production", "adopt") if change is cut_the_end else MoveRequest("wine", "3", "Staging")
    assert move_version(writer, request, DECISION).outcome == "applied"
    assert list_unsettled(writer.backend, "wine", watch_of(writer)).alarms == ()
    cut_book(writer.backend, 1)
    check_no_decision(writer, "book is shorter")


# Legitimate changes


def test_what_others_write_is_no_alarm(writer, tmp_path):
    promote(make_remembering_writer(writer.backend, tmp_path / "another home", "bo"))
    assert alarms(writer) == []
    assert promote(writer, "1") == "applied"
    assert known_wine(writer).position == read_book_state(writer.backend, "wine").book.head


@pytest.mark.parametrize("is_looked_at_between", [True, False])
def test_a_renamed_model_and_a_new_one_under_its_name(writer, is_looked_at_between):
    client(writer.backend).rename_registered_model("wine", "beer")
    if is_looked_at_between:
        sync_model_status(writer, "beer")
    make_registered_model(writer.backend)
    assert promote(writer, "1") == "applied"
    assert promote(writer, "3", "beer") == "applied"
    assert alarms(writer) == []
    assert promote(writer, "2") == "applied"


def test_models_that_swap_names(writer):
    make_registered_model(writer.backend, "beer")
    promote(writer, "1", "beer")
    for old, new in (("wine", "x"), ("beer", "wine"), ("x", "beer")):
        client(writer.backend).rename_registered_model(old, new)
    assert alarms(writer) == []
    assert promote(writer, "3") == promote(writer, "3", "beer") == "applied"
    assert alarms(writer) == []


def test_a_rename_onto_the_name_of_a_deleted_model(writer):
    make_registered_model(writer.backend, "beer")
    promote(writer, "1", "beer")
    client(writer.backend).delete_registered_model("wine")
    client(writer.backend).rename_registered_model("beer", "wine")
    assert promote(writer, "3") == "applied"
    assert alarms(writer) == []


@pytest.mark.parametrize("is_looked_at_between", [True, False])
def test_a_model_that_was_deleted_and_created_again(writer, is_looked_at_between):
    client(writer.backend).delete_registered_model("wine")
    if is_looked_at_between:
        sync_model_status(writer, "wine")
    make_registered_model(writer.backend)
    assert promote(writer) == "applied"
    assert alarms(writer) == []


def test_a_book_that_goes_on_in_volumes(writer, monkeypatch):
    monkeypatch.setattr(volumes, "VOLUME_CAPACITY", 4)
    for version in "313":
        assert promote(writer, version) == "applied"
    assert len(read_book_state(writer.backend, "wine").book.volumes) > 2
    assert alarms(writer) == []


def test_a_deleted_run_of_a_book_is_no_second_alarm(writer):
    client(writer.backend).delete_run(known_wine(writer).book_id)
    assert alarms(writer) == []
    client(writer.backend).restore_run(known_wine(writer).book_id)
    assert promote(writer) == "applied"


def test_what_may_not_be_read_is_no_alarm(writer, monkeypatch):
    def refuse(*_):
        raise MissingPermission("This account may not read the ledger.")

    monkeypatch.setattr(head_watch, "read_all_books", refuse)
    assert alarms(writer) == []


def test_a_book_that_a_stranger_planted_and_removed_stops_nobody(writer):
    mlflow = client(writer.backend)
    planted_id = rewrite_book(mlflow, known_wine(writer).book_id, mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id)
    mlflow.log_param(find_index_id(writer.backend), f"book.{'0' * 32}", planted_id)
    assert alarms(writer) == []
    purge_run(writer.backend, planted_id)
    assert alarms(writer) == [("", "book gone")]
    assert promote(writer) == "applied"


def test_a_typo_in_a_name_is_a_model_that_is_not_there(writer):
    with pytest.raises(NotFound):
        sync_model_status(writer, "vine")


# Costs, and records seen for the first time


def test_a_decision_whose_head_is_as_known_asks_the_server_nothing_more(writer, monkeypatch):
    def fail(*_):
        raise AssertionError("the whole store was read")

    monkeypatch.setattr(head_watch, "read_store", fail)
    assert promote(writer) == "applied"
    make_registered_model(writer.backend, "beer")
    assert promote(writer, "1", "beer") == "applied"
    assert {head.model for head in writer.memory.read(writer.backend).heads.values()} == {"wine", "beer"}


def test_what_was_not_remembered_is_seen_for_the_first_time_once(writer, tmp_path):
    newcomer = make_remembering_writer(writer.backend, tmp_path / "another home")
    check = check_heads(newcomer.backend, watch_of(newcomer))
    assert (check.new_book_ids, check.alarms, check.is_remembered) == ({known_wine(writer).book_id}, (), True)
    assert check_heads(newcomer.backend, watch_of(newcomer)).new_book_ids == frozenset()


def test_a_store_that_nobody_remembers_has_no_memory_and_no_alarm(writer):
    cut_book(writer.backend, 2)
    assert sync_model_status(replace(writer, memory=None), "wine").state.book.head


def test_an_alarm_is_read_once_more_before_it_is_raised(writer, monkeypatch):
    """A store may be a moment late. The memory of the second reading counts, because another process may have settled the alarm."""
    read_store, lengths = head_watch.read_store, [0]

    def read_late(backend, known):
        reading = read_store(backend, known)
        lengths.append(len(reading.books))
        return replace(reading, books={}, owners={}) if len(lengths) == 2 else reading

    monkeypatch.setattr(head_watch, "read_store", read_late)
    assert alarms(writer) == []
    assert lengths == [0, 1, 1]
