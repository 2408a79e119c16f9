"""Reading runs and experiments from a real store."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from lib.backends.mlflow_client import client
from lib.errors import NotFound
from lib.runs.reading import run_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.types import Search
from tests.support.run_factories import NOON, log_run, make_experiment


@pytest.fixture
def experiment(fresh_store):
    return make_experiment(fresh_store, "wine")


def test_a_run_is_read_whole(fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "first", params={"n": 5}, metrics={"acc": 0.9}, data="abc")
    run = run_reader.read_run(fresh_store, run_id)
    assert (run.name, run.experiment_id, run.status, run.lifecycle) == ("first", experiment, "FINISHED", "active")
    assert (run.params, run.metrics, run.user) == ({"n": "5"}, {"acc": 0.9}, "ana")
    assert [(data.name, data.digest, data.context, data.source) for data in run.inputs] == [("wine", "abc", "testing", "{}")]
    assert run.started == datetime.fromtimestamp(NOON / 1000, UTC)
    assert run.model_ids[0].startswith("m-")
    assert run.artifact_uri


def test_a_deleted_run_is_read_and_says_so(fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "gone")
    client(fresh_store).delete_run(run_id)
    assert run_reader.read_run(fresh_store, run_id).lifecycle == "deleted"
    assert run_reader.read_runs(fresh_store, Search((experiment,))).ids == ()


@pytest.mark.parametrize("run_id", ["", "  ", "nobody", "a/../b"])
def test_an_unknown_run_is_not_found(fresh_store, run_id):
    with pytest.raises(NotFound):
        run_reader.read_run(fresh_store, run_id)


def test_experiments_come_newest_first_without_podiums_own(fresh_store, experiment):
    for name in ("podium-ledger", "podium-ledger-index"):
        make_experiment(fresh_store, name)
    names = [experiment.name for experiment in run_reader.read_experiments(fresh_store)]
    assert names == ["wine", "Default"]


def test_the_newest_experiment_is_the_one_where_something_ran_last(fresh_store, experiment):
    quiet = make_experiment(fresh_store, "quiet")
    experiments = run_reader.read_experiments(fresh_store)
    assert run_reader.find_newest_experiment(fresh_store, experiments) == quiet
    log_run(fresh_store, experiment, "first")
    assert run_reader.find_newest_experiment(fresh_store, experiments) == experiment
    assert run_reader.find_newest_experiment(fresh_store, ()) == ""


def test_runs_come_newest_first_and_over_several_pages(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    ids = [log_run(fresh_store, experiment, f"r{n}", minute=n, model=False) for n in range(5)]
    assert run_reader.read_runs(fresh_store, Search((experiment,), parse_filter("attributes.start_time > 0"))).ids == tuple(
        ids[::-1]
    )


def test_at_most_so_many_runs_are_read_and_the_rest_is_not_counted(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    other, filtered = make_experiment(fresh_store, "other"), parse_filter("attributes.start_time > 0")
    ids = [log_run(fresh_store, (experiment, other)[n % 2], f"r{n}", minute=n, model=False) for n in range(5)]
    table = run_reader.read_runs(fresh_store, Search((experiment, other), filtered, limit=3))
    assert (table.ids, table.total, table.is_complete) == (tuple(ids[:1:-1]), None, False)
    full_table = run_reader.read_runs(fresh_store, Search((experiment, other, experiment), filtered, limit=5))
    assert (full_table.ids, full_table.total, full_table.is_complete) == (tuple(ids[::-1]), 5, True)


def test_progress_reports_how_many_runs_were_read(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    for n in range(5):
        log_run(fresh_store, experiment, f"r{n}", minute=n, model=False)
    counts = []
    run_reader.read_runs(fresh_store, Search((experiment,), parse_filter("attributes.start_time > 0")), progress=counts.append)
    assert counts == [2, 4, 5]


def test_a_run_that_is_added_while_the_pages_are_read_doubles_and_loses_none(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    ids = [log_run(fresh_store, experiment, f"r{n}", minute=n, model=False) for n in range(4)]

    def another(count):
        log_run(fresh_store, experiment, f"late {count}", minute=90, model=False) if count == 2 else None

    table = run_reader.read_runs(fresh_store, Search((experiment,), parse_filter("attributes.start_time > 0")), progress=another)
    assert (table.ids, table.total) == (tuple(ids[::-1]), 4)


def test_a_clock_that_went_mad_hides_no_run(fresh_store, experiment):
    mad = client(fresh_store).create_run(experiment, start_time=10**17, run_name="mad").info.run_id
    sane = log_run(fresh_store, experiment, "sane")
    assert run_reader.read_run(fresh_store, mad).started is None
    for filter_text in ("", "attributes.start_time > 0"):
        assert run_reader.read_runs(fresh_store, Search((experiment,), parse_filter(filter_text))).ids == (mad, sane)


def test_deleted_runs_can_be_asked_for_on_both_roads(fresh_store, experiment):
    active_id, deleted_id = (
        log_run(fresh_store, experiment, name, params={"n": 1}, minute=n) for n, name in enumerate(("kept", "gone"))
    )
    client(fresh_store).delete_run(deleted_id)
    for filter_text in ("", "params.n = '1'"):
        ids_by_state = {
            state: run_reader.read_runs(fresh_store, Search((experiment,), parse_filter(filter_text), state)).ids
            for state in ("active", "deleted", "all")
        }
        assert ids_by_state == {"active": (active_id,), "deleted": (deleted_id,), "all": (deleted_id, active_id)}


def test_newer_runs_are_counted_in_the_same_experiments(fresh_store, experiment, mlflow_server):
    for store, experiment_id in ((fresh_store, experiment), (mlflow_server, make_experiment(mlflow_server, "counted by a test"))):
        ids = [log_run(store, experiment_id, f"r{n}", minute=n, model=False) for n in range(4)]
        client(store).delete_run(ids[3])
        noon = datetime.fromtimestamp(NOON / 1000, UTC)
        times = [noon - timedelta(milliseconds=1), noon, noon + timedelta(minutes=1), noon + timedelta(minutes=9)]
        assert [run_reader.count_newer_runs(store, Search((experiment_id,), state="deleted"), at) for at in times] == [3, 2, 1, 0]
        assert run_reader.count_newer_runs(store, Search(()), noon) == 0


def test_a_filter_leaves_what_mlflow_itself_would(fresh_store, experiment):
    good = log_run(fresh_store, experiment, "good", metrics={"log loss": 0.1}, params={"n": 5})
    log_run(fresh_store, experiment, "bad", metrics={"log loss": 0.9}, params={"n": 5})
    run_filter = parse_filter(" metrics.`log loss` < 0.5 and params.n = '5' ")
    table = run_reader.read_runs(fresh_store, Search((experiment,), run_filter))
    assert table.ids == (good,)
    assert table.search.filter.text == "metrics.`log loss` < 0.5 and params.n = '5'"


def test_an_unknown_experiment_has_no_runs(fresh_store):
    assert len(run_reader.read_runs(fresh_store, Search(("4711",)))) == 0


def test_nan_infinity_and_a_running_run_are_read(fresh_store, experiment):
    values = {"nan": math.nan, "inf": math.inf}
    run_id = log_run(fresh_store, experiment, "odd", metrics=values, status="", tags={"note": "![x](http://evil/x)"})
    table = run_reader.read_runs(fresh_store, Search((experiment,)), at=datetime(2024, 1, 1, tzinfo=UTC))
    assert math.isnan(table.metrics.loc[run_id, "nan"])
    assert table.metrics.loc[run_id, "inf"] > 1e308
    assert table.identity.loc[run_id, "status"] == "RUNNING"
    assert table.tags.loc[run_id, "note"] == "![x](http://evil/x)"
    assert table.read_at == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_server_gives_the_same_as_a_file(fresh_store, experiment, mlflow_server, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    run_filter, tables = parse_filter("params.`log 2` = '0.5' and metrics.m > 0"), []
    for store, experiment_id in ((fresh_store, experiment), (mlflow_server, make_experiment(mlflow_server, "read by a test"))):
        for n in range(3):
            log_run(
                store,
                experiment_id,
                f"r{n}",
                params={"n": n, "log 2": 0.5},
                metrics={"m": n / 2, "nan": math.nan},
                data="d",
                minute=n,
            )
        tables.append(run_reader.read_runs(store, Search((experiment_id,), run_filter)))
    local_table, server_table = tables
    columns = ["name", "status", "started", "ended", "seconds", "user", "has_model"]
    assert local_table.identity[columns].values.tolist() == server_table.identity[columns].values.tolist() != []
    assert local_table.params.values.tolist() == server_table.params.values.tolist() == [[0.5, 2], [0.5, 1]]
    assert local_table.metrics.fillna(-1).values.tolist() == server_table.metrics.fillna(-1).values.tolist()
    assert local_table.inputs.digest.tolist() == server_table.inputs.digest.tolist() == ["d", "d"]
