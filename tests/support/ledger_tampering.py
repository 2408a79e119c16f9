"""Ways to damage a ledger: SQL in its database, and changes of the experiments that hold the index and the books."""

import json
import sqlite3
from contextlib import closing

from mlflow.entities import Param

from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG, INDEX_EXPERIMENT, INDEX_TAG, LEDGER_EXPERIMENT
from lib.ledger.chain.hash_chain import chain_seed, encode_entry
from lib.ledger.state.book_lookup import ModelIncarnation


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


def rename_both(mlflow):
    """Both experiments of the ledger under other names; gives their ids."""
    ids = [mlflow.get_experiment_by_name(name).experiment_id for name in (LEDGER_EXPERIMENT, INDEX_EXPERIMENT)]
    for number, experiment_id in enumerate(ids, 1):
        mlflow.rename_experiment(experiment_id, f"old-{number}")
    return ids


def drop_the_tags(mlflow, model="wine"):
    """What leads from a model to its book, taken off."""
    mlflow.delete_registered_model_tag(model, BOOK_TAG)
    for version in mlflow.search_model_versions(f"name='{model}'"):
        if HEAD_TAG in version.tags:
            mlflow.delete_model_version_tag(model, version.version, HEAD_TAG)


def rewrite_book(mlflow, run_id, experiment_id, replacement=("ana", "ben"), tags=None):
    """A new run with the entries of a book, one word replaced, under a chain of its own; gives its run id."""
    params = mlflow.get_run(run_id).data.params
    new_run_id = mlflow.create_run(experiment_id, tags=tags or {"podium.kind": "book", "podium.model": "wine"}).info.run_id
    chain = chain_seed(new_run_id)
    for place in sorted(name for name in params if name.isdecimal()):
        entry_id, _, _, text = params[place].split(" ", 3)
        assert json.loads(text)
        value, chunks = encode_entry(entry_id, text.replace(f'"{replacement[0]}"', f'"{replacement[1]}"'), chain)
        assert chunks == {}
        mlflow.log_param(new_run_id, place, value)
        chain = value.split(" ", 3)[2]
    return new_run_id


def plant_an_index(mlflow, book_run_id, experiment_id, model="wine"):
    """A run with a seal of its own that names this book; gives its run id."""
    index_id = mlflow.create_run(experiment_id).info.run_id
    mlflow.log_param(index_id, "index", index_id)
    mlflow.log_param(index_id, ModelIncarnation(model, None).name_key, book_run_id)
    return index_id


def replace_the_record(mlflow, book_run_id, model="wine"):
    """Attack R3: another sealed index, the book written anew, every tag pointed at it; gives the old and the new index."""
    experiment_id = mlflow.get_experiment_by_name(LEDGER_EXPERIMENT).experiment_id
    old_index_id = mlflow.get_experiment_by_name(INDEX_EXPERIMENT).tags[INDEX_TAG]
    new_book_id = rewrite_book(mlflow, book_run_id, experiment_id)
    index_id = plant_an_index(mlflow, new_book_id, experiment_id, model)
    for name in (LEDGER_EXPERIMENT, INDEX_EXPERIMENT):
        mlflow.set_experiment_tag(mlflow.get_experiment_by_name(name).experiment_id, INDEX_TAG, index_id)
    drop_the_tags(mlflow, model)
    mlflow.set_registered_model_tag(model, BOOK_TAG, new_book_id)
    return old_index_id, index_id


def copy_run(mlflow, run_id, experiment_id):
    """A run with the same parameters and tags, as an export and import makes it; gives its run id."""
    run = mlflow.get_run(run_id)
    copied_id = mlflow.create_run(experiment_id, tags=run.data.tags).info.run_id
    mlflow.log_batch(copied_id, params=[Param(name, value) for name, value in run.data.params.items()])
    return copied_id


def purge_run(backend, run_id):
    """What MLflow's gc does with a deleted run."""
    for table in ("params", "tags", "latest_metrics", "metrics", "runs"):
        execute(backend, f"delete from {table} where run_uuid = ?", run_id)
