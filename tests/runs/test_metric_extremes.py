"""The best, smallest or largest value of a metric instead of its last: the same as from every point."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backends.mlflow_client import client
from lib.runs.analysis.metric_direction import direction_by_name
from lib.runs.reading import metric_extremes, run_reader
from lib.runs.reading.metric_extremes import read_metric_stat
from lib.runs.table.types import Search
from tests.conftest import copy_store
from tests.support.run_factories import HISTORY_SETTINGS, METRIC_VALUES, force_client_reader, log_points, make_experiment

KEYS = ("acc", "val/loss", "epoch", "ünï")
RUNS = st.lists(
    st.lists(st.tuples(st.sampled_from(KEYS), METRIC_VALUES, st.integers(0, 9), st.integers(0, 9)), max_size=12),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    return copy_store(empty_database, tmp_path_factory.mktemp("extremes"))


def log_and_read_runs(store, runs):
    """The table of an experiment with these runs."""
    log_and_read_runs.number = getattr(log_and_read_runs, "number", 0) + 1
    experiment = make_experiment(store, f"e{log_and_read_runs.number}")
    for points in runs:
        log_points(store, points, experiment)
    return run_reader.read_runs(store, Search((experiment,)))


def compute_stat(store, table, stat):
    """The expected values, from every single point."""
    expected = table.metrics.copy()
    for run_id in table.ids:
        for key in map(str, table.metrics):
            values = [point.value for point in client(store).get_metric_history(run_id, key)]
            numbers = [value for value in values if not math.isnan(value)]
            is_minimum = stat == "min" or (stat == "best" and direction_by_name(key) == "less")
            if not (stat == "best" and direction_by_name(key) == "neither"):
                expected.loc[run_id, key] = (min if is_minimum else max)(numbers, default=math.nan)
    return expected


@given(runs=RUNS)
@HISTORY_SETTINGS
def test_every_value_equals_the_one_found_by_looking_at_all_points(store, runs):
    table = log_and_read_runs(store, runs)
    for stat in ("best", "min", "max"):
        expected = compute_stat(store, table, stat)
        result = read_metric_stat(store, table, stat)
        pd.testing.assert_frame_equal(result.table.metrics, expected, check_exact=True)
        assert (result.read_count, result.total_count) == (len(runs), len(runs))
        with pytest.MonkeyPatch.context() as patch:
            force_client_reader(patch)
            pd.testing.assert_frame_equal(read_metric_stat(store, table, stat).table.metrics, expected, check_exact=True)


def test_the_last_value_is_what_was_read_and_asks_nothing(store, monkeypatch):
    table = log_and_read_runs(store, [[("acc", 0.9, 0, 0), ("acc", 0.5, 1, 1)]])
    monkeypatch.setattr(metric_extremes, "query_rows", None)
    assert read_metric_stat(store, table, "last").table is table


def test_the_best_of_a_loss_is_the_smallest_and_of_a_count_the_last(store):
    points = [(key, value, step, step) for key in KEYS[:3] for step, value in enumerate([2.0, 3.0, 1.0, 2.0])]
    metrics = read_metric_stat(store, log_and_read_runs(store, [points]), "best").table.metrics.iloc[0]
    assert metrics.to_dict() == {"acc": 3, "val/loss": 1, "epoch": 2}


def test_a_run_that_ended_as_nan_still_has_a_best_value_on_both_roads(store, monkeypatch):
    table = log_and_read_runs(store, [[("acc", 0.9, 0, 0), ("acc", math.nan, 1, 1)], [("val/loss", 1.0, 0, 0)]])
    metrics = read_metric_stat(store, table, "best").table.metrics
    force_client_reader(monkeypatch)
    pd.testing.assert_frame_equal(read_metric_stat(store, table, "best").table.metrics, metrics, check_exact=True)
    assert sorted(metrics.acc.fillna(-1)) == [-1, 0.9]


def test_through_the_client_the_newest_runs_are_read_and_it_says_how_many(store, monkeypatch):
    table = log_and_read_runs(store, [[("acc", 0.9, 0, 0), ("acc", 0.5, 1, 1), ("epoch", 4, 0, 0)] for _ in range(5)])
    force_client_reader(monkeypatch)
    monkeypatch.setattr(metric_extremes, "MAX_HISTORIES", 3)
    result = read_metric_stat(store, table, "best")
    assert (result.read_count, result.total_count) == (3, 5)
    assert result.table.metrics.acc.fillna(-1).tolist() == [0.9, 0.9, 0.9, -1, -1]
    assert result.table.metrics.epoch.tolist() == [4] * 5
    assert read_metric_stat(store, table, "max").read_count == 1


def test_no_run_and_no_metric_are_no_trouble(store):
    for table in (log_and_read_runs(store, []), log_and_read_runs(store, [[]])):
        for stat in ("last", "best", "min", "max"):
            result = read_metric_stat(store, table, stat)
            assert result.read_count == result.total_count == len(table)
