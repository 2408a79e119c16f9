"""Changes made outside Podium, one by one on a real store: reported, recorded with their window, and settled by a decision."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import INDEX_EXPERIMENT, INDEX_TAG
from lib.errors import ActionRefused, LedgerBroken, NotFound
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Closing
from lib.ledger.entry.vocabulary import RESTORED_NOTE, UNKNOWN_ACTOR
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.storage.book import append
from lib.ledger.storage.book_index import DELETED_TAG_PREFIX, mark_book_deleted, read_index_params
from lib.ledger.storage.key_trust import read_trusted_keys
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.change_recorder import _LAST_EXPLAINED, append_restored
from lib.registry.model_survey import DeletedBook, find_deleted_source_runs, record_changes, survey_models
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.notices import collect_notices
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.register import register
from tests.support.ledger_stores import (
    DECISION,
    REASON,
    book_id_of,
    make_promoted_model,
    make_registered_model,
    make_trained_run,
    make_writer,
)
from tests.support.ledger_workers import look_and_die, processes
from tests.support.registry_factories import move_request
from tests.support.variants import thin


def promoted_model(backend, versions=3):
    """A model whose v1 was promoted to Production."""
    make_promoted_model(backend, versions=versions)
    return client(backend)


def sync_notices(backend, model="wine"):
    """The notices after a sync with write permission."""
    return collect_notices(sync_model_status(make_writer(backend), model), {})


def notice_titles(backend, model="wine"):
    return [(notice.what, notice.severity) for notice in sync_notices(backend, model)]


def observed_bodies(backend, model="wine"):
    return [entry.body for entry in read_book_state(backend, model).book.entries if entry.body.type == "OBSERVED"]


def move_the_alias(mlflow):
    mlflow.set_registered_model_alias("wine", "production", "2")


def drop_the_alias(mlflow):
    mlflow.delete_registered_model_alias("wine", "production")


def change_the_stage(mlflow):
    mlflow.transition_model_version_stage("wine", "1", "Archived")


def put_a_second_into_the_stage(mlflow):
    mlflow.transition_model_version_stage("wine", "2", "Production")


@pytest.mark.parametrize(
    "change_outside", thin([move_the_alias, drop_the_alias, change_the_stage, put_a_second_into_the_stage], 2)
)
@pytest.mark.parametrize("kind", ["adopt", "revert"])
def test_an_alias_or_stage_moved_outside_is_recorded_once_and_can_be_adopted_or_put_back(fresh_store, change_outside, kind):
    change_outside(promoted_model(fresh_store))
    before = read_book_state(fresh_store, "wine").book.head
    (unrecorded,) = collect_notices(read_model_status(fresh_store, "wine", datetime.now(UTC)), {})
    assert (unrecorded.what, unrecorded.position) == ("Production was moved outside", 0)
    (notice,) = sync_notices(fresh_store)
    assert (notice.what, notice.position) == ("Production was moved outside", before + 1)
    sync_notices(fresh_store)
    (entry,) = observed_bodies(fresh_store)
    assert entry.by == UNKNOWN_ACTOR
    assert parse_timestamp(entry.window[0]) <= parse_timestamp(entry.window[1])
    resolution = next(resolution for resolution in notice.resolutions if resolution.kind == kind)
    assert (
        move_version(make_writer(fresh_store), move_request(resolution.version, resolution.to_stage, kind=kind), DECISION).outcome
        == "applied"
    )
    assert sync_notices(fresh_store) == ()


def test_a_deleted_champion_is_open_until_somebody_lets_it_stand_or_moves_another_there(fresh_store):
    mlflow = promoted_model(fresh_store)
    drop_the_alias(mlflow)
    mlflow.delete_model_version("wine", "1")
    (notice,) = sync_notices(fresh_store)
    assert (notice.what, notice.slot) == ("v1 was deleted", "production")
    assert notice.resolutions == (MoveRequest("wine", "1", "Archived", "adopt"),)
    assert observed_bodies(fresh_store)[-1].gone == ("1",)
    assert observed_bodies(fresh_store)[notice.position - first_observed_position(fresh_store)].gone == ("1",)
    result = move_version(make_writer(fresh_store), move_request("1", "Archived", kind="adopt"), DECISION)
    assert (result.outcome, result.from_stage) == ("applied", "Production")
    assert sync_notices(fresh_store) == ()
    state = read_book_state(fresh_store, "wine")
    assert state.desired_holders()["production"].holders_text == "none"
    assert state.intents[-1].body.identity == state.version_identity("1")
    assert move_version(make_writer(fresh_store), move_request("2"), Decision(REASON, "none")).outcome == "applied"


def first_observed_position(backend):
    return next(e.position for e in read_book_state(backend, "wine").book.entries if e.body.type == "OBSERVED")


def test_after_a_champion_was_deleted_another_can_be_promoted_at_once(fresh_store):
    mlflow = promoted_model(fresh_store)
    drop_the_alias(mlflow)
    mlflow.delete_model_version("wine", "1")
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"
    assert sync_notices(fresh_store) == ()


def test_a_reader_sees_a_deleted_champion_before_it_is_recorded(fresh_store):
    mlflow = promoted_model(fresh_store)
    drop_the_alias(mlflow)
    mlflow.delete_model_version("wine", "1")
    before = read_book_state(fresh_store, "wine").book.head
    notices = collect_notices(read_model_status(fresh_store, "wine", datetime.now(UTC)), {})
    assert "v1 was deleted" in [notice.what for notice in notices]
    assert read_book_state(fresh_store, "wine").book.head == before


def test_a_deletion_that_did_not_happen_cannot_be_adopted(fresh_store):
    promoted_model(fresh_store)
    client(fresh_store).delete_model_version("wine", "3")
    with pytest.raises(NotFound, match="no version 3"):
        move_version(make_writer(fresh_store), move_request("3", "Archived", kind="adopt"), DECISION)
    with pytest.raises(ActionRefused, match="no longer disagree"):
        move_version(make_writer(fresh_store), move_request("1", "Archived", kind="adopt"), DECISION)
    assert read_book_state(fresh_store, "wine").intents[-1].body.kind == "promote"


def test_a_renamed_model_is_recorded_as_renamed_and_nobody_loses_a_holding(fresh_store):
    mlflow = promoted_model(fresh_store)
    holdings = recorded_holdings(read_book_state(fresh_store, "wine").book.entries)
    mlflow.rename_registered_model("wine", "beer")
    assert [notice.what for notice in collect_notices(read_model_status(fresh_store, "beer", datetime.now(UTC)), {})] == [
        "The model was renamed from wine to beer"
    ]
    assert notice_titles(fresh_store, "beer") == [("The model was renamed from wine to beer", "told")]
    sync_model_status(make_writer(fresh_store), "beer")
    (entry,) = observed_bodies(fresh_store, "beer")
    assert (entry.by, entry.model, entry.was) == (UNKNOWN_ACTOR, "beer", entry.now)
    assert recorded_holdings(read_book_state(fresh_store, "beer").book.entries) == holdings
    move_version(make_writer(fresh_store), MoveRequest("beer", "2", "Production"), DECISION)
    assert notice_titles(fresh_store, "beer") == []


def test_a_model_made_anew_is_told_until_the_first_decision_and_its_champion_can_be_adopted(fresh_store):
    mlflow = promoted_model(fresh_store)
    mlflow.delete_registered_model("wine")
    make_registered_model(fresh_store, stages={"2": "Production"}, aliases={"production": "2"})
    (unrecorded,) = collect_notices(read_model_status(fresh_store, "wine", datetime.now(UTC)), {})
    assert (unrecorded.what, unrecorded.severity) == ("The model was re-created", "drift")
    (notice,) = sync_notices(fresh_store)
    assert (notice.what, notice.resolutions) == (
        "The model was deleted and re-created",
        (MoveRequest("wine", "2", "Production", "adopt"),),
    )
    assert move_version(make_writer(fresh_store), move_request("2", kind="adopt"), DECISION).outcome == "applied"
    assert sync_notices(fresh_store) == ()
    assert read_book_state(fresh_store, "wine").desired_holders()["production"].holder == "2"


def test_a_deleted_model_is_told_and_recorded_by_the_survey(fresh_store):
    promoted_model(fresh_store).delete_registered_model("wine")
    survey = survey_models(fresh_store, datetime.now(UTC))
    assert [(n.what, n.position) for n in collect_notices(survey.statuses["wine"], {})] == [("The model was deleted", 0)]
    assert record_changes(make_writer(fresh_store), survey)
    survey = survey_models(fresh_store, datetime.now(UTC))
    head = survey.statuses["wine"].state.book.head
    assert [(n.what, n.position) for n in collect_notices(survey.statuses["wine"], {})] == [("The model was deleted", head)]
    assert not record_changes(make_writer(fresh_store), survey)


def test_the_survey_writes_nothing_and_write_down_records_what_every_model_lacks(fresh_store):
    for name in ("wine", "beer"):
        make_registered_model(fresh_store, name)
        move_version(make_writer(fresh_store), MoveRequest(name, "1", "Production"), DECISION)
    client(fresh_store).set_registered_model_alias("wine", "production", "2")
    heads = {model: status.state.book.head for model, status in survey_models(fresh_store, datetime.now(UTC)).statuses.items()}
    survey = survey_models(fresh_store, datetime.now(UTC))
    assert {model: status.state.book.head for model, status in survey.statuses.items()} == heads
    assert record_changes(make_writer(fresh_store), survey)
    after = {model: status.state.book.head for model, status in survey_models(fresh_store, datetime.now(UTC)).statuses.items()}
    assert after == {"wine": heads["wine"] + 1, "beer": heads["beer"]}


def test_a_deleted_book_is_named_and_its_restoring_is_recorded_with_the_time_it_was_missed(fresh_store):
    mlflow, book = promoted_model(fresh_store), book_id_of(fresh_store)
    mlflow.delete_run(book)
    survey = survey_models(fresh_store, datetime.now(UTC))
    assert survey.deleted_books == {"wine": DeletedBook(book, (book,))}
    with pytest.raises(LedgerBroken, match=f"Restore run {book}"):
        sync_model_status(make_writer(fresh_store), "wine")
    mlflow.restore_run(book)
    assert notice_titles(fresh_store) == [("The book itself was deleted, and restored", "told")]
    assert notice_titles(fresh_store) == [("The book itself was deleted, and restored", "told")]
    (entry,) = observed_bodies(fresh_store)
    assert entry.by == UNKNOWN_ACTOR
    assert parse_timestamp(entry.window[0]) < parse_timestamp(entry.window[1])
    assert [h.version for h in recorded_holdings(read_book_state(fresh_store, "wine").book.entries)] == ["1"]
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"
    assert notice_titles(fresh_store) == []


def delete_and_restore_book(backend, clock=None):
    """Delete the book, let a sync notice that, and restore it."""
    client(backend).delete_run(book_id_of(backend))
    with pytest.raises(LedgerBroken):
        sync_model_status(writer_ahead(backend, clock or timedelta()), "wine")
    client(backend).restore_run(read_index_params(backend)[ModelIncarnation("wine", None).name_key])


def writer_ahead(backend, ahead):
    """A writer whose clock is ahead by this much."""
    return replace(make_writer(backend), clock=lambda: datetime.now(UTC) + ahead)


def test_a_book_that_is_deleted_and_restored_again_and_again_says_so_each_time(fresh_store):
    promoted_model(fresh_store)
    for times in (1, 2, 3):
        delete_and_restore_book(fresh_store)
        sync_notices(fresh_store)
        sync_notices(fresh_store)
        assert [body.note for body in observed_bodies(fresh_store)] == [RESTORED_NOTE] * times
    assert len(read_book_state(fresh_store, "wine").recorded_deletion_times) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("write_count", "note_count"), [(0, 1), (1, 2), (2, 2)])
def test_a_restoring_is_recorded_though_whoever_recorded_the_last_one_died_before_the_note_was_taken_off(
    fresh_store, write_count, note_count
):
    """Interrupted before the entry: both deletions count as the one marked first."""
    promoted_model(fresh_store)
    delete_and_restore_book(fresh_store)
    child = processes.Process(target=look_and_die, args=(fresh_store, write_count))
    child.start()
    child.join()
    assert child.exitcode == -9
    assert len(observed_bodies(fresh_store)) == min(write_count, 1)
    delete_and_restore_book(fresh_store)
    sync_notices(fresh_store)
    assert [body.note for body in observed_bodies(fresh_store)] == [RESTORED_NOTE] * note_count


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_a_restoring_is_recorded_once_though_the_clock_of_whoever_missed_the_book_is_a_day_off(fresh_store, ahead):
    promoted_model(fresh_store)
    delete_and_restore_book(fresh_store, ahead)
    status = read_model_status(fresh_store, "wine", datetime.now(UTC))
    (deleted_at,) = (value for name, value in read_index_tags(fresh_store).items() if name.startswith(DELETED_TAG_PREFIX))
    for _ in range(2):  # two concurrent syncs
        append_restored(make_writer(fresh_store), status, deleted_at)
    (entry,) = observed_bodies(fresh_store)
    assert entry.window[0] == deleted_at
    assert parse_timestamp(entry.window[0]) <= parse_timestamp(entry.window[1])


def read_index_tags(backend):
    index = client(backend).get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    return client(backend).get_run(index).data.tags


def test_the_survey_of_all_models_has_a_restored_book_recorded_too(fresh_store):
    promoted_model(fresh_store)
    client(fresh_store).delete_run(book_id_of(fresh_store))
    assert not record_changes(make_writer(fresh_store), survey_models(fresh_store, datetime.now(UTC)))  # only marked
    client(fresh_store).restore_run(read_index_params(fresh_store)[ModelIncarnation("wine", None).name_key])
    assert record_changes(make_writer(fresh_store), survey_models(fresh_store, datetime.now(UTC)))
    assert [body.note for body in observed_bodies(fresh_store)] == [RESTORED_NOTE]
    assert not record_changes(make_writer(fresh_store), survey_models(fresh_store, datetime.now(UTC)))


def test_a_late_note_of_a_book_that_is_back_says_nothing(fresh_store):
    promoted_model(fresh_store)
    mark_book_deleted(fresh_store, book_id_of(fresh_store), "2026-11-24T10:00:00.000Z")
    assert notice_titles(fresh_store) == []


def a_new_version_outside(mlflow):
    """A version registered outside Podium, which a sync records first."""
    mlflow.create_model_version("wine", mlflow.get_model_version("wine", "2").source)
    mlflow.set_registered_model_alias("wine", "production", "4")


def a_restored_book(mlflow):
    mlflow.set_registered_model_alias("wine", "production", "2")


def a_new_name(mlflow):
    mlflow.set_registered_model_alias("wine", "production", "2")
    mlflow.rename_registered_model("wine", "beer")


@pytest.mark.slow
@pytest.mark.parametrize("change_outside", [a_new_version_outside, a_restored_book, a_new_name])
def test_what_the_same_look_records_first_does_not_shorten_the_time_in_which_somebody_moved_a_stage(fresh_store, change_outside):
    mlflow, model = promoted_model(fresh_store), "beer" if change_outside is a_new_name else "wine"
    _LAST_EXPLAINED.clear()
    before = datetime.now(UTC)
    change_outside(mlflow)
    if change_outside is a_restored_book:
        delete_and_restore_book(fresh_store)
    moved_at = datetime.now(UTC)
    sync_model_status(writer_ahead(fresh_store, timedelta(minutes=5)), model)
    *first, entry = read_book_state(fresh_store, model).book.entries
    assert (first[-1].body.type, entry.body.type) == (
        "REGISTERED" if change_outside is a_new_version_outside else "OBSERVED",
        "OBSERVED",
    )
    assert parse_timestamp(entry.body.window[0]) <= before
    (answer,) = [as_of([*first, entry], "production", TimeQuery(moved_at))]
    assert (answer.holders, [span.explanation for span in answer.unknown]) == ((), ["moved outside Podium"])


def test_a_note_of_a_deleted_book_that_is_no_time_is_nobodys_crash(fresh_store):
    mlflow = promoted_model(fresh_store)
    index = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    mlflow.set_tag(index, DELETED_TAG_PREFIX + book_id_of(fresh_store), "![x](http://evil)")
    assert notice_titles(fresh_store) == []


def test_an_edited_book_is_named_on_every_look(fresh_store):
    promoted_model(fresh_store)
    client(fresh_store).log_param(book_id_of(fresh_store), "000042", "hello")
    (notice,) = sync_notices(fresh_store)
    assert (notice.what, notice.severity) == ("Place 42 of the book: beyond the end", "broken")


def test_a_champions_deleted_run_is_told_with_what_to_do_until_it_is_restored(fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    assert find_deleted_source_runs(fresh_store, read_snapshot(fresh_store, "wine")) == {}
    client(fresh_store).delete_run(run_id)
    deleted_runs = find_deleted_source_runs(fresh_store, read_snapshot(fresh_store, "wine"))
    (notice,) = collect_notices(sync_model_status(make_writer(fresh_store), "wine"), deleted_runs)
    assert (notice.what, notice.next) == ("The run of v1 was deleted", f"Restore run {run_id}.")
    lineage = next(e.body.lineage for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "REGISTERED")
    assert lineage.metrics == {"accuracy": 0.9444}
    client(fresh_store).restore_run(run_id)
    assert find_deleted_source_runs(fresh_store, read_snapshot(fresh_store, "wine")) == {}


def test_every_head_is_noted_on_some_version_even_when_the_decision_was_about_a_deleted_one(fresh_store):
    mlflow = promoted_model(fresh_store)
    drop_the_alias(mlflow)
    mlflow.delete_model_version("wine", "1")
    move_version(make_writer(fresh_store), move_request("1", "Archived", kind="adopt"), DECISION)
    state = read_book_state(fresh_store, "wine")
    assert state.book.head in [anchor.position for anchor in read_snapshot(fresh_store, "wine").anchors(book_id_of(fresh_store))]


def test_where_no_trusted_key_signed_who_belongs_there_the_drift_says_so(fresh_store, monkeypatch, tmp_path):
    """Planted decision with its closing: the ledger then wants v3, and a revert would carry it out."""
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "podium"))
    make_registered_model(fresh_store)
    signer = create_signer(os.environ, lambda: datetime.now(UTC))
    move_version(replace(make_writer(fresh_store), signer=signer), move_request("1"), DECISION)
    intent = read_book_state(fresh_store, "wine").intents[-1].body.model_copy(update={"sig": None, "version": "3"})
    intent_id = append(make_writer(fresh_store), book_id_of(fresh_store), lambda _: intent)
    common_fields = make_writer(fresh_store).common_fields("wine")
    slot_states = read_snapshot(fresh_store, "wine").slot_states
    closing = Closing(**common_fields, type="APPLIED", intent=intent_id, version="3", now=slot_states)
    append(make_writer(fresh_store), book_id_of(fresh_store), lambda _: closing)
    status = read_model_status(fresh_store, "wine", datetime.now(UTC))
    keys = read_trusted_keys(os.environ)
    (drift,) = [notice for notice in collect_notices(status, {}, keys) if notice.severity == "drift"]
    assert "No key trusted here signed the decision for v3" in drift.next
    (drift,) = [notice for notice in collect_notices(status, {}) if notice.severity == "drift"]
    assert "No key" not in drift.next, "where nothing is signed at all there is nothing to doubt"
