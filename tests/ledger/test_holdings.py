"""Who held which slot from when until when, and when that is unknown."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.queries.history import history_rows
from lib.ledger.state.holdings import Holding, current_holding, recorded_holdings
from lib.theme import LIGHT
from tests.support.ledger_factories import (
    VERSIONS,
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


def production_holdings(*bodies):
    return [
        (h.version, h.since, h.until) for h in recorded_holdings(make_book_state(*bodies).book.entries) if h.slot == "production"
    ]


def test_a_promotion_ends_one_holding_and_begins_the_next_at_the_time_of_its_effect():
    holdings = production_holdings(
        at_hour(make_opened(make_slot_states(["1"])), 1),
        at_hour(make_intent("2"), 2),
        at_hour(make_closing(2, slot_states=make_slot_states(["2"])), 4, effective_at=timestamp_at(3)),
    )
    assert holdings == [("1", time_at(1), time_at(3)), ("2", time_at(3), None)]


def test_intents_alone_say_nothing_about_holdings():
    assert production_holdings(at_hour(make_opened(), 1), at_hour(make_intent("1"), 2)) == []


def test_archiving_the_champion_leaves_a_gap():
    holdings = production_holdings(
        at_hour(make_opened(make_slot_states(["1"])), 1), at_hour(make_intent("1", "Archived"), 2), at_hour(make_closing(2), 3)
    )
    assert holdings == [("1", time_at(1), time_at(3))]


def test_within_the_window_of_an_outside_move_the_holder_is_unknown():
    holdings = production_holdings(
        at_hour(make_opened(make_slot_states(["1"])), 1), make_observed_between(make_slot_states(["2"]), 2, 5)
    )
    assert holdings == [("1", time_at(1), time_at(2)), (None, time_at(2), time_at(5)), ("2", time_at(5), None)]


def test_an_outside_move_elsewhere_does_not_interrupt_a_holding():
    holdings = production_holdings(
        at_hour(make_opened(make_slot_states(["1"])), 1), make_observed_between(make_slot_states(["1"], ["2"]), 2, 5)
    )
    assert holdings == [("1", time_at(1), None)]


def test_two_in_one_slot_are_unknown_with_the_reason():
    (holding,) = recorded_holdings(
        make_book_state(at_hour(make_opened(make_slot_states(["1", "2"], alias=False)), 1)).book.entries
    )
    assert holding.version is None
    assert holding.explanation == "v1 and v2 at once"
    assert (holding.version, holding.holder_text) == (None, "v1 and v2")


def test_the_decision_behind_a_holding_can_be_found():
    entries = make_book_state(
        at_hour(make_opened(), 1), at_hour(make_intent("2"), 2), at_hour(make_closing(2, slot_states=make_slot_states(["2"])), 3)
    ).book.entries
    holding = current_holding(entries, "production")
    (decision,) = [entry.body for entry in entries if entry.id == holding.decision_id]
    assert decision.version == "2"
    assert current_holding(entries, "staging") is None


@given(st.lists(st.tuples(VERSIONS, st.integers(0, 23)), min_size=1, max_size=10))
def test_however_clocks_jump_holdings_of_a_slot_never_overlap_and_never_run_backwards(steps):
    bodies = [at_hour(make_opened(), 0)]
    for version, hour in steps:
        bodies += [
            at_hour(make_intent(version), hour),
            at_hour(make_closing(len(bodies) + 1, slot_states=make_slot_states([version])), hour),
        ]
    holdings = production_holdings(*bodies)
    for (_, since, until), (_, next_since, _) in itertools.pairwise(holdings):
        assert since <= until <= next_since
    assert holdings[-1][2] is None


def test_the_strip_draws_a_bar_per_holding_with_the_present_one_solid():
    entries = make_book_state(
        at_hour(make_opened(make_slot_states(["1"])), 1),
        at_hour(make_intent("2"), 2),
        at_hour(make_closing(2, slot_states=make_slot_states(["2"])), 3),
    ).book.entries
    table = bar_table([("Production", h) for h in recorded_holdings(entries)], time_at(9))
    assert table[["version", "kind"]].to_numpy().tolist() == [["v1", "past"], ["v2", "now"]]
    assert table.until.iloc[-1] == time_at(9)
    chart = holdings_chart(table, LIGHT, ["Production", "Staging"]).to_dict()
    assert chart["layer"][0]["mark"]["type"] == "bar"
    assert chart["height"] == 36 * 2 + 28


def test_every_entry_has_a_line_that_says_who_and_why():
    state = make_book_state(
        at_hour(make_opened(make_slot_states(["1"])), 1),
        at_hour(make_intent("2"), 2),
        at_hour(make_closing(2, slot_states=make_slot_states(["2"]), displaced=("1",)), 3),
        make_observed_between(make_slot_states(["3"]), 4, 5),
    )
    rows = [(row.badge, row.version, row.summary) for row in history_rows(state)]
    assert rows == [
        ("OBSERVED", "", "Production: no version → v3"),
        ("APPLIED", "2", "In place of v1"),
        ("approve", "2", "x" * 20),
        ("OPENED", "", "The record begins"),
    ]


def test_the_history_of_a_version_says_what_replaced_it_and_shows_no_move_of_another():
    state = make_book_state(
        at_hour(make_opened(make_slot_states(["1"])), 1),
        at_hour(make_intent("2"), 2),
        at_hour(make_closing(2, slot_states=make_slot_states(["2"]), displaced=("1",)), 3),
    )
    (row,) = history_rows(state, "1")
    assert (row.badge, row.version, row.summary, row.to_stage) == ("DISPLACED", "1", "Replaced by v2 in Production", "")
    assert [row.badge for row in history_rows(state, "2")] == ["approve"]
    assert [row.badge for row in history_rows(state, "3")] == []


def test_hundreds_of_narrow_bars_are_drawn_without_edges_and_a_few_keep_theirs():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    many_holdings = [
        Holding("production", "12"[n % 2], start + timedelta(hours=n), start + timedelta(hours=n + 1), n, "") for n in range(300)
    ]
    for holdings, edges in ((many_holdings, {0.0}), (many_holdings[:5], {1.5})):
        chart = holdings_chart(
            bar_table([("Production", holding) for holding in holdings], start + timedelta(days=20)), LIGHT, ["Production"]
        )
        (rows,) = chart.to_dict()["datasets"].values()
        assert {row["edge"] for row in rows} == edges
