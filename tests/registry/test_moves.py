"""Planning the remaining moves from desired holders and a snapshot, without a store."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ledger.state.replay import is_fulfilled
from lib.registry.code_snippets import load_model_snippet, moves_snippet, register_snippet
from lib.registry.drift import find_drifts
from lib.registry.explanation import is_explained
from lib.registry.model_status import ModelStatus
from lib.registry.moves import PREVIEW_ID, Move, add_preview_intent, apply_move, plan_moves, preview_intent
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, parse_head, version_sort_key
from tests.support.ledger_factories import (
    CREATED_AT,
    make_book_state,
    make_closing,
    make_intent,
    make_observed,
    make_opened,
    make_slot_states,
)

STAGES = st.sampled_from(["None", "Staging", "Production", "Archived"])
NUMBERS = ("1", "2", "3")


def registry_snapshot(stages=("None", "None", "None"), **aliases):
    """A registry with versions 1, 2, 3 in these stages and with these aliases."""
    versions = {n: VersionSnapshot(n, stage, created_at="x", updated_at="x") for n, stage in zip(NUMBERS, stages, strict=True)}
    return RegistrySnapshot("m", created_at=CREATED_AT, aliases=aliases, versions=versions)


@st.composite
def registries(draw):
    stages = [draw(STAGES) for _ in NUMBERS]
    names = [name for name in ("production", "staging", "champion") if draw(st.booleans())]
    return registry_snapshot(stages, **{name: draw(st.sampled_from(NUMBERS)) for name in names})


def intent_ids(state):
    return [intent.id for intent in state.intents]


def state_with_intent(snapshot, version, to, **fields):
    """A book that began with this snapshot, and one open intent."""
    return add_preview_intent(make_book_state(make_opened(snapshot.slot_states)), make_intent(version, to, **fields))


@settings(max_examples=400, deadline=None)
@given(registries(), st.sampled_from(NUMBERS), STAGES)
def test_every_move_comes_to_rest_with_what_was_wanted_and_at_most_one_holder(snapshot, version, to):
    state = state_with_intent(snapshot, version, to)
    for move in preview_intent(state, snapshot, PREVIEW_ID):
        snapshot = apply_move(snapshot, move)
    assert plan_moves(state, snapshot, intent_ids(state)) == ()
    for slot, desired in state.desired_holders(snapshot.is_possible).items():
        assert not desired.is_managed or is_fulfilled(desired, snapshot.slot_states[slot])
    assert snapshot.versions[version].stage == to


@given(registries(), st.sampled_from(NUMBERS), STAGES)
def test_slots_that_no_intent_named_lose_only_who_is_wanted_elsewhere_and_other_aliases_stay(snapshot, version, to):
    state = state_with_intent(snapshot, version, to)
    after = snapshot
    for move in preview_intent(state, snapshot, PREVIEW_ID):
        after = apply_move(after, move)
    assert after.aliases.get("champion") == snapshot.aliases.get("champion")
    desired = state.desired_holders()
    moved_versions = {version for holder in desired.values() if holder.is_managed for version in holder.holders}
    for slot in [slot for slot, holder in desired.items() if not holder.is_managed]:
        assert after.slot_states[slot].alias == snapshot.slot_states[slot].alias
        assert set(after.slot_states[slot].stage) - moved_versions == set(snapshot.slot_states[slot].stage) - moved_versions


@given(registries())
def test_without_an_intent_nothing_is_ever_moved(snapshot):
    assert plan_moves(make_book_state(make_opened(snapshot.slot_states)), snapshot, ()) == ()


def test_the_order_is_alias_then_stage_then_others_out_then_aliases_off():
    snapshot = registry_snapshot(["Production", "Staging", "None"], production="1", staging="2")
    verbs = [
        (move.verb, move.target, move.version)
        for move in preview_intent(state_with_intent(snapshot, "2", "Production"), snapshot, PREVIEW_ID)
    ]
    assert verbs == [
        ("alias", "production", "2"),
        ("stage", "Production", "2"),
        ("stage", "Archived", "1"),
        ("unalias", "staging", "2"),
    ]


def test_whoever_empties_a_slot_leaves_alone_what_another_is_moving_into_it():
    snapshot = registry_snapshot(["Production", "None", "None"], production="2")  # the other decision has moved the alias
    state = make_book_state(
        make_opened(make_slot_states(["1"])), make_intent("2"), make_intent("1", "Archived", "Production", slots=("production",))
    )
    assert plan_moves(state, snapshot, ("e3",)) == (Move("stage", "Archived", "1", "Production"),)
    assert Move("unalias", "production", "2") in plan_moves(
        make_book_state(make_opened(make_slot_states(["1"])), make_intent("1", "Archived", "Production", slots=("production",))),
        snapshot,
        ("e2",),
    )


def test_a_version_that_is_pushed_out_goes_where_it_was_wanted_unless_that_was_decided_otherwise_meanwhile():
    """v1 belongs in Staging, is in Production, and leaves it for v2; later v1 is archived."""
    snapshot = registry_snapshot(["Production", "None", "None"], production="1")
    shown = make_slot_states(["1"])
    entries = [make_opened(shown), make_intent("1", "Staging"), make_closing(2, slot_states=shown), make_intent("2")]
    later = [make_intent("1", "Archived", "Production"), make_closing(5, slot_states=shown)]
    to_staging = Move("stage", "Staging", "1", "Production")
    assert to_staging in preview_intent(make_book_state(*entries), snapshot, "e4")
    moves = preview_intent(make_book_state(*entries, *later), snapshot, "e4")
    assert to_staging not in moves
    assert Move("stage", "Archived", "1", "Production") in moves
    assert not any(move.target == "staging" for move in moves)


def test_a_wanted_version_that_was_deleted_is_left_to_people():
    snapshot = registry_snapshot()
    state = make_book_state(make_opened(snapshot.slot_states), make_intent("9"), make_closing(2))
    assert plan_moves(state, snapshot, intent_ids(state)) == ()


def test_an_intent_for_another_version_of_the_same_number_moves_nothing():
    snapshot = registry_snapshot()
    other = replace(snapshot, versions={**snapshot.versions, "1": replace(snapshot.versions["1"], created_at="later")})
    assert plan_moves(state_with_intent(snapshot, "1", "Production"), other, (PREVIEW_ID,)) == ()


def test_an_alias_is_taken_along_only_while_the_intent_is_open():
    snapshot = registry_snapshot(champion="3")
    state = state_with_intent(snapshot, "1", "Production", aliases=("champion",))
    assert Move("alias", "champion", "1", "3") in plan_moves(state, snapshot, intent_ids(state))
    closed_state = make_book_state(
        make_opened(snapshot.slot_states),
        make_intent("1", aliases=("champion",)),
        make_closing(2, slot_states=make_slot_states(["1"])),
    )
    assert all(move.target != "champion" for move in plan_moves(closed_state, snapshot, intent_ids(closed_state)))


def test_what_was_last_seen_is_explained_and_an_outside_move_is_not():
    state = make_book_state(make_opened(), make_intent("1"), make_closing(2, slot_states=make_slot_states(["1"])))
    assert is_explained([state], registry_snapshot(["Production", "None", "None"], production="1"))
    assert not is_explained([state], registry_snapshot(["Production", "None", "None"], production="2"))
    assert not is_explained([state], registry_snapshot(["None", "None", "None"]))


def test_every_step_of_a_move_in_flight_is_explained():
    snapshot = registry_snapshot(["Production", "Staging", "None"], production="1", staging="2")
    state = state_with_intent(snapshot, "2", "Production")
    for move in preview_intent(state, snapshot, PREVIEW_ID):
        snapshot = apply_move(snapshot, move)
        assert is_explained([state], snapshot, intent_ids(state)), (move, snapshot)
    assert not is_explained([state], snapshot)  # once the decision no longer explains anything


def test_a_third_version_is_not_explained_by_a_move_in_flight():
    state = state_with_intent(registry_snapshot(["Production", "None", "None"], production="1"), "2", "Production")
    assert not is_explained([state], registry_snapshot(["Production", "None", "None"], production="3"), intent_ids(state))


def test_a_decision_that_was_made_and_closed_between_two_readings_explains_what_the_registry_shows():
    before = make_book_state(make_opened())
    after = make_book_state(make_opened(), make_intent("2"), make_closing(2, slot_states=make_slot_states(["2"])))
    half_moved = registry_snapshot(["None", "None", "None"], production="2")
    assert is_explained([before, after], half_moved)
    assert not is_explained([after], half_moved)


def test_a_drift_offers_to_adopt_what_stands_there_and_to_put_back_what_is_wanted():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_observed(make_slot_states(["3"])),
    )
    (drift,) = find_drifts(ModelStatus(state, registry_snapshot(["None", "None", "Production"], production="3"), "b"))
    assert resolutions(drift) == [("adopt", "3", "Production"), ("revert", "1", "Production")]
    (drift_without_holder,) = find_drifts(ModelStatus(state, registry_snapshot(["Archived", "None", "None"]), "b"))
    assert resolutions(drift_without_holder) == [("adopt", "1", "Archived"), ("revert", "1", "Production")]
    (drift_of_alias,) = find_drifts(ModelStatus(state, registry_snapshot(["Production", "None", "None"], production="3"), "b"))
    assert resolutions(drift_of_alias) == [("adopt", "3", "Production"), ("revert", "1", "Production")]


def test_when_nobody_is_wanted_and_several_stand_there_each_can_be_adopted_and_all_taken_out():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_intent("1", "Archived", "Production"),
        make_closing(4),
    )
    snapshot = registry_snapshot(["None", "Production", "Production"])
    (drift,) = find_drifts(ModelStatus(state, snapshot, "b"))
    assert resolutions(drift) == [("adopt", "2", "Production"), ("adopt", "3", "Production"), ("revert", "2", "Archived")]
    reverted_state = add_preview_intent(state, make_intent("2", "Archived", "Production", kind="revert", slots=("production",)))
    assert [(m.target, m.version) for m in preview_intent(reverted_state, snapshot, PREVIEW_ID)] == [
        ("Archived", "2"),
        ("Archived", "3"),
    ]


def resolutions(drift):
    return [(resolution.kind, resolution.version, resolution.to_stage) for resolution in drift.resolutions]


def test_versions_sort_as_numbers():
    assert sorted(["10", "2", "1"], key=version_sort_key) == ["1", "2", "10"]


def test_a_head_is_a_place_a_chain_and_a_book_and_anything_else_is_none():
    head = parse_head(f"17 {'a' * 64} b00c")
    assert (head.anchor.position, head.book_id) == (17, "b00c")
    assert head.text == f"17 {'a' * 64} b00c"
    assert [parse_head(text) for text in ("", "17", "x " + "a" * 64, "17 abc")] == [None] * 4


def test_the_calls_that_are_shown_are_plain_python_whatever_the_names_hold():
    hostile = "it's \"quoted\"\n'); import os; os.system('true') #"
    snippets = [
        load_model_snippet("sqlite:///x", f"models:/{hostile}@production"),
        moves_snippet(
            "sqlite:///x",
            hostile,
            [Move("alias", "production", "1"), Move("unalias", "staging", "1"), Move("stage", "Archived", "2")],
        ),
        register_snippet("sqlite:///x", hostile, "/place", {"run_id": "run", "model_id": "m-1"}, is_new_model=True),
    ]
    import ast

    for code in snippets:
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if getattr(call.func, "attr", "") == "system"]
