"""Varying columns, their order, the best run, and the comparison of picked runs."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.metric_direction import direction_by_name, verdict_of_change
from lib.runs.table import run_table
from lib.runs.table.number_format import format_change, format_number, format_param, short_labels
from tests.support.run_factories import START, make_run, make_run_table

ACC, LOSS = "metrics.accuracy", "metrics.log loss"


@pytest.mark.parametrize(
    ("name", "gap", "verdict"),
    [("accuracy", 0.1, "better"), ("accuracy", -0.1, "worse"), ("loss", -0.1, "better"), ("loss", 0.1, "worse"), ("loss", 0.0, "same"), ("loss", math.nan, "")],
)  # fmt: skip
def test_a_change_is_said_in_a_word(name, gap, verdict):
    assert verdict_of_change(gap, direction_by_name(name)) == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.94444, "0.9444"), (1.0, "1.0000"), (-0.5, "−0.5000"), (1.45, "1.450"), (24000, "24,000"), (2.5e-05, "2.5e−05"), (math.nan, "NaN"), (math.inf, "∞"), (1.7976931348623157e308, "∞"), (None, ""), ("sqrt", "sqrt"), (0, "0"), (-0.0, "0.0000"), (1.7e308, "1.7e+308")],
)  # fmt: skip
def test_numbers_read_in_about_four_digits(value, text):
    assert format_number(value) == text


def test_what_diverged_stands_last_whichever_way_the_runs_are_sorted():
    runs = make_run_table(
        *(
            make_run(str(n), metrics={"m": value})
            for n, value in enumerate([math.inf, 1.0, -math.inf, 3.0, 1.7976931348623157e308])
        )
    )
    assert run_table.sort_runs(runs, "metrics.m", descending=True)[:2] == ["3", "1"]
    assert run_table.sort_runs(runs, "metrics.m", descending=False)[:2] == ["1", "3"]


def test_settings_read_as_they_were_set():
    assert [format_param(value) for value in (0.1, 1e-05, 10.0, 24000, "gini", -3)] == [
        "0.1",
        "1e−05",
        "10",
        "24,000",
        "gini",
        "−3",
    ]


def test_a_change_has_a_sign_and_none_where_a_value_is_no_number():
    assert [format_change(1.0, 0.9722), format_change(5, 15), format_change(2, 2), format_change(1.0, math.inf)] == [
        "+0.0278",
        "−10",
        "±0",
        "",
    ]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(min_size=1, max_size=60), max_size=12), st.integers(8, 30))
def test_two_labels_are_never_merged_by_cutting_them(names, width):
    labels = short_labels(names, width)
    assert len(set(labels.values())) == len(set(names))


def test_parameters_that_differ_come_apart_from_those_with_one_value():
    runs = make_run_table(make_run("a", params={"n": 5, "c": 1, "some": 2}), make_run("b", params={"n": 6, "c": 1}))
    assert run_table.varying_params(runs) == ["params.n"]
    assert [(param.name, param.value, param.missing_count) for param in run_table.constant_params(runs)] == [
        ("c", "1", 0),
        ("some", "2", 1),
    ]


def test_scores_come_before_losses_and_unknown_metrics_before_counts():
    runs = make_run_table(
        make_run("a", metrics={"loss": 1, "auc": 1, "step": 1}),
        make_run("b", metrics={"cv": 0.5}),
        make_run("c", metrics={"cv": 0.6}),
    )
    assert run_table.metric_columns(runs) == ["metrics.auc", "metrics.loss", "metrics.cv", "metrics.step"]


def test_a_metric_of_the_training_rows_never_comes_first():
    runs = make_run_table(make_run("a", metrics={"training_accuracy_score": 1, "log_loss": 1}))
    assert run_table.metric_columns(runs) == ["metrics.log_loss", "metrics.training_accuracy_score"]


def test_sorting_puts_missing_values_last_both_ways():
    runs = make_run_table(make_run("a", metrics={"m": 1}), make_run("none"), make_run("b", metrics={"m": 2}))
    assert run_table.sort_runs(runs, "metrics.m", descending=True) == ["b", "a", "none"]
    assert run_table.sort_runs(runs, "metrics.m", descending=False) == ["a", "b", "none"]


def test_text_is_sorted_without_regard_to_capitals_and_numbers_by_size():
    runs = make_run_table(make_run("b", params={"n": 10}), make_run("A", params={"n": 9}))
    assert run_table.sort_runs(runs, "name", descending=False) == ["A", "b"]
    assert run_table.sort_runs(runs, "params.n", descending=False) == ["A", "b"]


def test_the_best_run_is_finished_and_has_a_model():
    runs = make_run_table(
        make_run("failed", metrics={"accuracy": 1.0}, status="FAILED"),
        make_run("no model", metrics={"accuracy": 0.99}, model_ids=()),
        make_run("newer", metrics={"accuracy": 0.94}),
        make_run("older", metrics={"accuracy": 0.94}),
        make_run("nan", metrics={"accuracy": math.nan}),
    )
    best = run_table.find_best_run(runs, ACC)
    assert (best.run_id, best.measured_run_id, best.value, best.tie_count) == ("newer", "newer", 0.94, 1)
    assert run_table.find_best_run(runs, ACC, models_unknown=True).run_id == "no model", (
        "where a backend cannot tell, the files of the run decide"
    )


def test_of_a_loss_the_smallest_is_best_and_of_a_count_none():
    runs = make_run_table(
        make_run("a", metrics={"log loss": 0.1, "step": 1}), make_run("b", metrics={"log loss": 0.2, "step": 2})
    )
    assert run_table.find_best_run(runs, LOSS).run_id == "a"
    assert run_table.find_best_run(runs, "metrics.step") is None


def test_a_search_that_keeps_the_model_in_the_parent_is_registered_from_there():
    runs = make_run_table(make_run("mum"), make_run("kid", parent="mum", metrics={"accuracy": 0.9}, model_ids=()))
    assert (run_table.find_best_run(runs, ACC).run_id, run_table.find_best_run(runs, ACC).measured_run_id) == ("mum", "kid")


def test_the_best_two_have_different_values_where_there_are_any():
    tied = [make_run("a", metrics={"accuracy": 0.9}), make_run("b", metrics={"accuracy": 0.9})]
    assert run_table.top_two_runs(make_run_table(*tied, make_run("c", metrics={"accuracy": 0.8})), ACC) == ["a", "c"]
    assert run_table.top_two_runs(make_run_table(*tied), ACC) == ["a", "b"]
    assert run_table.top_two_runs(make_run_table(tied[0], make_run("none")), ACC) == ["a"]
    assert run_table.top_two_runs(make_run_table(make_run("none", metrics={"accuracy": math.nan})), ACC) == []


def test_held_out_rows_are_known_only_when_every_run_says_the_same():
    same = [make_run("a", params={"test_rows": 18}), make_run("b", params={"test_rows": 18})]
    assert run_table.test_row_count(make_run_table(*same)) == 18
    assert run_table.test_row_count(make_run_table(*same, make_run("c"))) is None
    assert run_table.test_row_count(make_run_table(*same, make_run("c", params={"test_rows": 36}))) is None
    assert run_table.test_row_count(make_run_table(make_run("tagged", tags={"test_rows": "9"}))) == 9


def test_one_row_is_worth_points_of_an_accuracy_on_held_out_rows_only():
    runs = make_run_table(make_run("a", params={"test_rows": 20}, metrics={"accuracy": 1, "mean_cv_accuracy": 1, "auc": 1}))
    assert run_table.points_per_row(runs, ACC) == 5
    assert run_table.points_per_row(runs, "metrics.mean_cv_accuracy") is None
    assert run_table.points_per_row(runs, "metrics.auc") is None


def test_a_metric_and_a_parameter_of_one_name_stay_two_columns():
    runs = make_run_table(make_run("a", params={"m": 1}, metrics={"m": 0.5}, started=START))
    assert run_table.column_values(runs, "params.m").tolist() == [1]
    assert run_table.column_values(runs, "metrics.m").tolist() == [0.5]
    assert run_table.has_column(runs, "started")
    assert not run_table.has_column(runs, "metrics.x")
