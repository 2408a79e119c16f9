"""Ways to damage a ledger: SQL in its database, and changes of the experiments that hold the index and the books."""

import sqlite3
from contextlib import closing

from lib.backends.reserved_names import INDEX_EXPERIMENT, LEDGER_EXPERIMENT
from lib.ledger.storage.book_index import INDEX_TAG


def execute(backend, sql, *values):
    with closing(sqlite3.connect(backend.path)) as db, db:
        return db.execute(sql, values).fetchall()


def rename_the_index(mlflow):
    mlflow.rename_experiment(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, "elsewhere")


def repoint_the_index(mlflow):
    mlflow.set_experiment_tag(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, INDEX_TAG, "f" * 32)


def delete_the_index_experiment(mlflow):
    mlflow.delete_experiment(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id)


def delete_the_index_run(mlflow):
    mlflow.delete_run(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG])


def rename_the_ledger(mlflow):
    mlflow.rename_experiment(mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id, "elsewhere")


def delete_the_ledger(mlflow):
    mlflow.delete_experiment(mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id)


def point_the_index_at_another_run(mlflow):
    """A second index with a book of its own, noted wherever the first one was."""
    experiment = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT)
    other_run_id = mlflow.create_run(experiment.experiment_id).info.run_id
    for name in (LEDGER_EXPERIMENT, INDEX_EXPERIMENT):
        mlflow.set_experiment_tag(mlflow.get_experiment_by_name(name).experiment_id, INDEX_TAG, other_run_id)
