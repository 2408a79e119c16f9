"""From what is wanted and what is seen to the moves that are left, on paper."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.ledger.state.replay import is_fulfilled
from lib.registry.code_snippets import load_model_snippet, moves_snippet, register_snippet
from lib.registry.drift import find_drifts
from lib.registry.ledger_writer import ModelStatus
from lib.registry.move_plan import PREVIEW_ID, Move, add_preview_intent, apply_move, is_explained, plan_moves, preview_intent
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


def shown(stages=("None", "None", "None"), **aliases):
    """A registry with versions 1, 2, 3 in these stages and with these aliases."""
    versions = {n: VersionSnapshot(n, stage, created_at="x", updated_at="x") for n, stage in zip(NUMBERS, stages, strict=True)}
    return RegistrySnapshot("m", created_at=CREATED_AT, aliases=aliases, versions=versions)


@st.composite
def registries(draw):
    stages = [draw(STAGES) for _ in NUMBERS]
    names = [name for name in ("production", "staging", "champion") if draw(st.booleans())]
    return shown(stages, **{name: draw(st.sampled_from(NUMBERS)) for name in names})


def ids(state):
    return [intent.id for intent in state.intents]


def decided_on(seen, version, to, **more):
    """A book that began with this sight, and one open intent."""
    return add_preview_intent(make_book_state(make_opened(seen.now)), make_intent(version, to, **more))


@settings(max_examples=400, deadline=None)
@given(registries(), st.sampled_from(NUMBERS), STAGES)
def test_every_move_comes_to_rest_with_what_was_wanted_and_at_most_one_holder(seen, version, to):
    state = decided_on(seen, version, to)
    for move in preview_intent(state, seen, PREVIEW_ID):
        seen = apply_move(seen, move)
    assert plan_moves(state, seen, ids(state)) == ()
    for slot, want in state.desired_holders(seen.is_possible).items():
        assert not want.is_managed or is_fulfilled(want, seen.slot_states[slot])
    assert seen.versions[version].stage == to


@given(registries(), st.sampled_from(NUMBERS), STAGES)
def test_slots_that_no_intent_named_lose_only_who_is_wanted_elsewhere_and_other_aliases_stay(seen, version, to):
    state = decided_on(seen, version, to)
    after = seen
    for move in preview_intent(state, seen, PREVIEW_ID):
        after = apply_move(after, move)
    assert after.aliases.get("champion") == seen.aliases.get("champion")
    want = state.desired_holders()
    taken = {holder for one in want.values() if one.is_managed for holder in one.holders}
    for slot in [slot for slot, one in want.items() if not one.is_managed]:
        assert after.slot_states[slot].alias == seen.now[slot].alias
        assert set(after.slot_states[slot].stage) - taken == set(seen.now[slot].stage) - taken


@given(registries())
def test_without_an_intent_nothing_is_ever_moved(seen):
    assert plan_moves(make_book_state(make_opened(seen.now)), seen, ()) == ()


def test_the_order_is_alias_then_stage_then_others_out_then_aliases_off():
    seen = shown(["Production", "Staging", "None"], production="1", staging="2")
    verbs = [
        (move.verb, move.target, move.version) for move in preview_intent(decided_on(seen, "2", "Production"), seen, PREVIEW_ID)
    ]
    assert verbs == [
        ("alias", "production", "2"),
        ("stage", "Production", "2"),
        ("stage", "Archived", "1"),
        ("unalias", "staging", "2"),
    ]


def test_a_wanted_version_that_was_deleted_is_left_to_people():
    seen = shown()
    state = make_book_state(make_opened(seen.slot_states), make_intent("9"), make_closing(2))
    assert plan_moves(state, seen, ids(state)) == ()


def test_an_intent_for_another_version_of_the_same_number_moves_nothing():
    seen = shown()
    other = replace(seen, versions={**seen.versions, "1": replace(seen.versions["1"], created="later")})
    assert plan_moves(decided_on(seen, "1", "Production"), other, (PREVIEW_ID,)) == ()


def test_an_alias_is_taken_along_only_while_the_intent_is_open():
    seen = shown(champion="3")
    state = decided_on(seen, "1", "Production", aliases=("champion",))
    assert Move("alias", "champion", "1", "3") in plan_moves(state, seen, ids(state))
    done = make_book_state(
        make_opened(seen.slot_states),
        make_intent("1", aliases=("champion",)),
        make_closing(2, slot_states=make_slot_states(["1"])),
    )
    assert all(move.target != "champion" for move in plan_moves(done, seen, ids(done)))


def test_what_was_last_seen_is_explained_and_an_outside_move_is_not():
    state = make_book_state(make_opened(), make_intent("1"), make_closing(2, slot_states=make_slot_states(["1"])))
    assert is_explained([state], shown(["Production", "None", "None"], production="1"))
    assert not is_explained([state], shown(["Production", "None", "None"], production="2"))
    assert not is_explained([state], shown(["None", "None", "None"]))


def test_every_step_of_a_move_in_flight_is_explained():
    seen = shown(["Production", "Staging", "None"], production="1", staging="2")
    state = decided_on(seen, "2", "Production")
    for move in preview_intent(state, seen, PREVIEW_ID):
        seen = apply_move(seen, move)
        assert is_explained([state], seen), (move, seen)


def test_a_third_version_is_not_explained_by_a_move_in_flight():
    state = decided_on(shown(["Production", "None", "None"], production="1"), "2", "Production")
    assert not is_explained([state], shown(["Production", "None", "None"], production="3"))


def test_a_later_intent_that_was_closed_meanwhile_still_explains_the_hand_of_an_earlier_writer():
    state = make_book_state(
        make_opened(), make_intent("1"), make_intent("2"), make_closing(3, slot_states=make_slot_states(["2"]))
    )
    assert is_explained([state], shown(["None", "Production", "None"], production="1"))


def test_a_drift_offers_to_adopt_what_stands_there_and_to_put_back_what_is_wanted():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_observed(make_slot_states(["3"])),
    )
    (drift,) = find_drifts(ModelStatus(state, shown(["None", "None", "Production"], production="3"), "b"))
    assert ways(drift) == [("adopt", "3", "Production"), ("revert", "1", "Production")]
    (empty,) = find_drifts(ModelStatus(state, shown(["Archived", "None", "None"]), "b"))
    assert ways(empty) == [("adopt", "1", "Archived"), ("revert", "1", "Production")]
    (alias,) = find_drifts(ModelStatus(state, shown(["Production", "None", "None"], production="3"), "b"))
    assert ways(alias) == [("adopt", "3", "Production"), ("revert", "1", "Production")]


def test_when_nobody_is_wanted_and_several_stand_there_each_can_be_adopted_and_all_taken_out():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_intent("1", "Archived", "Production"),
        make_closing(4),
    )
    seen = shown(["None", "Production", "Production"])
    (drift,) = find_drifts(ModelStatus(state, seen, "b"))
    assert ways(drift) == [("adopt", "2", "Production"), ("adopt", "3", "Production"), ("revert", "2", "Archived")]
    out = add_preview_intent(state, make_intent("2", "Archived", "Production", kind="revert", slots=("production",)))
    assert [(m.target, m.version) for m in preview_intent(out, seen, PREVIEW_ID)] == [("Archived", "2"), ("Archived", "3")]


def ways(drift):
    return [(way.kind, way.version, way.to_stage) for way in drift.resolutions]


def test_versions_sort_as_numbers():
    assert sorted(["10", "2", "1"], key=version_sort_key) == ["1", "2", "10"]


def test_a_head_is_a_place_a_chain_and_a_book_and_anything_else_is_none():
    head = parse_head(f"17 {'a' * 64} b00c")
    assert (head.anchor.position, head.book_id) == (17, "b00c")
    assert head.text == f"17 {'a' * 64} b00c"
    assert [parse_head(text) for text in ("", "17", "x " + "a" * 64, "17 abc")] == [None] * 4


def test_the_calls_that_are_shown_are_plain_python_whatever_the_names_hold():
    hostile = "it's \"quoted\"\n'); import os; os.system('true') #"
    made = [
        load_model_snippet("sqlite:///x", f"models:/{hostile}@production"),
        moves_snippet(
            "sqlite:///x",
            hostile,
            [Move("alias", "production", "1"), Move("unalias", "staging", "1"), Move("stage", "Archived", "2")],
        ),
        register_snippet("sqlite:///x", hostile, "/place", "run", "m-1"),
    ]
    import ast

    for code in made:
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if getattr(call.func, "attr", "") == "system"]
