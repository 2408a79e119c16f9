"""As of: the answer for any instant or day equals what a plain reading of the entries says, in words and as values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Lineage, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import SLOTS, Actor
from lib.ledger.queries.as_of import BEFORE_RECORD, NO_RECORD, answer_to_json, as_of
from lib.ledger.queries.as_of_text import answer_sentence
from lib.ledger.queries.time_query import TimeQuery, parse_time_query
from tests.ledger.test_holdings import at, outside, timed, when
from tests.ledger.test_replay import BORN_AGAIN, COMMON, book, closed, intent, now, opened

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = parse_time_query("2026-11-24", NOON)
TOLD = Opened | Closing | Observed


def answer(*bodies, at, slot="production"):
    return as_of(book(*bodies).book.entries, slot, at)


def says(*bodies, at):
    return answer_sentence(answer(*bodies, at=at))


def promoted(version, place, hour, **more):
    """An intent at a place and its closing at the next; the champion is then this version."""
    return timed(intent(version, **more), hour), timed(closed(place, shown=now([version])), hour)


V1_THEN_V2 = (timed(opened(now(["1"])), 0), *promoted("2", 2, 9))


def test_an_instant_has_the_one_who_held_it():
    assert says(*V1_THEN_V2, at=TimeQuery(when(8))) == "v1 was in Production"
    assert says(*V1_THEN_V2, at=TimeQuery(when(9))) == "v2 was in Production"


def test_a_day_has_all_who_held_it_in_turn():
    told = answer(*V1_THEN_V2, at=DAY)
    assert [(h.version, h.since, h.until) for h in told.holders] == [("1", when(0), when(9)), ("2", when(9), None)]
    assert answer_sentence(told) == "v1 until 09:00, then v2"


def test_a_day_after_the_last_entry_is_still_the_holders():
    assert says(*V1_THEN_V2, at=parse_time_query("2026-11-25", NOON)) == "v2 was in Production, all day"
    assert says(*V1_THEN_V2, at=parse_time_query("2026-11-30", NOON)) == "v2 was in Production, all day so far"


def test_times_are_told_in_the_zone_that_was_asked_in():
    assert (
        says(*V1_THEN_V2, at=parse_time_query("2026-11-24", NOON, "Asia/Tokyo"))
        == "No record until 09:00, then v1 until 18:00, then v2"
    )


def test_a_time_that_came_twice_is_told_with_its_offset():
    body = opened(now(["1"])).model_copy(update={"recorded_at": "2023-10-28T00:00:00.000Z"})
    end = closed(2, shown=now(["2"])).model_copy(update={"recorded_at": "2023-10-29T01:30:00.000Z"})
    told = says(body, timed(intent("2"), 1), end, at=parse_time_query("2023-10-29", NOON, "Europe/Berlin"))
    assert told == "v1 until 02:30 (+0100), then v2"


def test_nobody_is_an_answer():
    assert says(timed(opened(), 0), at=DAY) == "Nothing was in Production"
    assert says(timed(opened(now(["1"])), 0), timed(intent("1", "Archived"), 5), timed(closed(2), 5), at=DAY) == (
        "v1 until 05:00, then nothing"
    )


def test_before_the_record_begins_is_an_answer():
    told = answer(timed(opened(now(["1"])), 10), at=parse_time_query("2023-03-14", NOON))
    assert [(one.since, one.until, one.explanation) for one in told.unknown] == [(None, when(10), BEFORE_RECORD)]
    assert answer_sentence(told) == "The record begins only on 24 Nov 2026, 10:00 UTC"
    assert told.holders == ()


def test_no_record_at_all_is_an_answer():
    told = answer(at=DAY)
    assert [one.explanation for one in told.unknown] == [NO_RECORD]
    assert answer_sentence(told) == "There is no record yet"


def test_within_the_window_of_an_outside_move_nobody_can_know():
    bodies = (timed(opened(now(["1"])), 0), outside(now(["2"]), 7, 18))
    assert says(*bodies, at=TimeQuery(when(8))) == "Unknown between 24 Nov, 07:00 and 24 Nov, 18:00 UTC"
    assert says(*bodies, at=DAY) == "v1 until 07:00, then unknown until 18:00, then v2"
    assert [one.explanation for one in answer(*bodies, at=DAY).unknown] == ["moved outside Podium"]


def test_two_at_once_are_unknown_and_no_pick():
    told = answer(timed(opened(now(["1", "2"], alias=False)), 0), at=DAY)
    assert told.holders == ()
    assert [one.explanation for one in told.unknown] == ["v1 and v2 at once"]
    assert answer_sentence(told) == "Unknown since 24 Nov, 00:00 UTC"


def test_unknown_for_two_reasons_in_turn_is_said_once():
    bodies = (timed(opened(now(["1"])), 0), outside(now(["1", "2"], alias=False), 5, 8))
    told = answer(*bodies, at=DAY)
    assert [one.explanation for one in told.unknown] == ["moved outside Podium", "v1 and v2 at once"]
    assert answer_sentence(told) == "v1 until 05:00, then unknown"
    assert answer_sentence(answer(*bodies, at=TimeQuery(when(6), when(20)))) == "Unknown, all day"


def test_changes_within_one_minute_are_told_apart_by_seconds():
    later = {"recorded_at": "2026-11-24T09:00:20.000Z"}
    third = (intent("3").model_copy(update=later), closed(4, shown=now(["3"])).model_copy(update=later))
    assert says(*V1_THEN_V2, *third, at=DAY) == "v1 until 09:00:00, then v2 until 09:00:20, then v3"


def test_an_answer_has_who_why_what_and_the_entries_that_prove_it():
    came_from = Lineage(metrics={"accuracy": 0.94, "loss": "NaN"}, data={"wine": "d1"}, git_commit="c0ffee")
    born = Registered(**COMMON, version="2", identity={"created": "x"}, lineage=came_from)
    bodies = (timed(opened(), 0), timed(born, 1), *promoted("2", 3, 9), *promoted("1", 5, 11))
    (held,) = answer(*bodies, at=TimeQuery(when(10))).holders
    assert (held.actor.name, held.reason.text, held.metrics["loss"], held.git_commit) == ("ana", "x" * 20, "NaN", "c0ffee")
    assert held.entry_positions == (2, 3, 4, 6)
    told = answer_to_json(answer(*bodies, at=TimeQuery(when(10))))
    assert told == {
        "stage": "Production",
        "holders": [
            {
                "version": "2",
                "since": at(9),
                "until": at(11),
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
    (held,) = answer(timed(opened(now(["1"])), 0), at=DAY).holders
    assert (held.actor.name, held.reason, held.entry_positions) == ("unknown", None, (1,))


def test_the_decision_is_that_of_the_holder_even_when_anothers_closing_saw_it_first():
    ben = {"by": Actor(name="ben")}
    bodies = [timed(opened(), 0), timed(intent("1"), 1), timed(intent("2"), 2, **ben)]
    bodies += [timed(closed(2, "OVERTAKEN", now(["2"])), 3), timed(closed(3, shown=now(["2"])), 4, **ben)]
    (held,) = answer(*bodies, at=TimeQuery(when(5))).holders
    assert (held.version, held.actor.name, held.since) == ("2", "ben", when(3))


def test_an_adoption_speaks_for_what_stands_there_only_once_it_was_made():
    adopted = timed(intent("2", kind="adopt"), 10), timed(closed(3, shown=now(["2"])), 10)
    bodies = (timed(opened(now(["1"])), 0), outside(now(["2"]), 5, 6), *adopted)
    assert [h.actor.name for h in answer(*bodies, at=TimeQuery(when(8))).holders] == ["unknown"]
    assert [(h.actor.name, h.entry_positions) for h in answer(*bodies, at=TimeQuery(when(10))).holders] == [("ana", (2, 3, 4))]


def test_the_same_number_in_a_new_life_is_another_version():
    came_from = Lineage(git_commit="old")
    born = Registered(**COMMON, version="1", identity={"created": "x"}, lineage=came_from)
    anew = timed(opened(now(["1"]), BORN_AGAIN, "re-created"), 9)
    bodies = (timed(opened(), 0), timed(born, 1), *promoted("1", 3, 2), outside(now(["1"]), 2, 4), anew)
    assert [(h.version, h.until, h.git_commit) for h in answer(*bodies, at=TimeQuery(when(3))).holders] == [("1", when(4), "old")]
    (held,) = answer(*bodies, at=TimeQuery(when(10))).holders
    assert (held.since, held.git_commit, held.entry_positions) == (when(9), "", (6,))
    assert [one.explanation for one in answer(*bodies, at=TimeQuery(when(5))).unknown] == ["the model was deleted or made anew"]


def test_a_decision_closed_because_the_model_was_gone_proves_nothing_about_the_time_until_then():
    bodies = [timed(opened(now(["1"])), 0), timed(intent("2"), 1), timed(closed(2, "FAILED", now(["1"])), 9)]
    bodies.append(timed(opened(created=None, why="deleted"), 9))
    assert says(*bodies, at=TimeQuery(when(5))) == "Unknown between 24 Nov, 00:00 and 24 Nov, 09:00 UTC"
    assert says(*bodies, at=TimeQuery(when(9))) == "Nothing was in Production"


# The law: at every instant, the answer is what a plain reading of the entries says.

SHOWN = st.lists(st.sampled_from("123"), max_size=2, unique=True)
STEP = st.tuples(
    st.sampled_from(["promote", "race", "failed", "outside", "anew"]), st.sampled_from("123"), SHOWN, st.integers(0, 22)
)


def written(steps):
    """A book with these steps; the hours may jump back and forth."""
    bodies = [timed(opened(now(["1"])), 4)]
    for kind, version, shown, hour in steps:
        if kind == "outside":
            bodies.append(outside(now(shown), max(0, hour - 3), hour))
        elif kind == "anew":
            bodies.append(timed(opened(now(shown), BORN_AGAIN, "re-created"), hour))
        else:
            bodies.append(timed(intent(version), hour))
            ended, seen = {"promote": ("APPLIED", [version]), "race": ("OVERTAKEN", shown), "failed": ("FAILED", shown)}[kind]
            bodies.append(timed(closed(len(bodies), ended, now(seen)), hour + 1 if kind == "race" else hour))
    return bodies


def plainly(bodies, instant):
    """Who held Production, by walking the entries: a version, None for nobody, or `?`."""
    told, clock, sure, last = "?", None, None, None
    for body in bodies:
        if not isinstance(body, TOLD):
            continue
        claimed = parse_timestamp(body.effective_at or body.recorded_at)
        before, clock = clock, claimed if clock is None else max(clock, claimed)
        holders = body.now["production"].holders
        if isinstance(body, Closing) and body.type == "FAILED" and holders == last:
            continue  # closed with what was known, not with what was seen: only its time counts, for the entries behind it
        if clock > instant:
            dark = (
                sure
                if isinstance(body, Opened)
                else before and max(before, parse_timestamp(body.window[0]))
                if outsider(body)
                else None
            )
            same = holders == last and (outsider(body) or not holders)
            return "?" if dark and dark <= instant and not same else told
        sure = clock
        told, last = holders[0] if len(holders) == 1 else "?" if holders else None, holders
    return told


def outsider(body):
    return isinstance(body, Observed)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8), st.integers(-30, 26 * 60))
@example([("failed", "1", ["1"], 5), ("anew", "1", [], 0)], 240)
def test_at_every_instant_the_answer_is_what_a_plain_reading_says(steps, minutes):
    bodies, instant = written(steps), when(0) + timedelta(minutes=minutes)
    told = answer(*bodies, at=TimeQuery(instant))
    assert len(told.holders) + len(told.unknown) <= 1
    found = told.holders[0].version if told.holders else "?" if told.unknown else None
    assert found == plainly(bodies, instant)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8))
def test_a_day_tells_what_its_instants_tell(steps):
    bodies = written(steps)
    day = answer(*bodies, at=DAY)
    assert as_of(book(*bodies).book.entries, "production", DAY, book(*bodies).holdings) == day
    every = [answer(*bodies, at=TimeQuery(when(0) + timedelta(minutes=30 * n))) for n in range(48)]
    assert {h.version for one in every for h in one.holders} <= {h.version for h in day.holders}
    assert {u.explanation for one in every for u in one.unknown} <= {u.explanation for u in day.unknown}
    for one in (day, *every):
        assert answer_sentence(one)
        assert all(place <= len(bodies) for h in one.holders for place in h.entry_positions)


@settings(deadline=None)
@given(st.lists(STEP, max_size=8))
def test_whoever_decided_a_holding_decided_for_that_version_and_stage(steps):
    entries = book(*written(steps)).book.entries
    for held in as_of(entries, "production", DAY).holders:
        if held.reason:
            made = [e.body for e in entries if e.position in held.entry_positions and isinstance(e.body, Decided)]
            assert [(b.version, b.to) for b in made] == [(held.version, SLOTS["production"])]


def test_an_entry_that_is_not_in_the_book_counts_and_is_no_proof():
    entries = book(timed(opened(now(["1"])), 1)).book.entries
    body = outside(now(["2"]), 1, 9)
    paper = type(entries[0])(0, "", "", body)
    assert format_timestamp(as_of((*entries, paper), "production", TimeQuery(when(10))).holders[0].since) == at(9)
    assert as_of((*entries, paper), "production", TimeQuery(when(10))).holders[0].entry_positions == ()


@pytest.mark.parametrize("slot", ["production", "staging"])
def test_each_stage_has_its_own_answer(slot):
    (held,) = answer(timed(opened(now(["1"], ["2"])), 0), at=DAY, slot=slot).holders
    assert held.version == {"production": "1", "staging": "2"}[slot]
