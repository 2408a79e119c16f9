"""As of: the answer for any instant or day equals a naive evaluation of the entries, as text and as values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Lineage, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import SLOTS, Actor
from lib.ledger.queries.as_of import BEFORE_RECORD, NO_RECORD, answer_to_json, as_of
from lib.ledger.queries.as_of_text import answer_sentence
from lib.ledger.queries.time_query import TimeQuery, parse_time_query
from tests.support.ledger_factories import (
    COMMON_FIELDS,
    RECREATED_AT,
    at_hour,
    make_book_state,
    make_closing,
    make_intent,
    make_observed_between,
    make_opened,
    make_slot_states,
    time_at,
    timestamp_at,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = parse_time_query("2026-11-24", NOON)
REPORT_TYPES = Opened | Closing | Observed


def answer_at(*bodies, at, slot="production"):
    return as_of(make_book_state(*bodies).book.entries, slot, at)


def sentence_at(*bodies, at):
    return answer_sentence(answer_at(*bodies, at=at))


def make_promotion(version, position, hour, **fields):
    """An intent at a place and its closing at the next; then this version is the champion."""
    return at_hour(make_intent(version, **fields), hour), at_hour(
        make_closing(position, slot_states=make_slot_states([version])), hour
    )


V1_THEN_V2 = (at_hour(make_opened(make_slot_states(["1"])), 0), *make_promotion("2", 2, 9))


def test_an_instant_has_the_one_who_held_it():
    assert sentence_at(*V1_THEN_V2, at=TimeQuery(time_at(8))) == "v1 was in Production"
    assert sentence_at(*V1_THEN_V2, at=TimeQuery(time_at(9))) == "v2 was in Production"


def test_a_day_has_all_who_held_it_in_turn():
    answer = answer_at(*V1_THEN_V2, at=DAY)
    assert [(h.version, h.since, h.until) for h in answer.holders] == [("1", time_at(0), time_at(9)), ("2", time_at(9), None)]
    assert answer_sentence(answer) == "v1 until 09:00, then v2"


def test_a_day_after_the_last_entry_is_still_the_holders():
    assert sentence_at(*V1_THEN_V2, at=parse_time_query("2026-11-25", NOON)) == "v2 was in Production, all day"
    assert sentence_at(*V1_THEN_V2, at=parse_time_query("2026-11-30", NOON)) == "v2 was in Production, all day so far"


def test_times_are_told_in_the_zone_that_was_asked_in():
    assert (
        sentence_at(*V1_THEN_V2, at=parse_time_query("2026-11-24", NOON, "Asia/Tokyo"))
        == "No record until 09:00, then v1 until 18:00, then v2"
    )


def test_a_time_that_came_twice_is_told_with_its_offset():
    opening = make_opened(make_slot_states(["1"])).model_copy(update={"recorded_at": "2023-10-28T00:00:00.000Z"})
    closing = make_closing(2, slot_states=make_slot_states(["2"])).model_copy(update={"recorded_at": "2023-10-29T01:30:00.000Z"})
    sentence = sentence_at(
        opening, at_hour(make_intent("2"), 1), closing, at=parse_time_query("2023-10-29", NOON, "Europe/Berlin")
    )
    assert sentence == "v1 until 02:30 (+0100), then v2"


def test_nobody_is_an_answer():
    assert sentence_at(at_hour(make_opened(), 0), at=DAY) == "Nothing was in Production"
    assert sentence_at(
        at_hour(make_opened(make_slot_states(["1"])), 0),
        at_hour(make_intent("1", "Archived"), 5),
        at_hour(make_closing(2), 5),
        at=DAY,
    ) == ("v1 until 05:00, then nothing")


def test_before_the_record_begins_is_an_answer():
    answer = answer_at(at_hour(make_opened(make_slot_states(["1"])), 10), at=parse_time_query("2023-03-14", NOON))
    assert [(interval.since, interval.until, interval.explanation) for interval in answer.unknown] == [
        (None, time_at(10), BEFORE_RECORD)
    ]
    assert answer_sentence(answer) == "The record does not begin until 24 Nov 2026, 10:00 UTC"
    assert answer.holders == ()


def test_no_record_at_all_is_an_answer():
    answer = answer_at(at=DAY)
    assert [interval.explanation for interval in answer.unknown] == [NO_RECORD]
    assert answer_sentence(answer) == "There is no record yet"


def test_within_the_window_of_an_outside_move_nobody_can_know():
    bodies = (at_hour(make_opened(make_slot_states(["1"])), 0), make_observed_between(make_slot_states(["2"]), 7, 18))
    assert sentence_at(*bodies, at=TimeQuery(time_at(8))) == "Unknown between 24 Nov, 07:00 and 24 Nov, 18:00 UTC"
    assert sentence_at(*bodies, at=DAY) == "v1 until 07:00, then unknown until 18:00, then v2"
    assert [interval.explanation for interval in answer_at(*bodies, at=DAY).unknown] == ["moved outside Podium"]


def test_two_at_once_are_unknown_and_no_pick():
    answer = answer_at(at_hour(make_opened(make_slot_states(["1", "2"], alias=False)), 0), at=DAY)
    assert answer.holders == ()
    assert [interval.explanation for interval in answer.unknown] == ["v1 and v2 at once"]
    assert answer_sentence(answer) == "Unknown since 24 Nov, 00:00 UTC"


def test_unknown_for_two_reasons_in_turn_is_said_once():
    bodies = (
        at_hour(make_opened(make_slot_states(["1"])), 0),
        make_observed_between(make_slot_states(["1", "2"], alias=False), 5, 8),
    )
    answer = answer_at(*bodies, at=DAY)
    assert [interval.explanation for interval in answer.unknown] == ["moved outside Podium", "v1 and v2 at once"]
    assert answer_sentence(answer) == "v1 until 05:00, then unknown"
    assert answer_sentence(answer_at(*bodies, at=TimeQuery(time_at(6), time_at(20)))) == "Unknown, all day"


def test_changes_within_one_minute_are_told_apart_by_seconds():
    time_fields = {"recorded_at": "2026-11-24T09:00:20.000Z"}
    third_promotion = (
        make_intent("3").model_copy(update=time_fields),
        make_closing(4, slot_states=make_slot_states(["3"])).model_copy(update=time_fields),
    )
    assert sentence_at(*V1_THEN_V2, *third_promotion, at=DAY) == "v1 until 09:00:00, then v2 until 09:00:20, then v3"


def test_an_answer_has_who_why_what_and_the_entries_that_prove_it():
    lineage = Lineage(metrics={"accuracy": 0.94, "loss": "NaN"}, data={"wine": "d1"}, git_commit="c0ffee")
    registration = Registered(**COMMON_FIELDS, version="2", identity={"created": "x"}, lineage=lineage)
    bodies = (at_hour(make_opened(), 0), at_hour(registration, 1), *make_promotion("2", 3, 9), *make_promotion("1", 5, 11))
    (holder,) = answer_at(*bodies, at=TimeQuery(time_at(10))).holders
    assert (holder.actor.name, holder.reason.text, holder.metrics["loss"], holder.git_commit) == (
        "ana",
        "x" * 20,
        "NaN",
        "c0ffee",
    )
    assert holder.entry_positions == (2, 3, 4, 6)
    answer_json = answer_to_json(answer_at(*bodies, at=TimeQuery(time_at(10))))
    assert answer_json == {
        "stage": "Production",
        "holders": [
            {
                "version": "2",
                "since": timestamp_at(9),
                "until": timestamp_at(11),
                "by": {"name": "ana", "how": "declared"},
                "reason": {"category": "better", "text": "x" * 20},
                "metrics": {"accuracy": 0.94, "loss": "NaN"},
                "data": {"wine": "d1"},
                "git_commit": "c0ffee",
                "entries": [2, 3, 4, 6],
            }
        ],
        "unknown": [],
    }


def test_what_stood_there_before_the_record_has_no_known_actor():
    (holder,) = answer_at(at_hour(make_opened(make_slot_states(["1"])), 0), at=DAY).holders
    assert (holder.actor.name, holder.reason, holder.entry_positions) == ("unknown", None, (1,))


def test_the_decision_is_that_of_the_holder_even_when_anothers_closing_saw_it_first():
    ben = {"by": Actor(name="ben")}
    bodies = [at_hour(make_opened(), 0), at_hour(make_intent("1"), 1), at_hour(make_intent("2"), 2, **ben)]
    bodies += [
        at_hour(make_closing(2, "OVERTAKEN", make_slot_states(["2"])), 3),
        at_hour(make_closing(3, slot_states=make_slot_states(["2"])), 4, **ben),
    ]
    (holder,) = answer_at(*bodies, at=TimeQuery(time_at(5))).holders
    assert (holder.version, holder.actor.name, holder.since) == ("2", "ben", time_at(3))


def test_an_adoption_speaks_for_what_stands_there_only_once_it_was_made():
    adoption = at_hour(make_intent("2", kind="adopt"), 10), at_hour(make_closing(3, slot_states=make_slot_states(["2"])), 10)
    bodies = (at_hour(make_opened(make_slot_states(["1"])), 0), make_observed_between(make_slot_states(["2"]), 5, 6), *adoption)
    assert [h.actor.name for h in answer_at(*bodies, at=TimeQuery(time_at(8))).holders] == ["unknown"]
    assert [(h.actor.name, h.entry_positions) for h in answer_at(*bodies, at=TimeQuery(time_at(10))).holders] == [
        ("ana", (2, 3, 4))
    ]


def test_the_same_number_in_a_new_life_is_another_version():
    lineage = Lineage(git_commit="old")
    registration = Registered(**COMMON_FIELDS, version="1", identity={"created": "x"}, lineage=lineage)
    reopening = at_hour(make_opened(make_slot_states(["1"]), RECREATED_AT, "re-created"), 9)
    bodies = (
        at_hour(make_opened(), 0),
        at_hour(registration, 1),
        *make_promotion("1", 3, 2),
        make_observed_between(make_slot_states(["1"]), 2, 4),
        reopening,
    )
    assert [(h.version, h.until, h.git_commit) for h in answer_at(*bodies, at=TimeQuery(time_at(3))).holders] == [
        ("1", time_at(4), "old")
    ]
    (holder,) = answer_at(*bodies, at=TimeQuery(time_at(10))).holders
    assert (holder.since, holder.git_commit, holder.entry_positions) == (time_at(9), "", (6,))
    assert [interval.explanation for interval in answer_at(*bodies, at=TimeQuery(time_at(5))).unknown] == [
        "the model was deleted or re-created"
    ]


def test_a_decision_closed_because_the_model_was_gone_proves_nothing_about_the_time_until_then():
    bodies = [
        at_hour(make_opened(make_slot_states(["1"])), 0),
        at_hour(make_intent("2"), 1),
        at_hour(make_closing(2, "FAILED", make_slot_states(["1"])), 9),
    ]
    bodies.append(at_hour(make_opened(created=None, why="deleted"), 9))
    assert sentence_at(*bodies, at=TimeQuery(time_at(5))) == "Unknown between 24 Nov, 00:00 and 24 Nov, 09:00 UTC"
    assert sentence_at(*bodies, at=TimeQuery(time_at(9))) == "Nothing was in Production"


# The law: at every instant, the answer equals a naive evaluation of the entries.

VERSION_LISTS = st.lists(st.sampled_from("123"), max_size=2, unique=True)
STEP = st.tuples(
    st.sampled_from(["promote", "race", "failed", "outside", "anew"]), st.sampled_from("123"), VERSION_LISTS, st.integers(0, 22)
)


def make_bodies(steps):
    """A book with these steps; the hours may jump back and forth."""
    bodies = [at_hour(make_opened(make_slot_states(["1"])), 4)]
    for kind, version, versions, hour in steps:
        if kind == "outside":
            bodies.append(make_observed_between(make_slot_states(versions), max(0, hour - 3), hour))
        elif kind == "anew":
            bodies.append(at_hour(make_opened(make_slot_states(versions), RECREATED_AT, "re-created"), hour))
        else:
            bodies.append(at_hour(make_intent(version), hour))
            outcome, holders = {
                "promote": ("APPLIED", [version]),
                "race": ("OVERTAKEN", versions),
                "failed": ("FAILED", versions),
            }[kind]
            bodies.append(
                at_hour(make_closing(len(bodies), outcome, make_slot_states(holders)), hour + 1 if kind == "race" else hour)
            )
    return bodies


def expected_holder(bodies, instant):
    """Who held Production, by walking the entries: a version, None if empty, or `?`."""
    holder, clock, certain_at, last_holders = "?", None, None, None
    for body in bodies:
        if not isinstance(body, REPORT_TYPES):
            continue
        claimed_at = parse_timestamp(body.effective_at or body.recorded_at)
        previous, clock = clock, claimed_at if clock is None else max(clock, claimed_at)
        holders = body.now["production"].holders
        if isinstance(body, Closing) and body.type == "FAILED" and holders == last_holders:
            continue  # closed with the known state, not an observed one: only its time counts for later entries
        if clock > instant:
            unknown_since = (
                certain_at
                if isinstance(body, Opened)
                else previous and max(previous, parse_timestamp(body.window[0]))
                if is_outside_move(body)
                else None
            )
            is_same = holders == last_holders and (is_outside_move(body) or not holders)
            return "?" if unknown_since and unknown_since <= instant and not is_same else holder
        certain_at = clock
        holder, last_holders = holders[0] if len(holders) == 1 else "?" if holders else None, holders
    return holder


def is_outside_move(body):
    return isinstance(body, Observed)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8), st.integers(-30, 26 * 60))
@example([("failed", "1", ["1"], 5), ("anew", "1", [], 0)], 240)
def test_at_every_instant_the_answer_is_what_a_plain_reading_says(steps, minutes):
    bodies, instant = make_bodies(steps), time_at(0) + timedelta(minutes=minutes)
    answer = answer_at(*bodies, at=TimeQuery(instant))
    assert len(answer.holders) + len(answer.unknown) <= 1
    holder = answer.holders[0].version if answer.holders else "?" if answer.unknown else None
    assert holder == expected_holder(bodies, instant)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8))
def test_a_day_tells_what_its_instants_tell(steps):
    bodies = make_bodies(steps)
    day_answer = answer_at(*bodies, at=DAY)
    assert as_of(make_book_state(*bodies).book.entries, "production", DAY, make_book_state(*bodies).holdings) == day_answer
    answers = [answer_at(*bodies, at=TimeQuery(time_at(0) + timedelta(minutes=30 * n))) for n in range(48)]
    assert {h.version for answer in answers for h in answer.holders} <= {h.version for h in day_answer.holders}
    assert {u.explanation for answer in answers for u in answer.unknown} <= {u.explanation for u in day_answer.unknown}
    for answer in (day_answer, *answers):
        assert answer_sentence(answer)
        assert all(position <= len(bodies) for h in answer.holders for position in h.entry_positions)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8))
def test_whoever_decided_a_holding_decided_for_that_version_and_stage(steps):
    entries = make_book_state(*make_bodies(steps)).book.entries
    decided_holders = [holder for holder in as_of(entries, "production", DAY).holders if holder.reason]
    assume(decided_holders)
    for holder in decided_holders:
        decisions = [e.body for e in entries if e.position in holder.entry_positions and isinstance(e.body, Decided)]
        assert [(body.version, body.to) for body in decisions] == [(holder.version, SLOTS["production"])]


def test_an_entry_that_is_not_in_the_book_counts_and_is_no_proof():
    entries = make_book_state(at_hour(make_opened(make_slot_states(["1"])), 1)).book.entries
    body = make_observed_between(make_slot_states(["2"]), 1, 9)
    unrecorded_entry = type(entries[0])(0, "", "", body)
    assert format_timestamp(
        as_of((*entries, unrecorded_entry), "production", TimeQuery(time_at(10))).holders[0].since
    ) == timestamp_at(9)
    assert as_of((*entries, unrecorded_entry), "production", TimeQuery(time_at(10))).holders[0].entry_positions == ()


@pytest.mark.parametrize("slot", ["production", "staging"])
def test_each_stage_has_its_own_answer(slot):
    (holder,) = answer_at(at_hour(make_opened(make_slot_states(["1"], ["2"])), 0), at=DAY, slot=slot).holders
    assert holder.version == {"production": "1", "staging": "2"}[slot]
