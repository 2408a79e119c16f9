"""Creating, renaming, deleting and restoring experiments on a real store."""

from pathlib import Path

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.edit import experiment_changes
from lib.runs.reading.run_reader import read_experiments, read_run, read_runs
from lib.runs.table.types import Search
from tests.support.run_factories import log_run, make_experiment

EVIL = "![x](http://evil/x) <img src=x onerror=alert(1)> ../../etc"


@pytest.fixture
def wine(fresh_store):
    return make_experiment(fresh_store, "wine")


def names(store) -> list[str]:
    return sorted(experiment.name for experiment in read_experiments(store))


def test_a_new_experiment_keeps_its_artifacts_beside_the_database(fresh_store):
    experiment_id = experiment_changes.create(fresh_store, "  card \n fraud ")
    experiment = client(fresh_store).get_experiment(experiment_id)
    assert experiment.name == "card fraud"
    assert Path(experiment.artifact_location.removeprefix("file://")).parent == fresh_store.artifact_folder


def test_a_hostile_name_is_a_name_and_no_path(fresh_store):
    experiment = client(fresh_store).get_experiment(experiment_changes.create(fresh_store, EVIL))
    assert experiment.name == EVIL
    assert ".." not in experiment.artifact_location


@pytest.mark.parametrize("name", ["", " \n\t ", "x" * 251, "podium-ledger", "Podium-Ledger-index"])
def test_a_name_that_does_not_fit_is_refused_in_words(fresh_store, wine, name):
    for change in (
        lambda: experiment_changes.create(fresh_store, name),
        lambda: experiment_changes.rename(fresh_store, wine, name),
    ):
        with pytest.raises(BadInput):
            change()
    assert names(fresh_store) == ["Default", "wine"]


def test_a_name_is_taken_also_by_a_deleted_experiment(fresh_store, wine):
    other = experiment_changes.create(fresh_store, "other")
    with pytest.raises(BadInput, match="already"):
        experiment_changes.create(fresh_store, "wine")
    experiment_changes.delete(fresh_store, wine, {})
    with pytest.raises(BadInput, match="deleted experiment is called wine"):
        experiment_changes.create(fresh_store, "wine")
    with pytest.raises(BadInput, match="deleted experiment is called wine"):
        experiment_changes.rename(fresh_store, other, "wine")


def test_a_name_that_has_been_taken_since_is_reported_in_plain_english(fresh_store, wine, monkeypatch):
    monkeypatch.setattr(client(fresh_store), "get_experiment_by_name", lambda _: None)
    with pytest.raises(BadInput, match="already"):
        experiment_changes.create(fresh_store, "wine")
    with pytest.raises(BadInput, match="already"):
        experiment_changes.rename(fresh_store, wine, "Default")


def test_a_renamed_experiment_keeps_its_runs(fresh_store, wine):
    run_id = log_run(fresh_store, wine, "first")
    experiment_changes.rename(fresh_store, wine, "wine 2")
    experiment_changes.rename(fresh_store, wine, "wine 2")
    assert names(fresh_store) == ["Default", "wine 2"]
    assert read_runs(fresh_store, Search((wine,))).ids == (run_id,)


def test_deleting_is_soft_and_restoring_brings_back_runs_deleted_one_by_one_too(fresh_store, wine):
    active_id, deleted_id = (log_run(fresh_store, wine, name) for name in ("kept", "dropped"))
    client(fresh_store).delete_run(deleted_id)
    assert experiment_changes.read_experiment_contents(fresh_store, wine, {}) == experiment_changes.ExperimentContents(
        1, True, ()
    )
    experiment_changes.delete(fresh_store, wine, {})
    assert names(fresh_store) == ["Default"]
    assert [
        (experiment.name, experiment.experiment_id) for experiment in experiment_changes.read_deleted_experiments(fresh_store)
    ] == [("wine", wine)]
    experiment_changes.restore(fresh_store, wine)
    assert experiment_changes.read_deleted_experiments(fresh_store) == ()
    assert {read_run(fresh_store, run_id).lifecycle for run_id in (active_id, deleted_id)} == {"active"}


def test_the_source_of_a_held_version_is_refused_unless_insisted_on(fresh_store, wine):
    source = log_run(fresh_store, wine, "first")
    held_versions = {source: "forest v3 in Production", "gone": "x v1 in Staging"}
    assert experiment_changes.read_experiment_contents(fresh_store, wine, held_versions).held_versions == (
        "forest v3 in Production",
    )
    with pytest.raises(ActionRefused, match="forest v3 in Production"):
        experiment_changes.delete(fresh_store, wine, held_versions)
    with pytest.raises(ActionRefused):
        experiment_changes.delete(
            fresh_store, wine, held_versions | {source: "forest v4 in Production"}, confirmed_versions=["forest v3 in Production"]
        )
    experiment_changes.delete(fresh_store, wine, held_versions, confirmed_versions=["forest v3 in Production"])
    assert names(fresh_store) == ["Default"]


def test_podiums_own_experiments_are_never_listed_nor_touched(fresh_store):
    experiment_ids = [make_experiment(fresh_store, "podium-ledger"), make_experiment(fresh_store, "renamed by somebody")]
    client(fresh_store).set_experiment_tag(experiment_ids[1], "podium.index", "abc")
    for experiment_id in experiment_ids:
        for change in (experiment_changes.delete, experiment_changes.rename):
            with pytest.raises(ActionRefused, match="record"):
                change(fresh_store, experiment_id, {} if change is experiment_changes.delete else "x")
        client(fresh_store).delete_experiment(experiment_id)
        with pytest.raises(ActionRefused, match="record"):
            experiment_changes.restore(fresh_store, experiment_id)
    assert experiment_changes.read_deleted_experiments(fresh_store) == ()


def test_default_is_not_deleted(fresh_store):
    with pytest.raises(ActionRefused, match="name no experiment"):
        experiment_changes.delete(fresh_store, "0", {})


def test_an_active_experiment_is_not_restored_and_an_unknown_one_not_found(fresh_store, wine):
    with pytest.raises(ActionRefused, match="not deleted"):
        experiment_changes.restore(fresh_store, wine)
    for change in (
        lambda: experiment_changes.delete(fresh_store, "4711", {}),
        lambda: experiment_changes.rename(fresh_store, "4711", "x"),
    ):
        with pytest.raises(NotFound):
            change()
