"""Metric histories: both readers return the same points, and sparklines sample them."""

import math
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backends.mlflow_client import client
from lib.errors import Busy
from lib.runs.reading import metric_history, sqlite_reader
from lib.runs.reading.metric_history import (
    HISTORY_COLUMNS,
    SPARKLINE_POINTS,
    read_histories,
    read_history_lengths,
    read_sparklines,
)
from tests.conftest import copy_store
from tests.support.run_factories import HISTORY_SETTINGS, METRIC_VALUES, NOON, force_client_reader, log_points, make_experiment

KEYS = ("acc", "val/loss", "ünï", "it:s", "log loss")
POINTS = st.lists(
    st.tuples(st.sampled_from(KEYS), METRIC_VALUES, st.integers(-3, 40), st.one_of(st.integers(-5, 9), st.just(10**12))),
    max_size=45,
)


@pytest.fixture(scope="module")
def store(empty_database, tmp_path_factory):
    """One store for all examples: each has its own run ids."""
    return copy_store(empty_database, tmp_path_factory.mktemp("histories"))


def log_curve(store, values, key="loss", experiment="0") -> str:
    """A run that logged these values at steps 0, 1, 2 … a second apart."""
    return log_points(store, [(key, value, step, step * 1000) for step, value in enumerate(values)], experiment)


@given(runs=st.lists(POINTS, min_size=1, max_size=3))
@HISTORY_SETTINGS
def test_both_roads_give_the_same_points_whatever_was_logged(store, runs):
    ids = [log_points(store, points) for points in runs]
    by_sql = read_histories(store, ids, KEYS)
    with pytest.MonkeyPatch.context() as patch:
        force_client_reader(patch)
        by_client = read_histories(store, ids, KEYS)
        sparklines = {key: read_sparklines(store, ids, key) for key in KEYS}
    pd.testing.assert_frame_equal(by_sql, by_client, check_exact=True)
    assert len(by_sql) == sum(len(client(store).get_metric_history(run_id, key)) for run_id in ids for key in KEYS)
    assert sparklines == {key: read_sparklines(store, ids, key) for key in KEYS}


def test_points_come_by_run_metric_step_and_time_with_their_types(store):
    first = log_points(store, [("b", 3.0, 2, 0), ("b", 1.0, 1, 9), ("a", 5.0, 0, 0), ("b", 2.0, 1, 4), ("b", math.nan, 3, 1)])
    second = log_points(store, [("b", 7.0, 0, 0)])
    histories = read_histories(store, [second, first], ["b", "a"])
    assert tuple(histories.columns) == HISTORY_COLUMNS
    assert histories.run_id.tolist() == [second] + [first] * 5
    assert histories.step.tolist() == [0, 1, 1, 2, 3, 0]
    assert histories.value.fillna(-1).tolist() == [7, 2, 1, 3, -1, 5]
    assert str(histories.time.dt.tz) == "UTC"
    assert histories.time[1] == pd.Timestamp(NOON + 4, unit="ms", tz="UTC")


def test_nothing_asked_and_nothing_logged_give_an_empty_table_with_its_types(store, monkeypatch):
    empty_run_id = log_points(store, [])
    for histories in (
        read_histories(store, [], ["a"]),
        read_histories(store, [empty_run_id], []),
        read_histories(store, [empty_run_id], ["a"]),
    ):
        assert len(histories) == 0
        assert str(histories.step.dtype) == "int64"
        assert "UTC" in str(histories.time.dtype)
    assert read_sparklines(store, [empty_run_id], "a") == {}
    force_client_reader(monkeypatch)
    assert read_histories(store, [], ["a"]).dtypes.equals(read_histories(store, [empty_run_id], ["a"]).dtypes)


@pytest.mark.parametrize("number", [1, 2, 29, 30, 31, 59, 60, 61, 1000])
def test_a_spark_line_has_at_most_thirty_points_with_the_first_and_the_last(store, number):
    run_id = log_curve(store, [float(step) for step in range(number)])
    sparkline = read_sparklines(store, [run_id], "loss")[run_id]
    assert len(sparkline) == min(number, SPARKLINE_POINTS)
    assert (sparkline[0], sparkline[-1]) == (0, number - 1)
    assert sparkline == sorted(set(sparkline))
    assert sparkline == [float(value) for value in metric_history._thin_out(list(range(number)))]


def test_a_spark_line_leaves_out_what_cannot_be_drawn(store):
    run_id = log_curve(store, [1.0, math.nan, math.inf, 2.0])
    assert read_sparklines(store, [run_id, log_curve(store, [math.nan])], "loss") == {run_id: [1.0, 2.0]}


def test_lengths_name_the_metrics_that_have_a_history(store, monkeypatch):
    run_id = log_points(store, [("loss", 1.0, step, 0) for step in range(5)] + [("acc", 0.9, 0, 0)])
    other = log_points(store, [("loss", 1.0, 0, 0), ("more", 1.0, 0, 0)])
    assert read_history_lengths(store, [other, run_id], ["loss", "acc", "nothing"]) == {"loss": 5, "acc": 1}
    force_client_reader(monkeypatch)
    assert read_history_lengths(store, [run_id, other], ["loss", "acc", "nothing"]) == {"loss": 5, "acc": 1}


def test_a_deleted_run_keeps_its_history(store, monkeypatch):
    run_id = log_curve(store, [1.0, 2.0])
    client(store).delete_run(run_id)
    assert len(read_histories(store, [run_id], ["loss"])) == 2
    force_client_reader(monkeypatch)
    assert len(read_histories(store, [run_id], ["loss"])) == 2


def test_a_locked_file_is_reported_and_not_waited_for_forever(fresh_store, monkeypatch):
    monkeypatch.setattr(sqlite_reader, "LOCK_TIMEOUT_SECONDS", 0.05)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Busy):
            read_histories(fresh_store, ["a"], ["b"])
        writer.execute("ROLLBACK")


def test_a_server_gives_the_same_points_as_a_file_page_after_page(store, mlflow_server, monkeypatch):
    monkeypatch.setattr("mlflow.tracking._tracking_service.client.GET_METRIC_HISTORY_MAX_RESULTS", 7)
    values = [math.nan if step == 4 else step / 3 for step in range(20)]
    server_run_id = log_curve(mlflow_server, values, experiment=make_experiment(mlflow_server, "histories"))
    local_run_id = log_curve(store, values)
    server_history, local_history = (
        read_histories(mlflow_server, [server_run_id], ["loss"]),
        read_histories(store, [local_run_id], ["loss"]),
    )
    pd.testing.assert_frame_equal(server_history.drop(columns="run_id"), local_history.drop(columns="run_id"), check_exact=True)
    assert (
        read_sparklines(mlflow_server, [server_run_id], "loss")[server_run_id]
        == read_sparklines(store, [local_run_id], "loss")[local_run_id]
    )
    assert len(read_histories(mlflow_server, ["0" * 32], ["loss"])) == len(read_histories(store, ["0" * 32], ["loss"])) == 0
