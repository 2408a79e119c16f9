"""Promotions on a real SQLite store: holders, entries, and refusals."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import make_reason, parse_stage
from lib.ledger.queries.history import entry_to_json, history_rows
from lib.ledger.state.holdings import recorded_holdings
from lib.registry.move_plan import Decision, MoveRequest, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_all_book_states, read_all_snapshots, read_book_state, read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.roll_back import roll_back, rollback_target
from tests.support.ledger_stores import DECISION, REASON, ledger_findings, make_registered_model, make_writer
from tests.support.registry_factories import entry_types, finish_open_decisions, move_request


def production_holder(backend, model="wine"):
    """Check that alias, stage and ledger agree on the holder of Production, and return it."""
    snapshot, state = read_snapshot(backend, model), read_book_state(backend, model)
    slot_state = snapshot.slot_states["production"]
    desired = state.desired_holders()["production"]
    assert slot_state.alias == desired.holder
    assert slot_state.stage == desired.holders
    assert not state.open_intents
    assert not ledger_findings(backend, model)
    return desired.holder


def test_a_first_promotion_sets_alias_and_stage_and_records_who_when_and_why(fresh_store):
    make_registered_model(fresh_store)
    result = move_version(make_writer(fresh_store), move_request("1"), DECISION)
    assert (result.outcome, result.from_stage, result.displaced_versions) == ("applied", "None", ())
    assert production_holder(fresh_store) == "1"
    assert entry_types(fresh_store) == ["OPENED", "REGISTERED", "DECIDED", "APPLIED"]
    row = next(row for row in history_rows(read_book_state(fresh_store, "wine")) if row.badge == "approve")
    assert (row.actor_name, row.from_stage, row.to_stage, row.summary) == ("ana", "None", "Production", REASON.text)


def test_a_second_promotion_archives_the_champion_and_says_so(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    result = move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert result.displaced_versions == ("1",)
    assert production_holder(fresh_store) == "2"
    assert read_snapshot(fresh_store, "wine").versions["1"].stage == "Archived"
    holdings = [
        (h.version, h.until is None)
        for h in recorded_holdings(read_book_state(fresh_store, "wine").book.entries)
        if h.slot == "production"
    ]
    assert holdings == [("1", False), ("2", True)]


def test_promoting_out_of_staging_empties_staging(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("2", "Staging"), DECISION)
    assert read_snapshot(fresh_store, "wine").aliases == {"staging": "2"}
    move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "2"}
    assert production_holder(fresh_store) == "2"


def test_archiving_the_champion_leaves_nobody_in_production(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    result = move_version(make_writer(fresh_store), move_request("1", "Archived", kind="archive"), Decision(REASON, "1"))
    assert result.outcome == "applied"
    assert production_holder(fresh_store) is None
    assert read_snapshot(fresh_store, "wine").aliases == {}


def test_a_version_can_be_moved_back_to_none_and_archived_from_there(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    assert move_version(make_writer(fresh_store), move_request("1", "None"), DECISION).outcome == "applied"
    assert read_snapshot(fresh_store, "wine").versions["1"].stage == "None"
    assert move_version(make_writer(fresh_store), move_request("1", "Archived", kind="archive"), DECISION).outcome == "applied"
    assert read_snapshot(fresh_store, "wine").versions["1"].stage == "Archived"


def test_what_is_already_so_is_unchanged_and_leaves_no_entry(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    before = entry_types(fresh_store)
    assert move_version(make_writer(fresh_store), move_request("1"), DECISION).outcome == "unchanged"
    assert entry_types(fresh_store) == before


def test_a_decision_against_another_champion_is_refused_and_leaves_no_entry(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), Decision(REASON, "none"))
    before = entry_types(fresh_store)
    with pytest.raises(ActionRefused, match="You expected no version in Production of wine, but it now holds v1"):
        move_version(make_writer(fresh_store), move_request("2"), Decision(REASON, "none"))
    assert entry_types(fresh_store) == before
    assert production_holder(fresh_store) == "1"


def test_the_preview_is_exactly_what_happens(fresh_store):
    make_registered_model(fresh_store, aliases={"champion": "1"})
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    move_version(make_writer(fresh_store), move_request("2", "Staging"), DECISION)
    status = read_model_status(fresh_store, "wine", datetime.now(UTC))
    preview = [(m.verb, m.target, m.version) for m in plan_move(status, move_request("2")).moves]
    assert preview == [
        ("alias", "production", "2"),
        ("stage", "Production", "2"),
        ("stage", "Archived", "1"),
        ("unalias", "staging", "2"),
    ]
    assert plan_move(status, move_request("2")).champion.holders_text == "1"
    calls = []
    registry = client(fresh_store)
    for verb in ("set_registered_model_alias", "delete_registered_model_alias", "transition_model_version_stage"):
        real = getattr(registry, verb)
        setattr(registry, verb, lambda *a, real=real, verb=verb: (calls.append(verb), real(*a)))
    move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert len(calls) == len(preview)


def test_other_aliases_stay_unless_they_are_asked_along(fresh_store):
    make_registered_model(fresh_store, aliases={"champion": "1"})
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert read_snapshot(fresh_store, "wine").aliases["champion"] == "1"
    move_version(make_writer(fresh_store), move_request("3", aliases=("champion",)), DECISION)
    assert read_snapshot(fresh_store, "wine").aliases == {"champion": "3", "production": "3"}
    decided = [e.body for e in read_book_state(fresh_store, "wine").book.entries if isinstance(e.body, Decided)]
    assert decided[-1].aliases == ("champion",)


def test_a_roll_back_goes_to_the_last_other_champion_that_is_whole(fresh_store):
    make_registered_model(fresh_store)
    for version in "123":
        move_version(make_writer(fresh_store), move_request(version), DECISION)
    client(fresh_store).delete_model_version("wine", "2")
    sync_model_status(make_writer(fresh_store), "wine")
    assert rollback_target(make_writer(fresh_store), read_model_status(fresh_store, "wine", datetime.now(UTC))) == "1"
    result = roll_back(make_writer(fresh_store), "wine", None, Decision(REASON, "3"))
    assert (result.version, result.outcome) == ("1", "applied")
    assert production_holder(fresh_store) == "1"
    assert next(row for row in history_rows(read_book_state(fresh_store, "wine")) if row.to_stage).badge in (
        "APPLIED",
        "roll_back",
    )


def test_a_roll_back_without_an_earlier_champion_is_refused(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    with pytest.raises(ActionRefused, match="No earlier version"):
        roll_back(make_writer(fresh_store), "wine", None, DECISION)
    with pytest.raises(ActionRefused, match="was never in Production"):
        roll_back(make_writer(fresh_store), "wine", "2", DECISION)


def test_a_move_made_outside_is_recorded_as_seen_and_blocks_the_next_decision(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    client(fresh_store).set_registered_model_alias("wine", "production", "3")
    with pytest.raises(ActionRefused, match="changed outside Podium"):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert entry_types(fresh_store)[-1] == "OBSERVED"
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "3"
    client(fresh_store).set_registered_model_alias("wine", "production", "1")
    assert move_version(make_writer(fresh_store), move_request("2"), DECISION).outcome == "applied"


def test_a_deleted_version_is_recorded_once(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    client(fresh_store).delete_model_version("wine", "3")
    for _ in range(3):
        sync_model_status(make_writer(fresh_store), "wine")
    assert entry_types(fresh_store).count("OBSERVED") == 1
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.gone == ("3",)


def test_a_model_made_anew_begins_a_new_record_in_the_same_book(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    client(fresh_store).delete_registered_model("wine")
    sync_model_status(make_writer(fresh_store), "wine")
    make_registered_model(fresh_store)
    sync_model_status(make_writer(fresh_store), "wine")
    assert [e.body.why for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "OPENED"] == [
        "first look",
        "deleted",
        "re-created",
    ]
    assert move_version(make_writer(fresh_store), move_request("2"), Decision(REASON, "none")).outcome == "applied"


def test_a_renamed_model_keeps_its_history(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    client(fresh_store).rename_registered_model("wine", "wine-forest")
    with pytest.raises(NotFound, match="is now called wine-forest"):
        sync_model_status(make_writer(fresh_store), "wine")
    sync_model_status(make_writer(fresh_store), "wine-forest")
    assert entry_types(fresh_store, "wine-forest")[:2] == ["OPENED", "REGISTERED"]
    assert read_book_state(fresh_store, "wine-forest").desired_holders()["production"].holder == "1"


def test_reading_writes_nothing(fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production"})
    before = fresh_store.path.read_bytes()
    status = read_model_status(fresh_store, "wine", datetime.now(UTC))
    assert plan_move(status, move_request("2")).moves
    read_all_book_states(fresh_store, read_all_snapshots(fresh_store))
    assert read_book_state(fresh_store, "wine") is None
    assert fresh_store.path.read_bytes() == before


def test_all_models_and_their_records_come_in_one_sweep(fresh_store):
    for name in ("wine", 'it\'s "quoted"'):
        make_registered_model(fresh_store, name, 2)
        move_version(make_writer(fresh_store), MoveRequest(name, "1", "Production"), DECISION)
    snapshots = read_all_snapshots(fresh_store)
    states = read_all_book_states(fresh_store, snapshots)
    assert {name: state.desired_holders()["production"].holder for name, state in states.items()} == {
        "wine": "1",
        'it\'s "quoted"': "1",
    }


def test_recover_finishes_what_is_open_and_moves_nothing_otherwise(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    client(fresh_store).set_registered_model_alias("wine", "production", "2")
    _, closed = finish_open_decisions(make_writer(fresh_store), "wine")
    assert closed == ()
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "2"


def test_an_entry_as_json_has_the_names_of_the_contract(fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    decided = next(e for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "DECIDED")
    document = entry_to_json(decided)
    assert list(document)[:9] == ["place", "id", "type", "version", "from", "to", "by", "reason", "recorded_at"]
    assert document["from"] == "None"
    assert document["reason"] == {"category": "better", "text": REASON.text}
    assert "expected" not in document


@pytest.mark.parametrize(("model", "version"), [("nope", "1"), ("wine", "9")])
def test_an_unknown_model_or_version_is_named(fresh_store, model, version):
    make_registered_model(fresh_store)
    with pytest.raises(NotFound):
        move_version(make_writer(fresh_store), MoveRequest(model, version, "Production"), DECISION)


@pytest.mark.parametrize("act", ["promote", "roll back"])
def test_a_version_that_is_not_there_is_refused_before_a_record_begins(fresh_store, act):
    make_registered_model(fresh_store, versions=1)
    with pytest.raises(NotFound, match=r"no version 9.*Nothing was changed"):
        if act == "promote":
            move_version(make_writer(fresh_store), move_request("9"), DECISION)
        else:
            roll_back(make_writer(fresh_store), "wine", "9", DECISION)
    assert read_book_state(fresh_store, "wine") is None


def test_a_refusal_after_a_record_began_does_not_say_that_nothing_was_changed(fresh_store):
    make_registered_model(fresh_store)
    against_another = Decision(REASON, "3")
    with pytest.raises(ActionRefused, match=r"No version was moved.*updated to match the registry") as refused:
        move_version(make_writer(fresh_store), move_request("1"), against_another)
    assert refused.value.title == "Refused: no version was moved"
    with pytest.raises(ActionRefused, match="Nothing was changed"):
        move_version(make_writer(fresh_store), move_request("1"), against_another)
    assert entry_types(fresh_store) == ["OPENED"]


@pytest.mark.parametrize(("status", "reason"), [("FAILED_REGISTRATION", "failed"), ("PENDING_REGISTRATION", "still being")])
def test_a_version_without_its_files_is_not_promoted_and_may_be_archived(fresh_store, status, reason):
    make_registered_model(fresh_store, versions=2)
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update model_versions set status = ? where version = 2", (status,))
    with pytest.raises(ActionRefused, match=reason):
        move_version(make_writer(fresh_store), move_request("2"), DECISION)
    assert "DECIDED" not in entry_types(fresh_store)
    assert move_version(make_writer(fresh_store), move_request("2", "Archived"), DECISION).outcome == "applied"
    assert move_version(make_writer(fresh_store), move_request("1"), DECISION).outcome == "applied"


@pytest.mark.parametrize(
    ("text", "suggestion"), [("Development", "None (or Staging)"), ("Archive", "Archived"), ("", "None, Staging")]
)
def test_a_wrong_word_for_a_stage_is_answered_with_the_right_one(text, suggestion):
    with pytest.raises(BadInput) as error:
        parse_stage(text)
    assert suggestion in str(error.value)


@pytest.mark.parametrize(
    ("category", "text"), [("better", ""), ("better", "too short"), ("better", " \x00 " * 40), ("odd", "x" * 30)]
)
def test_an_empty_or_short_reason_is_refused(category, text):
    with pytest.raises(BadInput):
        make_reason(category, text)
