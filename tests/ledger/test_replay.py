"""The state of a book, without any store: desired holders, open intents, drift."""

from hypothesis import given
from hypothesis import strategies as st

from lib.ledger.entry.types import Identity, Registered, SlotState, UnknownBody
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from tests.support.ledger_factories import (
    COMMON_FIELDS,
    RECREATED_AT,
    VERSIONS,
    make_book_state,
    make_closing,
    make_intent,
    make_observed,
    make_opened,
    make_slot_states,
)


def test_an_empty_book_wants_nothing_and_has_no_opinion():
    state = make_book_state()
    assert not state.is_opened
    assert state.desired_holders()["production"].holders_text == "none"
    assert state.drifted_slots() == ()


def test_what_stood_there_when_the_record_began_is_remembered_but_not_wished_for():
    state = make_book_state(make_opened(make_slot_states(["1"])))
    desired = state.desired_holders()["production"]
    assert (desired.holder, desired.is_managed) == ("1", False)
    assert state.drifted_slots(make_slot_states(["2"])) == ()


def test_two_holders_at_the_beginning_are_nobodys_pick():
    desired = make_book_state(make_opened(make_slot_states(["1", "2"], alias=False))).desired_holders()["production"]
    assert desired.holder is None
    assert desired.holders_text == "1,2"


def test_an_intent_is_wanted_from_the_moment_it_is_written():
    state = make_book_state(make_opened(make_slot_states(["1"])), make_intent("2"))
    assert state.desired_holders()["production"].holder == "2"
    assert [entry.id for entry in state.open_intents] == ["e2"]
    assert state.drifted_slots(make_slot_states(["1"])) == ()


def test_a_failed_intent_wishes_for_nothing_any_more():
    state = make_book_state(
        make_opened(make_slot_states(["1"])), make_intent("2"), make_closing(2, "FAILED", make_slot_states(["1"]))
    )
    assert state.desired_holders()["production"].holder == "1"
    assert state.open_intents == ()


def test_an_open_intent_that_became_impossible_does_not_count():
    state = make_book_state(make_opened(make_slot_states(["1"])), make_intent("2"))
    assert state.desired_holders(lambda _: False)["production"].holder == "1"


def test_the_last_of_two_intents_wins_whoever_is_closed_first():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_intent("2"),
        make_closing(3, slot_states=make_slot_states(["2"])),
        make_closing(2, "OVERTAKEN", make_slot_states(["2"])),
    )
    assert state.desired_holders()["production"].holder == "2"
    assert state.outcomes == {"e2": "OVERTAKEN", "e3": "APPLIED"}


def test_only_the_first_closing_of_an_intent_counts():
    state = make_book_state(
        make_opened(), make_intent("1"), make_closing(2, slot_states=make_slot_states(["1"])), make_closing(2, "FAILED")
    )
    assert state.outcomes["e2"] == "APPLIED"
    assert state.observed_slots == make_slot_states(["1"])


def test_a_closing_of_something_that_is_no_intent_says_nothing():
    state = make_book_state(make_opened(make_slot_states(["1"])), make_closing(7, slot_states=make_slot_states(["3"])))
    assert state.observed_slots == make_slot_states(["1"])


def test_a_rejection_is_no_intent():
    assert make_book_state(make_opened(), make_intent("1", verdict="reject")).intents == ()


def test_a_version_that_moves_on_leaves_the_slot_it_held():
    state = make_book_state(
        make_opened(),
        make_intent("2", "Staging"),
        make_closing(2, slot_states=make_slot_states([], ["2"])),
        make_intent("2", from_="Staging"),
    )
    assert (state.desired_holders()["production"].holder, state.desired_holders()["staging"].holders_text) == ("2", "none")
    assert state.desired_holders()["staging"].is_managed


def test_archiving_one_of_two_unknown_holders_settles_the_other():
    state = make_book_state(make_opened(make_slot_states(["1", "2"], alias=False)), make_intent("1", "Archived", "Production"))
    assert state.desired_holders()["production"].holder == "2"


def test_drift_is_a_named_slot_that_shows_something_else_while_nobody_works():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_observed(make_slot_states(["3"])),
    )
    assert state.drifted_slots() == ("production",)
    assert state.drifted_slots(make_slot_states(["1"])) == ()


def test_an_alias_without_its_stage_is_drift_too():
    state = make_book_state(make_opened(), make_intent("1"), make_closing(2, slot_states=make_slot_states(["1"])))
    assert state.drifted_slots({**make_slot_states(["1"]), "production": SlotState(alias="1")}) == ("production",)


def test_a_wanted_version_that_is_gone_is_wanted_no_more():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_observed(make_slot_states(), gone=("1",)),
    )
    assert state.desired_holders()["production"].holders_text == "none"
    assert state.drifted_slots() == ()


def test_a_new_life_of_the_model_begins_with_no_wishes():
    state = make_book_state(
        make_opened(),
        make_intent("1"),
        make_closing(2, slot_states=make_slot_states(["1"])),
        make_opened(created=RECREATED_AT, why="re-created"),
    )
    assert state.desired_holders()["production"].holders_text == "none"
    assert state.intents == ()
    assert len(state.current_life_entries) == 1


def test_what_is_registered_or_decided_about_is_known():
    state = make_book_state(
        make_opened(), Registered(**COMMON_FIELDS, version="8", identity=Identity(created="x")), make_intent("9")
    )
    assert {"1", "2", "3", "8", "9"} <= state.known_versions
    assert state.registered_versions == {"8"}


def test_an_entry_nobody_knows_changes_nothing():
    state_before = make_book_state(make_opened(make_slot_states(["1"])), make_intent("2"))
    state_after = make_book_state(
        make_opened(make_slot_states(["1"])), make_intent("2"), UnknownBody(type="REQUESTED", model="m")
    )
    assert state_after.desired_holders() == state_before.desired_holders()
    assert state_after.open_intents == state_before.open_intents


def test_the_time_of_the_last_entry_never_runs_backwards():
    opening = make_opened().model_copy(update={"recorded_at": "2025-01-01T00:00:00.000Z"})
    decision = make_intent("1")
    assert make_book_state(decision, opening).last_observed_at == make_book_state(opening, decision).last_observed_at


@given(st.lists(st.tuples(VERSIONS, st.sampled_from(["Production", "Staging", "Archived", "None"])), max_size=12))
def test_no_version_is_ever_wanted_in_two_slots_and_no_slot_wants_two(moves):
    state = make_book_state(make_opened(), *(make_intent(version, to) for version, to in moves))
    desired = state.desired_holders()
    holders = [holder for slot_holder in desired.values() for holder in slot_holder.holders]
    assert len(holders) == len(set(holders))
    assert all(len(slot_holder.holders) <= 1 for slot_holder in desired.values())
    for slot, stage in (("production", "Production"), ("staging", "Staging")):
        last_stages = dict(moves)
        slot_version = desired[slot].holder
        assert slot_version is None or last_stages[slot_version] == stage


def test_podium_itself_is_an_actor_whose_name_nobody_vouches_for():
    assert PODIUM_ACTOR.how == "declared"
