"""The summary of a backend matches its state."""

import sqlite3
from contextlib import closing

from mlflow import MlflowClient

from lib.backends.quick_summary import can_write, read_quick_summary


def rows_by_label(summary):
    return {row.label: (row.state, row.value) for row in summary.rows}


def test_a_fresh_store_is_healthy_and_says_how_big_it_is(fresh_store):
    summary = read_quick_summary(fresh_store)
    rows = rows_by_label(summary)
    assert {state for state, _ in rows.values()} == {"ok"}
    assert rows["Database opens and is writable"][1].startswith("mlflow.db, ")
    assert rows["Artifacts go to a folder next to it"] == ("ok", "mlruns/")
    assert summary.created is not None


def test_a_database_that_another_program_writes_is_not_called_writable(fresh_store):
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        assert not can_write(fresh_store.path)
    assert can_write(fresh_store.path)


def test_looking_changes_nothing(fresh_store):
    before = fresh_store.path.read_bytes()
    read_quick_summary(fresh_store)
    assert fresh_store.path.read_bytes() == before


def test_a_store_without_any_experiment_has_no_birthday(fresh_store):
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update experiments set lifecycle_stage = 'deleted'")
    assert read_quick_summary(fresh_store).created is None


def test_a_server_says_its_own_version_and_where_files_go(mlflow_server):
    MlflowClient(mlflow_server.uri, mlflow_server.uri).search_experiments()
    rows = rows_by_label(read_quick_summary(mlflow_server))
    assert rows["Artifacts go through the server"][0] == "ok"
    assert rows["Stages and aliases supported"][1].startswith("MLflow 3.")
