"""Facets: conditions without a grammar, which survive a link and keep the runs that meet them."""

import math
from datetime import timedelta
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.filters.facets import (
    AnyOfFacet,
    ContainsFacet,
    RangeFacet,
    column_numbers,
    format_facet,
    parse_facet,
    run_ids_by_facets,
    run_ids_by_start,
)
from lib.runs.table.types import DataInput, RegisteredVersion
from tests.support.run_factories import START, make_run, make_run_table

PROPERTY_SETTINGS = settings(deadline=None, max_examples=60, derandomize=True)
hostile = st.text(max_size=8) | st.text(alphabet="~.|:=%27ECAa ", max_size=8)
of_params = hostile.map("params.{}".format)
with_numbers = of_params | hostile.map("metrics.{}".format) | st.just("seconds")
with_texts = of_params | hostile.map("tags.{}".format) | st.sampled_from(["name", "status", "user", "dataset", "version"])
ends = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)
facets = st.one_of(
    st.builds(RangeFacet, with_numbers, ends, ends),
    st.builds(AnyOfFacet, with_texts, st.lists(st.none() | hostile, min_size=1, max_size=4).map(tuple)),
    st.builds(ContainsFacet, with_texts, hostile),
)


@PROPERTY_SETTINGS
@given(facets)
def test_a_facet_survives_its_link_whatever_its_names_and_values(facet):
    assert parse_facet(format_facet(facet)) == facet


@PROPERTY_SETTINGS
@given(st.lists(facets, min_size=2, max_size=2, unique=True))
def test_two_facets_never_share_a_text(pair):
    assert format_facet(pair[0]) != format_facet(pair[1]) or pair[0] == pair[1]


@PROPERTY_SETTINGS
@given(st.text() | st.text(alphabet="metrics.params.name:=~|%.1e-", max_size=20))
def test_any_text_is_read_without_a_crash(text):
    parse_facet(text)


@pytest.mark.parametrize(
    ("facet", "text"),
    [
        (RangeFacet("metrics.accuracy", 0.9), "metrics.accuracy:0.9.."),
        (RangeFacet("seconds", None, 60), "seconds:..60"),
        (RangeFacet("params.n", -5, 1e-05), "params.n:-5..1e-05"),
        (AnyOfFacet("params.depth", ("5", "7", None)), "params.depth=5|7|~"),
        (AnyOfFacet("tags.a=b", ("~", "", "50%")), "tags.a%3Db=%7E||50%25"),
        (ContainsFacet("name", "forest: 5"), "name~forest%3A 5"),
    ],
)
def test_a_link_stays_readable(facet, text):
    assert format_facet(facet) == text
    assert parse_facet(text) == facet


@pytest.mark.parametrize(
    "text",
    [
        *("", "name", "metrics.a", "metrics.a:", "metrics.a:1", "metrics.a:x..", "metrics.a:nan..", "metrics.a:..inf"),
        *("metrics.a=1", "metrics.a~1", "status:1..2", "colour=red", "=x", "lifecycle=active", "tags.a:1..2"),
    ],
)
def test_an_invalid_facet_is_none(text):
    assert parse_facet(text) is None


@pytest.fixture
def runs():
    return make_run_table(
        make_run("forest 5", params={"n": "5", "mix": "auto"}, metrics={"m": 0.5}, tags={"team": "red"}, user="ana"),
        make_run("Forest 10", params={"n": "10", "mix": "7"}, metrics={"m": math.nan}, inputs=(DataInput("wine", "d1"),)),
        make_run("stump", metrics={"m": math.inf}, inputs=(DataInput("wine", "d2"), DataInput("beer", "d3")), status="FAILED"),
        make_run("late", params={"n": "05", "mix": ""}, versions=(RegisteredVersion("wine", "3", "None"),), user="Anna"),
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("metrics.m:0..", ["forest 5"]),
        ("metrics.m:..", ["forest 5"]),
        ("metrics.m:0.5..0.5", ["forest 5"]),
        ("metrics.m:1..0", []),
        ("metrics.none:..", []),
        ("params.n:5..7", ["forest 5", "late"]),
        ("params.mix:0..", ["Forest 10"]),
        ("params.n=5", ["forest 5"]),
        ("params.n=~", ["stump"]),
        ("params.n=5|~", ["forest 5", "stump"]),
        ("params.mix=", ["late"]),
        ("params.none=~", ["forest 5", "Forest 10", "stump", "late"]),
        ("tags.team=red|blue", ["forest 5"]),
        ("status=FAILED|KILLED", ["stump"]),
        ("user=ana", ["forest 5"]),
        ("user=~", ["Forest 10", "stump"]),
        ("user~AN", ["forest 5", "late"]),
        ("name~FOREST", ["forest 5", "Forest 10"]),
        ("name~", ["forest 5", "Forest 10", "stump", "late"]),
        ("dataset=wine (d1)|beer (d3)", ["Forest 10", "stump"]),
        ("dataset~wine", ["Forest 10", "stump"]),
        ("dataset=~", ["forest 5", "late"]),
        ("version=wine v3", ["late"]),
        ("version=~", ["forest 5", "Forest 10", "stump"]),
        ("seconds:..", []),
    ],
)
def test_a_facet_leaves_the_runs_that_meet_it(runs, text, names):
    assert run_ids_by_facets(runs, [parse_facet(text)]) == names


def test_several_facets_must_all_be_met_and_none_leaves_every_run(runs):
    assert run_ids_by_facets(runs, [ContainsFacet("name", "forest"), RangeFacet("params.n", 6, None)]) == ["Forest 10"]
    assert run_ids_by_facets(runs, []) == list(runs.ids)
    assert (
        run_ids_by_facets(
            make_run_table(),
            [
                ContainsFacet("name", "x"),
                RangeFacet("metrics.m", 0, 1),
                AnyOfFacet("dataset", (None,)),
                AnyOfFacet("version", ("a",)),
            ],
        )
        == []
    )


@PROPERTY_SETTINGS
@given(st.lists(st.none() | st.sampled_from(["", "5", "05", "a", "A", "é", "~"]), min_size=1, max_size=6), st.data())
def test_a_choice_of_values_leaves_exactly_the_runs_with_one_of_them(values, data):
    runs = make_run_table(*(make_run(str(n), params={} if value is None else {"p": value}) for n, value in enumerate(values)))
    choice = data.draw(st.lists(st.sampled_from(values), min_size=1).map(tuple))
    assert run_ids_by_facets(runs, [AnyOfFacet("params.p", choice)]) == [
        str(n) for n, value in enumerate(values) if value in choice
    ]


@PROPERTY_SETTINGS
@given(st.lists(st.none() | st.floats(), min_size=1, max_size=6), ends, ends)
def test_a_range_leaves_exactly_the_real_numbers_in_it(values, least, most):
    runs = make_run_table(*(make_run(str(n), metrics={} if value is None else {"m": value}) for n, value in enumerate(values)))
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    matching_ids = [
        str(n) for n, value in enumerate(values) if value is not None and math.isfinite(value) and low <= value <= high
    ]
    assert run_ids_by_facets(runs, [RangeFacet("metrics.m", least, most)]) == [
        run_id for run_id in matching_ids if abs(values[int(run_id)]) < 1.79e308
    ]


def test_numbers_are_given_for_every_run_and_missing_where_there_is_none(runs):
    assert [None if math.isnan(number) else number for number in column_numbers(runs, "params.mix")] == [None, 7.0, None, None]


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [
        ("", "", ["new", "old", "never"]),
        ("2024-03-01", "", ["new", "old"]),
        ("2024-03-02", "", ["new"]),
        ("", "2024-03-01", ["old"]),
        ("2024-03-01", "2024-03-01", ["old"]),
        ("2024-03-02", "2024-03-02", ["new"]),
        ("2024-03-03", "2024-03-01", []),
        ("2024-03-02T23:59:59+00:00", "", ["new"]),
        ("2024-03-01T10:30+01:00", "", ["new"]),
        ("yesterday", "2024-13-01", ["new", "old", "never"]),
        ("0001-01-01T00:00+10:00", "9999-12-31", ["new", "old"]),
        ("0001-01-01", "9999-12-31", ["new", "old"]),
    ],
)
def test_days_are_whole_and_in_utc(since, until, names):
    last_moment = START.replace(hour=23, minute=59, second=59, microsecond=999000) + timedelta(days=1)
    runs = make_run_table(make_run("new", started=last_moment), make_run("old"), make_run("never", started=None))
    assert run_ids_by_start(runs, since, until) == names


def test_thousands_of_runs_are_judged_at_once():
    runs = make_run_table(*(make_run(str(n), params={"n": n, "kind": "ab"[n % 2]}, metrics={"m": n}) for n in range(5000)))
    conditions = [
        RangeFacet("metrics.m", 10, None),
        RangeFacet("params.n", None, 4000),
        AnyOfFacet("params.kind", ("a",)),
        ContainsFacet("name", "1"),
    ]
    began = perf_counter()
    assert len(run_ids_by_facets(runs, conditions)) > 100
    assert perf_counter() - began < 0.5
