"""The plan of a requested move: what it names without any reason, and how it follows a newer book."""

from dataclasses import replace

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, NotFound
from lib.ledger.storage.book import append
from lib.registry.model_status import ModelStatus
from lib.registry.move_plan import Decision, MoveRequest, entry_factory, plan_move, recheck_plan
from lib.registry.moves import Move
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot
from tests.support.ledger_factories import CREATED_AT, make_book_state, make_closing, make_intent, make_opened, make_slot_states
from tests.support.ledger_stores import DECISION, REASON, make_promoted_model, make_registered_model, make_writer
from tests.support.registry_factories import move_request

V1_IN_PRODUCTION = (make_opened(), make_intent("1", slots=("production",)), make_closing(2, slot_states=make_slot_states(["1"])))


def status_of(*bodies, stages=("Production", "Staging", "None"), **aliases):
    """The status of model m with three versions in these stages, and a book of these bodies."""
    versions = {str(n): VersionSnapshot(str(n), stage, created_at="x", updated_at="x") for n, stage in enumerate(stages, 1)}
    return ModelStatus(make_book_state(*bodies), RegistrySnapshot("m", CREATED_AT, aliases=aliases, versions=versions), "b")


def test_a_plan_names_slots_champion_displaced_versions_and_moves_without_a_reason():
    plan = plan_move(status_of(*V1_IN_PRODUCTION, production="1", champion="1", staging="2"), MoveRequest("m", "2", "Production"))
    assert plan.version.stage == "Staging"
    assert plan.slots == ("production", "staging")
    assert (plan.champion.holders_text, plan.displaced) == ("1", ("1",))
    assert plan.moves == (
        Move("alias", "production", "2", "1"),
        Move("stage", "Production", "2", "Staging"),
        Move("stage", "Archived", "1", "Production"),
        Move("unalias", "staging", "2"),
    )


def test_aliases_that_move_along_come_last():
    status, request = status_of(*V1_IN_PRODUCTION, production="1", champion="1"), MoveRequest("m", "3", "Production")
    moves = plan_move(status, request).moves
    assert len(moves) == 3
    assert plan_move(status, replace(request, aliases=("champion",))).moves == (*moves, Move("alias", "champion", "3", "1"))


def test_an_archived_version_contests_the_slot_it_leaves_and_displaces_nobody():
    plan = plan_move(status_of(*V1_IN_PRODUCTION, production="1"), MoveRequest("m", "1", "Archived", "archive"))
    assert (plan.slots, plan.champion.holders_text, plan.displaced) == (("production",), "1", ())


def test_a_version_in_no_slot_that_goes_to_none_contests_nothing():
    plan = plan_move(status_of(*V1_IN_PRODUCTION, production="1"), MoveRequest("m", "3", "Archived", "archive"))
    assert (plan.slots, plan.champion.holders_text) == ((), "none")


def test_an_unknown_version_has_no_plan():
    with pytest.raises(NotFound, match="m has no version 9"):
        plan_move(status_of(*V1_IN_PRODUCTION, production="1"), MoveRequest("m", "9", "Production"))


@pytest.mark.parametrize(("versions_known", "position"), [(False, 5), (True, 4)])
def test_the_position_counts_a_registration_that_is_recorded_first(versions_known, position):
    status = status_of(*V1_IN_PRODUCTION, production="1")
    if versions_known:
        status = replace(status, state=replace(status.state, registered_versions=frozenset("123")))
    plan = plan_move(status, MoveRequest("m", "2", "Production"))
    assert (plan.is_unregistered, plan.position) == (not versions_known, position)


def test_a_newer_book_changes_the_champion_and_counts_its_new_decision_as_in_flight():
    status = status_of(*V1_IN_PRODUCTION, production="1")
    plan = plan_move(status, MoveRequest("m", "2", "Production"))
    newer_state = make_book_state(*V1_IN_PRODUCTION, make_intent("3", slots=("production",)))
    newer_plan = recheck_plan(plan, newer_state, DECISION)
    assert (plan.champion.holders_text, newer_plan.champion.holders_text) == ("1", "3")
    assert (plan.status.in_flight, newer_plan.status.in_flight) == (frozenset(), {"e4"})
    assert newer_plan.moves == plan.moves
    assert recheck_plan(plan, status.state, Decision(REASON, "1")) == plan
    with pytest.raises(ActionRefused, match="You expected v1 in Production of m, but it now holds v3"):
        recheck_plan(plan, newer_state, Decision(REASON, "1"))


def test_the_entry_records_what_the_plan_showed(fresh_store):
    make_registered_model(fresh_store, aliases={"champion": "1"})
    move_version(make_writer(fresh_store), move_request("1"), DECISION)
    plan = plan_move(sync_model_status(make_writer(fresh_store), "wine"), move_request("2", aliases=("champion",)))
    result = move_version(make_writer(fresh_store), plan.request, Decision(REASON, plan.champion.holders_text))
    body = read_book_state(fresh_store, "wine").intents[-1].body
    assert (body.kind, body.version, body.to) == ("promote", "2", "Production")
    assert (body.identity, body.from_, body.slots) == (plan.version.identity, plan.version.stage, plan.slots)
    assert body.aliases == plan.request.aliases == ("champion",)
    assert (body.expected, body.reason) == ("1", REASON)
    assert (result.position, result.from_stage) == (plan.position, plan.version.stage)
    assert result.displaced_versions == plan.displaced == ("1",)


def test_a_deletion_that_another_accepted_meanwhile_is_refused_as_no_longer_open(fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).delete_model_version("wine", "1")
    status = sync_model_status(make_writer(fresh_store), "wine")
    plan = plan_move(status, move_request("1", "Archived", kind="adopt"))
    assert plan.lost_slots == ("production",)
    move_version(make_writer(fresh_store, "bo"), plan.request, DECISION)
    before = read_book_state(fresh_store, "wine").book.head
    writer = make_writer(fresh_store)
    with pytest.raises(ActionRefused, match="no longer disagree about this"):
        append(writer, status.book_id, entry_factory(plan, DECISION, lambda: writer.common_fields("wine")))
    assert read_book_state(fresh_store, "wine").book.head == before
