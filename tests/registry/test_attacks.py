"""Regressions from a hostile review: stale adoptions, unrelated versions moved, leaked credentials, false statements."""

import http.server
import threading
from datetime import UTC, datetime, timedelta

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, Busy, NotFound
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer
from lib.registry.drift import find_drifts
from lib.registry.lineage import has_model_files, read_lineage
from lib.registry.model_status import GRACE_PERIOD
from lib.registry.move_plan import Decision, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.register import register
from lib.registry.roll_back import roll_back
from tests.support.ledger_stores import (
    DECISION,
    REASON,
    make_promoted_model,
    make_registered_model,
    make_trained_run,
    make_writer,
)
from tests.support.registry_factories import entry_types, finish_open_decisions, leave_intent_open, move_request


def move_outside(backend, version, stage="Production", alias="production"):
    client(backend).set_registered_model_alias("wine", alias, version)
    client(backend).transition_model_version_stage("wine", version, stage)


def later_writer(backend):
    return Writer(backend, Actor(name="bo"), lambda: datetime.now(UTC) + GRACE_PERIOD + timedelta(seconds=5))


def test_to_adopt_what_is_not_there_any_more_is_refused(fresh_store):
    make_promoted_model(fresh_store)
    with pytest.raises(ActionRefused, match="no longer disagree"):
        move_version(make_writer(fresh_store), move_request("3", kind="adopt"), DECISION)
    move_outside(fresh_store, "3")
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    sync_model_status(make_writer(fresh_store), "wine")
    move_outside(fresh_store, "1")
    client(fresh_store).transition_model_version_stage("wine", "3", "None")
    with pytest.raises(ActionRefused, match="no longer disagree"):
        move_version(make_writer(fresh_store), move_request("3", kind="adopt"), Decision(REASON, "1"))
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"


def test_finishing_a_dead_decision_never_undoes_a_drift_in_another_slot(fresh_store):
    make_promoted_model(fresh_store)
    intent_id = leave_intent_open(fresh_store, "2", "Staging")
    move_outside(fresh_store, "3")
    finish_open_decisions(later_writer(fresh_store))
    assert read_book_state(fresh_store, "wine").outcomes[intent_id] == "APPLIED"
    snapshot = read_snapshot(fresh_store, "wine")
    assert (snapshot.aliases["production"], snapshot.aliases["staging"]) == ("3", "2")


def test_adopting_one_slot_leaves_the_drift_of_the_other_to_be_decided(fresh_store):
    make_registered_model(fresh_store, versions=4)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    move_version(make_writer(fresh_store), move_request("2", "Staging"), DECISION)
    move_outside(fresh_store, "3")
    move_outside(fresh_store, "4", "Staging", "staging")
    status = sync_model_status(make_writer(fresh_store), "wine")
    assert {drift.slot for drift in find_drifts(status)} == {"production", "staging"}
    move_version(make_writer(fresh_store), move_request("3", kind="adopt"), DECISION)
    assert read_snapshot(fresh_store, "wine").aliases["staging"] == "4"
    assert [drift.slot for drift in find_drifts(sync_model_status(make_writer(fresh_store), "wine"))] == ["staging"]


def test_an_alias_moved_alone_can_be_adopted(fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).set_registered_model_alias("wine", "production", "3")
    sync_model_status(make_writer(fresh_store), "wine")
    assert move_version(make_writer(fresh_store), move_request("3", kind="adopt"), DECISION).outcome == "applied"
    snapshot = read_snapshot(fresh_store, "wine")
    assert snapshot.slot_states["production"].holders == ("3",)
    assert snapshot.versions["1"].stage == "Archived"


def test_several_that_stand_where_nobody_should_can_be_taken_out_together(fresh_store):
    make_promoted_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1", "Archived", kind="archive"), DECISION)
    for version in "23":
        client(fresh_store).transition_model_version_stage("wine", version, "Production")
    (drift,) = find_drifts(sync_model_status(make_writer(fresh_store), "wine"))
    revert = drift.resolutions[-1]
    assert move_version(
        make_writer(fresh_store), move_request(revert.version, revert.to_stage, kind=revert.kind), DECISION
    ).displaced_versions == ("3",)
    assert read_snapshot(fresh_store, "wine").slot_states["production"].holders == ()
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"


def test_credentials_are_never_sent_to_a_host_that_a_version_names(fresh_store, monkeypatch):
    received_headers = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            received_headers.append(self.headers.get("Authorization"))
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "svc")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    source = f"http://127.0.0.1:{server.server_port}/api/2.0/mlflow-artifacts/artifacts/x"
    client(fresh_store).create_registered_model("wine")
    client(fresh_store).create_model_version("wine", source)
    lineage = read_lineage(fresh_store, "wine", read_snapshot(fresh_store, "wine").versions["1"])
    has_model_files(fresh_store, "wine", "1")
    server.shutdown()
    assert received_headers == []
    assert (
        lineage.missing == "the model's files are at a http address, which is not read from here; the version does not name a run"
    )


@pytest.mark.parametrize(
    "content", ["model_size_bytes: [1]\n", "model_size_bytes: .inf\n", "[" * 3000, "just text", "model_size_bytes: -1\n"]
)
def test_a_nonsense_mlmodel_is_a_missing_lineage_and_no_crash(fresh_store, content):
    make_registered_model(fresh_store, versions=1)
    (fresh_store.artifact_folder / "plain-1" / "MLmodel").write_text(content)
    assert move_version(make_writer(fresh_store), move_request("1"), DECISION).outcome == "applied"
    lineage = next(e.body.lineage for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "REGISTERED")
    assert lineage.missing


@pytest.mark.parametrize("error_code", [TEMPORARILY_UNAVAILABLE, INVALID_PARAMETER_VALUE])
def test_whatever_fails_after_the_decision_says_that_it_is_recorded(monkeypatch, fresh_store, error_code):
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")

    def fail(*_):
        raise MlflowException("no", error_code)

    monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", fail)
    with pytest.raises((Busy, BadInput), match="The decision is in the ledger"):
        move_version(make_writer(fresh_store), move_request("1"), DECISION)


def test_a_model_renamed_in_mid_move_is_told_truly_and_can_be_recovered(monkeypatch, fresh_store):
    make_promoted_model(fresh_store)
    real = client(fresh_store).set_registered_model_alias

    def rename_first(*args):
        monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", real)
        real(*args)
        client(fresh_store).rename_registered_model("wine", "beer")

    monkeypatch.setattr(client(fresh_store), "set_registered_model_alias", rename_first)
    with pytest.raises(NotFound, match="The decision is in the ledger"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)
    finish_open_decisions(make_writer(fresh_store), "beer")
    assert read_snapshot(fresh_store, "beer").slot_states["production"].holders == ("2",)


def test_a_head_that_cannot_be_noted_does_not_undo_a_decision(monkeypatch, fresh_store):
    make_registered_model(fresh_store)

    def fail(*_):
        raise MlflowException("locked", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(client(fresh_store), "set_model_version_tag", fail)
    assert move_version(make_writer(fresh_store), move_request("1"), DECISION).outcome == "applied"


def test_registering_that_fails_half_way_says_which_version_is_made(monkeypatch, fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    real, failures = client(fresh_store).log_param, []

    def log_param(*args):
        if any(read_snapshot(fresh_store, "wine").versions.get("2") for _ in [0]) and not failures.append(1):
            raise MlflowException("locked", TEMPORARILY_UNAVAILABLE)
        return real(*args)

    monkeypatch.setattr(client(fresh_store), "log_param", log_param)
    with pytest.raises(Busy, match=r"Version 2 of wine was created.*Do not register it again"):
        register(make_writer(fresh_store), run_id, "wine")
    monkeypatch.setattr(client(fresh_store), "log_param", real)
    sync_model_status(later_writer(fresh_store), "wine")
    assert entry_types(fresh_store).count("REGISTERED") == 2


def test_the_time_of_a_move_is_the_stores_only_when_the_store_moved_a_stage(fresh_store):
    import sqlite3
    from contextlib import closing

    make_registered_model(fresh_store, stages={"1": "Production"})
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update model_versions set last_updated_time = 1600000000000")
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    applied = read_book_state(fresh_store, "wine").book.entries[-1].body
    assert (applied.type, applied.effective_at) == ("APPLIED", None)


def test_an_outside_move_is_not_older_than_the_last_look_that_saw_all_was_well(fresh_store):
    make_promoted_model(fresh_store)
    synced_at = format_timestamp(datetime.now(UTC))
    sync_model_status(make_writer(fresh_store), "wine")
    move_outside(fresh_store, "3")
    sync_model_status(make_writer(fresh_store), "wine")
    since, until = read_book_state(fresh_store, "wine").book.entries[-1].body.window
    assert synced_at <= since <= until


def test_a_champion_by_alias_alone_is_displaced_too(fresh_store):
    make_registered_model(fresh_store, aliases={"production": "1", "champion": "1"})
    status = sync_model_status(make_writer(fresh_store), "wine")
    assert plan_move(status, move_request("2")).displaced == ("1",)
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).displaced_versions == ("1",)


def test_displaced_is_told_even_when_the_dead_had_archived_already(fresh_store):
    make_promoted_model(fresh_store)
    leave_intent_open(fresh_store)
    move_outside(fresh_store, "2")
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    finish_open_decisions(make_writer(fresh_store, "bo"), "wine")
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.displaced == ("1",)


@pytest.mark.slow
def test_many_versions_made_outside_are_recorded_in_one_look(fresh_store):
    make_registered_model(fresh_store, versions=1)
    sync_model_status(make_writer(fresh_store), "wine")
    for _ in range(110):
        client(fresh_store).create_model_version("wine", "s3://elsewhere/model")
    sync_model_status(later_writer(fresh_store), "wine")
    assert entry_types(fresh_store).count("REGISTERED") == 110


def test_a_machine_whose_clock_is_ahead_still_registers_in_its_own_name(fresh_store):
    writer_ahead = Writer(fresh_store, Actor(name="ana"), lambda: datetime.now(UTC) + timedelta(minutes=10))
    register(writer_ahead, make_trained_run(fresh_store), "wine")
    bodies = [e.body for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "REGISTERED"]
    assert [body.by.name for body in bodies] == ["ana"]


@pytest.mark.slow
def test_datasets_of_the_same_name_are_all_kept(fresh_store):
    run_id = make_trained_run(fresh_store)
    for digest in ("aaa", "bbb"):
        data = Dataset(name="dataset", digest=digest, source_type="local", source="{}")
        client(fresh_store).log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    register(make_writer(fresh_store), run_id, "wine")
    lineage = read_book_state(fresh_store, "wine").book.entries[-1].body.lineage
    assert lineage.data == {"dataset (train)": "aaa", "dataset (train) #2": "bbb"}


def test_a_guard_that_names_no_slot_must_expect_nobody(fresh_store):
    make_registered_model(fresh_store)
    with pytest.raises(ActionRefused, match="You expected v7"):
        move_version(make_writer(fresh_store), move_request("3", "Archived", kind="archive"), Decision(REASON, "7"))
    assert (
        move_version(make_writer(fresh_store), move_request("3", "Archived", kind="archive"), Decision(REASON, "none")).outcome
        == "applied"
    )


def test_holders_of_a_guard_may_come_in_any_order(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production", "2": "Production"}, aliases={"production": "2"})
    assert move_version(make_writer(fresh_store), move_request("3"), Decision(REASON, "1,2")).outcome == "applied"


def test_a_model_with_an_odd_name_gets_its_next_version(fresh_store):
    make_registered_model(fresh_store, "it's (v2)")
    assert register(make_writer(fresh_store), make_trained_run(fresh_store), "it's (v2)").version == "4"


def test_a_later_move_to_none_wins_over_an_earlier_archive(fresh_store):
    make_promoted_model(fresh_store)
    leave_intent_open(fresh_store, "1", "Archived")
    leave_intent_open(fresh_store, "1", "None")
    finish_open_decisions(make_writer(fresh_store), "wine")
    assert read_snapshot(fresh_store, "wine").versions["1"].stage == "None"
    assert set(read_book_state(fresh_store, "wine").outcomes.values()) == {"APPLIED", "OVERTAKEN"}


def test_a_roll_back_target_at_another_host_can_be_chosen_without_a_crash(fresh_store):
    client(fresh_store).create_registered_model("wine")
    for _ in range(2):
        client(fresh_store).create_model_version("wine", "http://elsewhere.invalid/x")
    for version in "12":
        move_version(make_writer(fresh_store), move_request(version), DECISION)
    assert roll_back(make_writer(fresh_store), "wine", None, Decision(REASON, "2")).version == "1"


def test_a_model_logged_through_a_server_is_not_called_broken_on_the_bare_database(fresh_store):
    client(fresh_store).create_registered_model("wine")
    client(fresh_store).create_model_version("wine", "mlflow-artifacts:/0/models/m-1/artifacts")
    assert has_model_files(fresh_store, "wine", "1")
    lineage = read_lineage(fresh_store, "wine", read_snapshot(fresh_store, "wine").versions["1"])
    assert (
        lineage.missing
        == "the model's files are at a mlflow-artifacts address, which is not read from here; the version does not name a run"
    )
