"""Filters: MLflow's own parser decides, errors are in plain English, and every suggested condition works."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.runs.filters.explain import (
    KnownNames,
    collect_known_names,
    explain_error,
    filter_field,
    quote_value,
    unknown_name_messages,
)
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.types import NO_FILTER, Filter, Search
from tests.support.run_factories import make_run, make_run_table

KNOWN_NAMES = KnownNames(
    metrics=("accuracy", "log loss"), params=("n",), tags=("Author",), conditions=("metrics.accuracy > 0.9",)
)


@pytest.mark.parametrize(
    ("filter_text", "message_part"),
    [
        ("accuracy > 0.9", "accuracy needs a prefix: metrics.accuracy."),
        ("n = '5'", "n needs a prefix: params.n."),
        ("duration > 5", "is not a run attribute"),
        ("metrics.accuracy >", "is incomplete"),
        ("metrics.accuracy > 'high'", "Compare a metric with a number"),
        ("metrics.accuracy == 1", "single ="),
        ("metrics.accuracy <> 1", "does not work on numbers"),
        ("metrics.log loss < 1", "backquotes: `log loss`"),
        ("metrics.accuracy > 0.9 or metrics.accuracy < 0.1", "no OR"),
        ("(metrics.accuracy > 0.9)", "parentheses"),
        ("not metrics.accuracy > 0.9", "NOT"),
        ("metrics.accuracy between 0 and 1", "BETWEEN"),
        ("metrics.accuracy > 0.9; status = 'FAILED'", "semicolon"),
        ("metrics.accuracy is null", "parameters and tags only"),
        ("params.n = 5", "in quotes: '5'"),
        ("params.n = five", "in quotes: 'five'"),
        ("params.n > 5", "is text in MLflow"),
        ("params.n > '5'", "MLflow stores parameters as text"),
        ("params.n in ('5', '6')", "list does not work"),
        ("status in ('FAILED')", "IN works for run_id"),
        ("status = FAILED", "in quotes"),
        ("tags.Author = 'Ana", "A quote is not closed"),
        ("start_time > 'today'", "milliseconds"),
        ("model.n = '5'", "is not a valid prefix"),
        ("dataset.size = '5'", "but not size"),
        ("1 = 1", "Start a condition with a name"),
    ],
)
def test_a_wrong_filter_is_explained_in_plain_words_with_a_right_one(filter_text, message_part):
    with pytest.raises(BadInput) as raised:
        parse_filter(filter_text, KNOWN_NAMES)
    assert message_part in raised.value.what
    assert "metrics.accuracy > 0.9" in raised.value.next


def test_a_right_filter_is_taken_apart():
    first, second = parse_filter("metrics.accuracy >= 0.9 and params.n like '1%'").clauses
    assert (first.kind, first.name, first.comparator, first.value) == ("metric", "accuracy", ">=", "0.9")
    assert (second.kind, second.comparator) == ("parameter", "LIKE")


def test_a_parameter_named_like_a_time_is_still_text():
    assert parse_filter("params.start_time LIKE '9%'").clauses[0].comparator == "LIKE"


@pytest.mark.parametrize("filter_text", ["", "   "])
def test_no_filter_has_no_condition(filter_text):
    assert parse_filter(filter_text) == NO_FILTER
    assert parse_filter(filter_text).clauses == ()


def test_filters_are_equal_by_their_text_so_a_cache_finds_a_search_by_it():
    run_filter = parse_filter(" metrics.accuracy > 0.9\n")
    assert run_filter.text == "metrics.accuracy > 0.9"
    searches = {Search(("1",), run_filter): "first"}
    assert searches[Search(("1",), parse_filter("metrics.accuracy > 0.9"))] == "first"
    assert searches[Search(("1",), Filter("metrics.accuracy > 0.9"))] == "first"
    assert Search(("1",), parse_filter("metrics.accuracy > 0.90")) not in searches
    assert Search(("1",)) not in searches


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="metrics.paragfn ><=!'\"`()5,;", max_size=30))
def test_a_half_typed_filter_never_crashes(filter_text):
    with suppress(BadInput):
        parse_filter(filter_text, KNOWN_NAMES)


def test_an_unforeseen_message_is_still_a_plain_sentence():
    assert explain_error("x", "Internal: 0x5f3759df", KNOWN_NAMES) == "MLflow cannot read this filter."


def test_a_name_that_no_run_has_is_reported_with_the_nearest_one():
    assert unknown_name_messages(parse_filter("metrics.acuracy > 0.9"), KNOWN_NAMES) == (
        "No run here has a metric called acuracy. Did you mean metrics.accuracy?",
    )
    assert unknown_name_messages(parse_filter("metrics.accuracy > 0.9 and status = 'FINISHED'"), KNOWN_NAMES) == ()


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abcXYZ019 _-./é", min_size=1, max_size=12).filter(lambda name: name == name.strip() and name))
def test_any_name_that_mlflow_allows_comes_back_from_its_parser(name):
    assert parse_filter(f"{filter_field('params', name)} = 'x'").clauses[0].name == name


@pytest.mark.parametrize("name", ["from", "VALUES", "in", "case", "order", "key", "class"])
def test_words_of_sql_are_names_as_well(name):
    assert parse_filter(f"{filter_field('metrics', name)} > 1").clauses[0].name == name


def test_every_offered_condition_can_be_parsed_and_hostile_values_are_left_out():
    runs = make_run_table(
        make_run("a", params={"n": 5, "text": "it's", "worst": "'\""}, metrics={"accuracy": 0.94, "log loss": float("nan")}),
        make_run("b", params={"n": 6, "text": "it's"}, metrics={"accuracy": 0.5}, tags={"Author": "Ana", "mlflow.user": "x"}),
    )
    known_names = collect_known_names(runs)
    assert known_names.conditions == (
        "metrics.accuracy > 0.93",
        "params.n = '5'",
        'params.text = "it\'s"',
        "tags.Author = 'Ana'",
        "status = 'FINISHED'",
    )
    assert all(parse_filter(condition).clauses for condition in known_names.conditions)


@settings(deadline=None, max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_offered_limit_of_a_metric_always_leaves_a_run(value):
    condition = collect_known_names(make_run_table(make_run("a", metrics={"m": value}))).conditions[0]
    assert condition.startswith("status") or value > float(parse_filter(condition).clauses[0].value)


def test_a_value_with_both_quotes_cannot_be_expressed():
    assert quote_value("'\"") == ""
