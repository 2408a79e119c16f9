"""Runs compared with a baseline: differences with size and direction, and a safe CSV file of them."""

import csv
import io
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.comparison import (
    ComparisonRow,
    choose_baseline,
    compare_runs,
    count_equal_rows,
    rows_as_csv,
    runs_to_compare,
    verdict_summary,
)
from lib.runs.export import table_files
from lib.runs.table.run_table import subset
from lib.runs.table.types import COMMIT_TAG, SOURCE_TAG, DataInput, RegisteredVersion, RunTable
from tests.support.run_factories import make_run, make_run_table

ACC, LOSS = "metrics.accuracy", "metrics.log loss"


def differing_rows(table: RunTable, baseline: str, first_metric: str = "") -> list[ComparisonRow]:
    return [row for row in compare_runs(table, baseline, first_metric) if row.is_different]


def test_two_picked_runs_show_what_differs_with_sign_and_word():
    a = make_run("a", params={"n": 15, "kind": "x", "same": 1}, metrics={"accuracy": 1.0, "log loss": 0.2, "flat": 1})
    b = make_run("b", params={"n": 5, "kind": "y", "same": 1}, metrics={"accuracy": 0.9, "log loss": 0.1, "flat": 1})
    rows = [(row.name, row.values, row.changes[0], row.verdicts[0]) for row in differing_rows(make_run_table(a, b), "b", LOSS)]
    assert rows == [
        ("log loss", ("0.2000", "0.1000"), "+0.1000", "worse"),
        ("accuracy", ("1.0000", "0.9000"), "+0.1000", "better"),
        ("kind", ("x", "y"), "", ""),
        ("n", ("15", "5"), "+10", ""),
    ]
    assert count_equal_rows(compare_runs(make_run_table(a, b), "b")) == 2


def test_the_baseline_itself_has_no_change_and_every_other_run_has_its_own():
    runs = make_run_table(*(make_run(str(n), metrics={"accuracy": n / 10}) for n in range(3)))
    (row,) = compare_runs(runs, "1")
    assert row.changes == ("−0.1000", "", "+0.1000")
    assert row.verdicts == ("worse", "", "better")
    assert [verdict_summary([row], index) for index in range(3)] == ["1 worse", "", "1 better"]


def test_runs_stand_in_the_order_they_were_given():
    runs = subset(make_run_table(make_run("a", metrics={"m": 1}), make_run("b", metrics={"m": 2})), ["b", "a"])
    assert compare_runs(runs, "a")[0].changes == ("+1.0000", "")


def test_missing_values_other_data_code_and_environment_are_differences_too():
    tags = {
        COMMIT_TAG: "abcdef0123",
        SOURCE_TAG: "train.py",
        "team": "risk",
        "python_version": "3.11",
        "mlflow.log-model.history": "x",
    }
    a = make_run("a", metrics={"m": 1}, inputs=(DataInput("wine", "d1", "testing"),), tags=tags)
    b = make_run("b", params={"n": 1}, inputs=(DataInput("wine", "d2", "testing"),))
    values_by_row = {(row.kind, row.name): row.values for row in differing_rows(make_run_table(a, b), "a")}
    assert values_by_row == {
        ("metric", "m"): ("1.0000", "no value"),
        ("parameter", "n"): ("not set", "1"),
        ("data", "wine (testing)"): ("d1", "d2"),
        ("code", "git commit"): ("abcdef01", "not logged"),
        ("environment", "source"): ("train.py", "not logged"),
        ("environment", "python_version"): ("3.11", "not set"),
        ("tag", "team"): ("risk", "not set"),
    }


def test_two_commits_that_begin_alike_stay_two():
    runs = make_run_table(
        make_run("a", tags={COMMIT_TAG: "0" * 36 + "abcd"}), make_run("b", tags={COMMIT_TAG: "0" * 36 + "abce"})
    )
    (row,) = differing_rows(runs, "a")
    assert len(set(row.values)) == 2


def test_two_settings_that_read_alike_in_six_digits_stay_two():
    runs = make_run_table(make_run("a", params={"lr": 0.12345671}), make_run("b", params={"lr": 0.12345672}))
    assert compare_runs(runs, "a")[0].values == ("0.12345671", "0.12345672")


def test_a_run_that_read_the_same_data_twice_shows_both_digests():
    runs = make_run_table(
        make_run("a", inputs=(DataInput("w", "d1"), DataInput("w", "d2"))), make_run("b", inputs=(DataInput("w", "d1"),))
    )
    assert [row.values for row in differing_rows(runs, "a")] == [("d1, d2", "d1")]


def test_twins_have_no_difference():
    runs = make_run_table(make_run("a", metrics={"m": math.nan, "z": 0.0}), make_run("b", metrics={"m": math.nan, "z": -0.0}))
    assert differing_rows(runs, "a") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7976931348623157e308])
def test_non_numeric_values_get_no_verdict(value):
    for pair in ((value, 1.0), (1.0, value), (value, value)):
        runs = make_run_table(*(make_run(str(n), metrics={"accuracy": number, "other": n}) for n, number in enumerate(pair)))
        row = next((row for row in compare_runs(runs, "0") if row.name == "accuracy"), None)
        assert row is None or (set(row.changes), set(row.verdicts)) == ({""}, {""})


def test_a_metric_a_parameter_and_a_tag_of_one_name_stay_three():
    runs = make_run_table(make_run("a", metrics={"m": 1}, params={"m": 1}, tags={"m": "1"}))
    assert [row.kind for row in compare_runs(runs, "a")] == ["metric", "parameter", "tag"]


def test_the_baseline_is_the_one_asked_for_else_the_champion_else_the_first():
    runs = make_run_table(make_run("a"), make_run("b"), make_run("c"))
    assert (choose_baseline(runs, ""), choose_baseline(runs, "c"), choose_baseline(runs, "gone")) == ("a", "c", "a")
    versions = [(), (RegisteredVersion("card", "2", "Staging"),), (RegisteredVersion("card", "1", "Production"),)]
    runs_with_versions = replace(runs, identity=runs.identity.assign(versions=versions))
    assert (choose_baseline(runs_with_versions, ""), choose_baseline(runs_with_versions, "a")) == ("c", "a")


def test_picked_runs_are_compared_else_the_best_ten_and_one_picked_run_with_them():
    runs = make_run_table(*(make_run(f"r{n}", metrics={"accuracy": n, "log loss": n}) for n in range(30)))
    assert runs_to_compare(runs, runs, ["r3", "gone", "r1"], ACC) == ["r3", "r1"]
    assert runs_to_compare(runs, runs, [], ACC) == [f"r{n}" for n in range(29, 19, -1)]
    assert runs_to_compare(runs, runs, [], LOSS) == [f"r{n}" for n in range(10)]
    assert runs_to_compare(runs, runs, ["r3"], ACC)[:2] == ["r3", "r29"]
    assert len(runs_to_compare(runs, runs, [f"r{n}" for n in range(30)], ACC)) == 20
    assert runs_to_compare(runs, subset(runs, ["r7"]), [], "") == ["r7"]
    runs_by_epoch = make_run_table(*(make_run(f"r{n}", metrics={"epoch": n}) for n in range(30)))
    assert runs_to_compare(runs_by_epoch, runs_by_epoch, [], "metrics.epoch") == list(runs_by_epoch.ids[:10])


def test_one_dataset_in_two_contexts_stays_two():
    inputs = (DataInput("training data", "d1", "train"), DataInput("training data", "d2", "training"))
    names = [
        row.name for row in compare_runs(make_run_table(make_run("a", inputs=inputs), make_run("b")), "a") if row.kind == "data"
    ]
    assert names == ["training data (train)", "training data (training)"]


def parse_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_file_holds_what_was_logged_and_each_change_with_its_word():
    a = make_run("a", params={"n": "015"}, metrics={"accuracy": 0.123456789})
    b = make_run("b", params={"n": "=1+2"}, metrics={"accuracy": 0.1})
    assert parse_csv(rows_as_csv(compare_runs(make_run_table(a, b), "a"), ["first", "second"])) == [
        ["kind", "name", "first", "second", "change of second", "verdict of second"],
        ["metric", "accuracy", "0.123456789", "0.1", "-0.0235", "worse"],
        ["parameter", "n", "015", "'=1+2", "", ""],
    ]


TEXTS = st.text(st.sampled_from("=+-@\t\r\n019.eE\",;' aü＝"), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXTS, min_size=2, max_size=2), TEXTS)
def test_no_cell_of_the_file_begins_a_formula(values, name):
    runs = make_run_table(*(make_run(str(n), params={name: value}, tags={name: value}) for n, value in enumerate(values)))
    rows = parse_csv(rows_as_csv(compare_runs(runs, "0"), values))
    assert len(rows) > (values[0] != values[1]), "the heading, and a line where the two differ"
    for cells in rows:
        for cell in cells:
            assert not cell.startswith(table_files._FORMULA_STARTS) or float(cell) == float(cell)
