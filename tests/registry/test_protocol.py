"""Regressions from earlier drafts of the protocol (contract §3)."""

from datetime import UTC, datetime, timedelta

import pytest

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG, INDEX_EXPERIMENT, INDEX_TAG, LEDGER_EXPERIMENT
from lib.errors import ActionRefused, LedgerBroken
from lib.ledger.chain.hash_chain import param_key
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer
from lib.registry.model_status import GRACE_PERIOD
from lib.registry.move_plan import Decision, MoveRequest, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from tests.support.ledger_stores import DECISION, REASON, make_promoted_model, make_registered_model, make_writer
from tests.support.registry_factories import entry_types, leave_intent_open, move_request


def test_a_look_never_carries_out_a_strangers_intent_however_old_it_is(fresh_store):
    make_promoted_model(fresh_store)
    intent_id = leave_intent_open(fresh_store)
    sync_model_status(make_writer(fresh_store, "bo"), "wine")
    assert [entry.id for entry in read_book_state(fresh_store, "wine").open_intents] == [intent_id]
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"
    later = Writer(fresh_store, Actor(name="bo"), lambda: datetime.now(UTC) + GRACE_PERIOD + timedelta(seconds=1))
    status = sync_model_status(later, "wine")
    assert [entry.id for entry in read_book_state(fresh_store, "wine").open_intents] == [intent_id]
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"
    assert (status.in_flight, status.drifted_slots) == (frozenset(), ())


def test_two_productions_from_before_are_left_alone_by_a_move_to_staging(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production", "2": "Production"}, aliases={"champion": "2"})
    before = read_snapshot(fresh_store, "wine").slot_states["production"]
    move_version(make_writer(fresh_store), move_request("3", "Staging"), DECISION)
    snapshot = read_snapshot(fresh_store, "wine")
    assert snapshot.slot_states["production"] == before
    assert snapshot.aliases == {"champion": "2", "staging": "3"}
    assert plan_move(read_model_status(fresh_store, "wine", datetime.now(UTC)), move_request("3")).champion.holders_text == "1,2"


def test_a_promotion_to_production_displaces_all_who_stood_there_before(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production", "2": "Production"}, aliases={"champion": "2"})
    result = move_version(make_writer(fresh_store), move_request("3"), Decision(REASON, "1,2"))
    assert result.displaced_versions == ("1", "2")
    assert read_snapshot(fresh_store, "wine").slot_states["production"].stage == ("3",)
    assert read_snapshot(fresh_store, "wine").aliases == {"champion": "2", "production": "3"}


def test_archiving_one_of_two_productions_leaves_the_other(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production", "2": "Production"})
    move_version(make_writer(fresh_store), move_request("1", "Archived", kind="archive"), DECISION)
    assert read_snapshot(fresh_store, "wine").slot_states["production"].stage == ("2",)
    assert read_book_state(fresh_store, "wine").desired_holders()["production"].holder == "2"


def test_a_renamed_index_experiment_stops_the_writing_instead_of_forking_the_ledger(fresh_store):
    make_promoted_model(fresh_store)
    mlflow = client(fresh_store)
    mlflow.rename_experiment(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, "elsewhere")
    mlflow.delete_registered_model_tag("wine", BOOK_TAG)
    with pytest.raises(LedgerBroken, match="is gone"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert mlflow.get_experiment_by_name(INDEX_EXPERIMENT) is None


def test_a_repointed_index_tag_stops_the_writing(fresh_store):
    make_promoted_model(fresh_store)
    mlflow = client(fresh_store)
    mlflow.set_experiment_tag(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, INDEX_TAG, "f" * 32)
    with pytest.raises(LedgerBroken, match="names another"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)


def test_an_index_that_lost_both_its_experiment_and_its_note_is_still_noticed(fresh_store):
    make_promoted_model(fresh_store)
    mlflow = client(fresh_store)
    mlflow.rename_experiment(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, "elsewhere")
    mlflow.set_experiment_tag(mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id, INDEX_TAG, "")
    with pytest.raises(LedgerBroken, match="An index exists"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)


def test_a_replaced_book_stops_the_writing(fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).set_registered_model_tag("wine", BOOK_TAG, "f" * 32)
    with pytest.raises(LedgerBroken, match="belongs to book"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)


def test_a_head_behind_its_anchor_stops_the_writing(fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).set_model_version_tag("wine", "3", HEAD_TAG, f"99 {'0' * 64}")
    with pytest.raises(LedgerBroken, match="head behind its anchor"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)


def test_a_deleted_book_stops_the_writing_and_goes_on_when_restored(fresh_store):
    make_promoted_model(fresh_store)
    book = sync_model_status(make_writer(fresh_store), "wine").book_id
    client(fresh_store).delete_run(book)
    with pytest.raises(LedgerBroken, match="was deleted"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)
    client(fresh_store).restore_run(book)
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"


def test_a_run_with_a_metric_of_nan_can_be_promoted(fresh_store):
    mlflow = client(fresh_store)
    run = mlflow.create_run("0")
    for name, value in (("loss", float("nan")), ("speed", float("inf")), ("accuracy", 0.9)):
        mlflow.log_metric(run.info.run_id, name, value)
    mlflow.set_terminated(run.info.run_id)
    mlflow.create_registered_model("wine")
    mlflow.create_model_version("wine", "/nowhere/model", run_id=run.info.run_id)
    assert move_version(make_writer(fresh_store), move_request("1"), DECISION).outcome == "applied"
    lineage = next(e.body for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "REGISTERED").lineage
    # MLflow's SQL store saves infinity as its largest number
    assert lineage.metrics == {"accuracy": 0.9, "loss": "NaN", "speed": pytest.approx(1.797e308, rel=1e-3)}
    assert lineage.missing.startswith("the model's files cannot be read")


def test_index_and_books_are_ended_at_birth_and_keep_their_files_beside_the_database(fresh_store):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    mlflow = client(fresh_store)
    experiment = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT)
    runs = mlflow.search_runs([experiment.experiment_id])
    assert {run.data.tags["podium.kind"] for run in runs} == {"index", "book"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert experiment.artifact_location == str(fresh_store.artifact_folder / LEDGER_EXPERIMENT)


def test_a_stray_parameter_in_a_book_is_named_and_does_not_stop_a_promotion(fresh_store):
    make_promoted_model(fresh_store)
    book, head = sync_model_status(make_writer(fresh_store), "wine").book_id, read_book_state(fresh_store, "wine").book.head
    client(fresh_store).log_param(book, param_key(head + 1), "hello")
    client(fresh_store).log_param(book, param_key(head + 7), "hello")
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"
    assert [f.what for f in read_book_state(fresh_store, "wine").findings()] == ["void", "beyond the end"]


def test_a_version_made_outside_is_recorded_once_it_is_older_than_the_grace_time(fresh_store):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    client(fresh_store).create_model_version("wine", "/nowhere/model")
    sync_model_status(make_writer(fresh_store), "wine")
    assert entry_types(fresh_store) == ["OPENED"]
    later = Writer(fresh_store, Actor(name="bo"), lambda: datetime.now(UTC) + GRACE_PERIOD + timedelta(seconds=1))
    sync_model_status(later, "wine")
    sync_model_status(later, "wine")
    assert entry_types(fresh_store) == ["OPENED", "REGISTERED"]
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.by.name == "unknown"


def test_a_long_reason_goes_on_in_further_parameters(fresh_store):
    make_registered_model(fresh_store)
    long = REASON.model_copy(update={"text": "ü€😀" * 3000})
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(long)).outcome == "applied"
    decided = next(e.body for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "DECIDED")
    assert decided.reason.text == long.text


def test_a_store_without_record_shows_its_champion_before_anything_is_written(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production"})
    assert plan_move(read_model_status(fresh_store, "wine", datetime.now(UTC)), move_request("2")).champion.holders_text == "1"
    with pytest.raises(ActionRefused):
        move_version(make_writer(fresh_store), move_request("2"), Decision(REASON, "none"))
    assert read_snapshot(fresh_store, "wine").aliases == {}
