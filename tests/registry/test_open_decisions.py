"""Credentials never carry out decisions of others: planted decisions, late writes, waiting, finishing, giving up."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, NotFound
from lib.ledger.entry.types import Closing, Decided, Observed
from lib.ledger.entry.vocabulary import Actor, make_reason
from lib.ledger.queries.history import history_rows
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.storage.book import Writer, append
from lib.registry import convergence
from lib.registry.audit_queries import AsOfQuery, query_as_of_all
from lib.registry.drift import find_drifts
from lib.registry.model_status import GRACE_PERIOD
from lib.registry.model_survey import record_changes, survey_models
from lib.registry.pending_decisions import list_pending_decisions
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.recover import preview_recovery, recover_decisions
from lib.registry.roll_back import roll_back
from tests.support.entry_signing import make_signer
from tests.support.ledger_stores import DECISION, book_id_of, make_promoted_model, make_registered_model, make_writer
from tests.support.registry_factories import check_at_rest, entry_types, leave_intent_open, move_request
from tests.support.variants import thin

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MINE = make_reason("housekeeping", "Ana's machine went down; she meant it.")


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    """Writers wait half a second for a later decision instead of ten."""
    monkeypatch.setattr(convergence, "LATER_DECISION_WAIT", 0.5)
    monkeypatch.setattr(convergence, "_POLL_INTERVAL", 0.05)


@pytest.fixture
def promoted(fresh_store):
    """A model of four versions with v1 in Production."""
    make_promoted_model(fresh_store, versions=4)
    return fresh_store


def plant_decision(backend, version="3", stage="Production", age=timedelta(), **fields):
    """Write a decision in another's name with write access to the ledger only. Returns its id."""
    snapshot = read_snapshot(backend, "wine")
    mallory = Writer(backend, Actor(name="ana", how="server"), lambda: datetime.now(UTC) - age)
    body = {
        **mallory.common_fields("wine"),
        "from": snapshot.versions[version].stage,
        "verdict": "approve",
        "kind": "promote",
        "version": version,
        "identity": snapshot.versions[version].identity,
        "to": stage,
        "slots": ("production",),
        "reason": make_reason("compliance", "Signed off by the model risk committee."),
        **fields,
    }
    return append(mallory, book_id_of(backend), lambda _: Decided(**body))


def plant_closing(backend, intent_id, version="3", outcome="APPLIED", signer=None):
    """The same for a closing that claims the decision was carried out, signed if there is a signer."""
    mallory = Writer(backend, Actor(name="ana", how="server"), lambda: datetime.now(UTC), signer)
    slot_states = read_snapshot(backend, "wine").slot_states
    fields = {**mallory.common_fields("wine"), "type": outcome, "intent": intent_id, "version": version, "now": slot_states}
    return append(mallory, book_id_of(backend), lambda _: Closing(**fields))


def production_of(backend):
    return read_snapshot(backend, "wine").slot_states["production"]


def later(backend, name="bo"):
    return Writer(backend, Actor(name=name), lambda: datetime.now(UTC) + GRACE_PERIOD + timedelta(seconds=5))


VICTIMS = {
    "Models": lambda store: sync_model_status(later(store), "wine"),
    "Overview and Audit": lambda store: record_changes(later(store), survey_models(store, datetime.now(UTC) + 2 * GRACE_PERIOD)),
    "promote to Staging": lambda store: move_version(later(store), move_request("2", "Staging"), DECISION),
    "archive another": lambda store: move_version(later(store), move_request("4", "Archived", kind="archive"), DECISION),
    "asof": lambda store: query_as_of_all(store, AsOfQuery("production", parse_time_query("2026-01-01", NOW), NOW)),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_planted_decision_is_carried_out_by_nobody(promoted, victim):
    intent_id = plant_decision(promoted)
    before = production_of(promoted)
    VICTIMS[victim](promoted)
    assert production_of(promoted) == before
    assert intent_id in {intent.id for intent in read_book_state(promoted, "wine").open_intents}


def test_a_promotion_with_a_planted_decision_before_it_moves_its_own_version_only(promoted):
    planted_id = plant_decision(promoted)
    result = move_version(make_writer(promoted), move_request("2"), DECISION)
    assert (result.outcome, result.waiting_for) == ("applied", "")
    assert production_of(promoted).holders == ("2",)
    assert [intent.id for intent in read_book_state(promoted, "wine").open_intents] == [planted_id]


def test_a_planted_later_decision_makes_a_promotion_wait_and_then_finish_its_own_move(promoted, monkeypatch):
    real, planted_ids = client(promoted).set_registered_model_alias, []

    def plant_first(*args):
        if not planted_ids:
            planted_ids.append(plant_decision(promoted))
        return real(*args)

    monkeypatch.setattr(client(promoted), "set_registered_model_alias", plant_first)
    result = move_version(make_writer(promoted), move_request("2"), DECISION)
    assert (result.outcome, [result.waiting_for]) == ("overtaken", planted_ids)
    assert production_of(promoted).holders == ("2",)
    assert read_snapshot(promoted, "wine").versions["3"].stage == "None"
    status = read_model_status(promoted, "wine", datetime.now(UTC))
    assert [decision.entry_id for decision in list_pending_decisions(status)] == planted_ids
    assert find_drifts(status) == ()


def test_a_planted_decision_that_claims_to_be_applied_moves_nobody_and_shows_as_drift(promoted, monkeypatch):
    """The variant: decision and closing are both planted during a promotion."""
    real, planted_ids = client(promoted).set_registered_model_alias, []

    def plant_first(*args):
        result = real(*args)
        if not planted_ids:
            planted_ids.append(plant_decision(promoted))
            plant_closing(promoted, planted_ids[0])
        return result

    monkeypatch.setattr(client(promoted), "set_registered_model_alias", plant_first)
    result = move_version(make_writer(promoted), move_request("2"), DECISION)
    assert (result.outcome, result.waiting_for) == ("overtaken", "")
    snapshot = read_snapshot(promoted, "wine")
    assert snapshot.versions["3"].stage == "None"
    assert "3" not in snapshot.aliases.values()
    (drift,) = find_drifts(sync_model_status(make_writer(promoted), "wine"))
    assert drift.desired.holders == ("3",)


def test_a_writer_that_waits_stops_as_soon_as_the_later_decision_is_applied(promoted, monkeypatch):
    monkeypatch.setattr(convergence, "LATER_DECISION_WAIT", 30)
    real_alias, real_stage, later_ids, moved_versions = *registry_methods(promoted), [], []

    def decide_first(*args):
        real_alias(*args)
        if not later_ids:
            later_ids.append(leave_intent_open(promoted, "3"))
            finish = threading.Timer(0.3, recover_decisions, (make_writer(promoted, "bo"), "wine", later_ids, "finish", MINE))
            finish.start()

    def note_stage(name, version, stage):
        moved_versions.append((version, stage))
        return real_stage(name, version, stage)

    monkeypatch.setattr(client(promoted), "set_registered_model_alias", decide_first)
    monkeypatch.setattr(client(promoted), "transition_model_version_stage", note_stage)
    result = move_version(make_writer(promoted), move_request("2"), DECISION)
    assert (result.outcome, result.waiting_for) == ("overtaken", "")
    assert "2" not in [version for version, _ in moved_versions]
    assert production_of(promoted).holders == ("3",)
    check_at_rest(promoted)


def registry_methods(backend):
    return client(backend).set_registered_model_alias, client(backend).transition_model_version_stage


def test_putting_a_drift_back_carries_out_no_planted_decision(promoted):
    plant_decision(promoted, age=timedelta(minutes=5))
    client(promoted).set_registered_model_alias("wine", "production", "4")
    (drift,) = find_drifts(sync_model_status(make_writer(promoted), "wine"))
    revert = drift.resolutions[-1]
    assert (revert.kind, revert.version, drift.desired.holders) == ("revert", "1", ("1",))
    assert move_version(make_writer(promoted), move_request(revert.version, kind="revert"), DECISION).outcome == "applied"
    assert production_of(promoted).holders == ("1",)


def test_one_planted_decision_does_not_switch_drift_off(promoted):
    plant_decision(promoted, age=timedelta(seconds=30))
    client(promoted).set_registered_model_alias("wine", "production", "4")
    status = sync_model_status(make_writer(promoted), "wine")
    assert isinstance(status.state.book.entries[-1].body, Observed)
    client(promoted).set_registered_model_alias("wine", "production", "3")
    assert not find_drifts(sync_model_status(make_writer(promoted), "wine"))  # a decision this recent may still be in progress
    assert [drift.observed for drift in find_drifts(sync_model_status(later(promoted), "wine"))] == [("3", "1")]
    with pytest.raises(ActionRefused, match="Finish it, give it up"):
        move_version(later(promoted), move_request("2"), DECISION)


def test_a_planted_decision_from_the_future_explains_no_longer_than_another(promoted):
    plant_decision(promoted, age=-timedelta(days=300))
    client(promoted).set_registered_model_alias("wine", "production", "3")
    assert not find_drifts(sync_model_status(make_writer(promoted), "wine"))
    assert find_drifts(sync_model_status(later(promoted), "wine"))


def test_a_person_finishes_the_decision_of_another_and_is_recorded_as_who_did(promoted):
    intent_id = leave_intent_open(promoted)
    status = read_model_status(promoted, "wine", datetime.now(UTC))
    moves = preview_recovery(status, intent_id, "finish")
    (closed,) = recover_decisions(make_writer(promoted, "bo"), "wine", [intent_id], "finish", MINE)
    assert [(move.verb, move.version) for move in moves] == [("alias", "2"), ("stage", "2"), ("stage", "1")]
    assert (closed.outcome, production_of(promoted).holders) == ("APPLIED", ("2",))
    closing = read_book_state(promoted, "wine").book.entries[-1].body
    assert (closing.by.name, closing.reason) == ("bo", MINE)
    assert history_rows(read_book_state(promoted, "wine"))[0].summary == f"In place of v1: {MINE.text}"
    check_at_rest(promoted)


@pytest.mark.parametrize("writes", thin(range(4), 3))
def test_a_decision_that_is_given_up_half_way_puts_everything_back(promoted, monkeypatch, writes):
    before = read_snapshot(promoted, "wine")
    intent_id = die_after(promoted, monkeypatch, writes)
    status = read_model_status(promoted, "wine", datetime.now(UTC))
    assert len(preview_recovery(status, intent_id, "give up")) == writes
    (closed,) = recover_decisions(make_writer(promoted, "bo"), "wine", [intent_id], "give up", MINE)
    after = read_snapshot(promoted, "wine")
    assert closed.outcome == "FAILED"
    assert (after.aliases, [v.stage for v in after.versions.values()]) == (
        before.aliases,
        [v.stage for v in before.versions.values()],
    )
    closing = read_book_state(promoted, "wine").book.entries[-1].body
    assert (closing.type, closing.by.name, closing.reason) == ("FAILED", "bo", MINE)
    (row, *_) = history_rows(read_book_state(promoted, "wine"))
    assert row.summary == f"It was given up before it was carried out: {MINE.text}"
    check_at_rest(promoted)


def test_the_very_first_decision_given_up_leaves_what_was_there_before_it(fresh_store, monkeypatch):
    make_registered_model(fresh_store, stages={"1": "Production", "2": "Production"}, aliases={"production": "2"})
    sync_model_status(make_writer(fresh_store), "wine")
    before = read_snapshot(fresh_store, "wine")
    intent_id = die_after(fresh_store, monkeypatch, 3, version="3")
    recover_decisions(later(fresh_store), "wine", [intent_id], "give up", MINE)
    after = read_snapshot(fresh_store, "wine")
    assert (after.aliases, after.slot_states) == (before.aliases, before.slot_states)
    assert after.versions["3"].stage == "None"


class WriterDied(Exception):
    """The writer was killed here."""


def die_after(backend, monkeypatch, writes, version="2"):
    """Decide to promote a version and crash after this many registry writes. Returns the id of the decision."""
    left = [writes]

    def count(method):
        def call(*args):
            if not left[0]:
                raise WriterDied
            left[0] -= 1
            return method(*args)

        return call

    with monkeypatch.context() as patch:
        for name in ("set_registered_model_alias", "transition_model_version_stage", "delete_registered_model_alias"):
            patch.setattr(client(backend), name, count(getattr(client(backend), name)))
        patch.setattr(convergence, "append_closing", lambda *_: (_ for _ in ()).throw(WriterDied))
        with pytest.raises(WriterDied):
            move_version(make_writer(backend, "ana"), move_request(version), DECISION)
    return read_book_state(backend, "wine").open_intents[-1].id


@pytest.mark.parametrize("choice", ["finish", "give up"])
def test_of_two_persons_at_once_one_closes_and_the_other_is_told(promoted, choice):
    intent_id = leave_intent_open(promoted)
    answers, start = [], threading.Barrier(2)

    def decide(name):
        start.wait()
        try:
            answers.append(recover_decisions(make_writer(promoted, name), "wine", [intent_id], choice, MINE)[0].outcome)
        except ActionRefused as refused:
            answers.append(str(refused))

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("bo", "cy")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome = "APPLIED" if choice == "finish" else "FAILED"
    assert outcome in answers
    assert sum("closed this decision first" in answer for answer in answers) == 1
    assert check_at_rest(promoted)[outcome] == (2 if choice == "finish" else 1)


def test_a_decision_that_is_closed_or_was_never_made_is_told(promoted):
    intent_id = leave_intent_open(promoted)
    recover_decisions(make_writer(promoted, "bo"), "wine", [intent_id], "give up", MINE)
    with pytest.raises(ActionRefused, match="bo closed this decision first: FAILED"):
        recover_decisions(make_writer(promoted, "cy"), "wine", [intent_id], "finish", MINE)
    with pytest.raises(NotFound, match="no open decision nonsense"):
        recover_decisions(make_writer(promoted, "cy"), "wine", ["nonsense"], "finish", MINE)


@pytest.mark.parametrize("choice", ["finish", "give up"])
@pytest.mark.parametrize("at", thin(["alias", "stage", "archive"], 3))
def test_a_write_that_comes_after_the_decision_was_closed_by_another_is_taken_back(promoted, monkeypatch, choice, at):
    """The writer stalls right before a write while its decision is finished or given up by another user."""
    stalled = []

    def stall(name, is_right):
        real = getattr(client(promoted), name)

        def call(*args):
            if is_right(args) and not stalled:
                stalled.append(args)
                (intent,) = read_book_state(promoted, "wine").open_intents
                recover_decisions(make_writer(promoted, "bo"), "wine", [intent.id], choice, MINE)
            return real(*args)

        monkeypatch.setattr(client(promoted), name, call)

    if at == "alias":
        stall("set_registered_model_alias", lambda args: args[2] == "2")
    else:
        stall("transition_model_version_stage", lambda args: args[1] == ("2" if at == "stage" else "1"))
    result = move_version(make_writer(promoted, "ana"), move_request("2"), DECISION)
    assert stalled
    assert result.outcome == ("applied" if choice == "finish" else "failed")
    check_at_rest(promoted)
    assert production_of(promoted).holders == (("2",) if choice == "finish" else ("1",))


@pytest.mark.parametrize("key", ["none", "a stranger's", "one trusted here"])
def test_a_late_write_sets_a_slot_to_a_holder_it_never_saw_only_where_a_trusted_key_says_so(promoted, monkeypatch, tmp_path, key):
    """During a write, the decision is closed by another writer's entry, and another pair of entries names v3."""
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "ours"))
    signers = {"a stranger's": make_signer(tmp_path / "theirs"), "one trusted here": make_signer(tmp_path / "ours")}
    real, has_planted = client(promoted).set_registered_model_alias, []

    def plant_first(*args):
        if not has_planted:
            has_planted.append(True)
            (intent,) = read_book_state(promoted, "wine").open_intents
            plant_closing(promoted, intent.id, "2", "FAILED")
            plant_closing(promoted, plant_decision(promoted), "3", signer=signers.get(key))
        return real(*args)

    monkeypatch.setattr(client(promoted), "set_registered_model_alias", plant_first)
    assert move_version(make_writer(promoted, "ana"), move_request("2"), DECISION).outcome == "failed"
    snapshot = read_snapshot(promoted, "wine")
    if key == "one trusted here":
        assert snapshot.aliases["production"] == "3", "the write is taken back to what the closing says"
        return
    assert "3" not in snapshot.aliases.values()
    assert snapshot.versions["3"].stage == "None"
    assert find_drifts(sync_model_status(make_writer(promoted), "wine"))


def test_a_roll_back_carries_out_no_planted_decision(promoted):
    move_version(make_writer(promoted), move_request("2"), DECISION)
    plant_decision(promoted)
    assert roll_back(make_writer(promoted), "wine", None, DECISION).version == "1"
    assert production_of(promoted).holders == ("1",)


def test_a_pending_decision_says_who_what_since_when_and_how_far_it_got(promoted, monkeypatch):
    die_after(promoted, monkeypatch, 1)
    (decision,) = list_pending_decisions(read_model_status(promoted, "wine", datetime.now(UTC)))
    assert (decision.actor.name, decision.version, decision.to_stage, decision.is_in_flight) == ("ana", "2", "Production", True)
    assert decision.progress_text == "Partly carried out: 2 moves left."
    leave_intent_open(promoted, "4", "Staging")
    *_, second = list_pending_decisions(read_model_status(promoted, "wine", datetime.now(UTC) + 2 * GRACE_PERIOD))
    assert (second.progress_text, second.is_in_flight) == ("Nothing has been moved yet: 2 moves left.", False)


def test_a_look_records_what_a_dead_writer_left_half_moved_once_nothing_explains_it(promoted, monkeypatch):
    intent_id = die_after(promoted, monkeypatch, 1)
    sync_model_status(make_writer(promoted), "wine")
    assert "OBSERVED" not in entry_types(promoted)
    assert find_drifts(sync_model_status(later(promoted), "wine"))
    assert entry_types(promoted)[-1] == "OBSERVED"
    recover_decisions(later(promoted), "wine", [intent_id], "finish", MINE)
    check_at_rest(promoted)
