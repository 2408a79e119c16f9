"""The latest runs: newest first, without children and without Podium's own ledger."""

import pytest
from mlflow import MlflowClient

from lib.runs.reading.latest_runs import headline_metric, read_latest_runs


@pytest.fixture
def client(fresh_store):
    return MlflowClient(fresh_store.uri, fresh_store.uri)


def experiment(client, name, folder):
    return client.create_experiment(name, artifact_location=str(folder / name))


def test_an_empty_store_has_no_runs(fresh_store):
    assert read_latest_runs(fresh_store, 6) == ()


def test_runs_of_all_experiments_come_newest_first_up_to_the_limit(fresh_store, client, tmp_path):
    first_id, second_id = experiment(client, "one", tmp_path), experiment(client, "two", tmp_path)
    for number in range(4):
        client.create_run(second_id if number % 2 else first_id, run_name=f"r{number}", start_time=1000 * (number + 1))
    runs = read_latest_runs(fresh_store, 3)
    assert [(run.name, run.experiment_name) for run in runs] == [("r3", "two"), ("r2", "one"), ("r1", "two")]


def test_child_runs_and_the_ledger_do_not_show(fresh_store, client, tmp_path):
    parent = client.create_run(experiment(client, "search", tmp_path), run_name="parent").info.run_id
    client.create_run("1", run_name="child", tags={"mlflow.parentRunId": parent})
    for name in ("podium-ledger", "podium-ledger-index"):
        client.create_run(experiment(client, name, tmp_path), run_name="book")
    assert [run.name for run in read_latest_runs(fresh_store, 6)] == ["parent"]


def test_a_run_that_goes_on_has_no_end(fresh_store, client, tmp_path):
    run_id = client.create_run(experiment(client, "e", tmp_path), start_time=1000).info.run_id
    assert read_latest_runs(fresh_store, 6)[0].ended is None
    client.set_terminated(run_id, "FAILED", end_time=3000)
    (run,) = read_latest_runs(fresh_store, 6)
    assert (run.status, (run.ended - run.started).total_seconds()) == ("FAILED", 2.0)


@pytest.mark.parametrize(
    ("metrics", "number"),
    [
        ({}, None),
        ({"accuracy": 0.9, "auc": 0.8}, 0.9),
        ({"training_accuracy_score": 1.0}, None),
        ({"training_accuracy_score": 1.0, "test_accuracy": 0.7}, 0.7),
        ({"roc_auc": 0.8, "loss": 3.0}, 0.8),
        ({"accuracy": 93.0, "roc_auc": 0.8}, 0.8),
        ({"accuracy": float("nan")}, None),
    ],
)
def test_the_headline_metric_never_comes_from_training_data(metrics, number):
    assert headline_metric(metrics) == number
