"""Which runs are the source of versions in use."""

from mlflow.entities import LoggedModelOutput

from lib.backends.mlflow_client import client
from lib.registry.delete_run import read_dependents
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.registry.run_usage import find_runs_in_use
from lib.runs.reading.run_reader import read_run
from tests.support.ledger_stores import DECISION, make_trained_run, make_writer
from tests.support.run_factories import log_run, make_experiment


def test_versions_in_a_stage_or_under_an_alias_name_their_runs_and_others_do_not(fresh_store):
    experiment, registry = make_experiment(fresh_store, "wine"), client(fresh_store)
    staged, aliased, unused = (log_run(fresh_store, experiment, name) for name in ("a", "b", "c"))
    registry.create_registered_model("forest")
    for run_id in (staged, aliased, unused):
        registry.create_model_version("forest", f"runs:/{run_id}/model", run_id=run_id)
    registry.transition_model_version_stage("forest", "1", "Staging")
    registry.set_registered_model_alias("forest", "canary", "2")
    registry.set_registered_model_alias("forest", "blue", "2")
    assert find_runs_in_use(fresh_store) == {staged: "forest v1 in Staging", aliased: "forest v2 as @blue, @canary"}


def test_a_version_that_names_only_its_logged_model_leads_to_the_run(fresh_store):
    experiment, registry = make_experiment(fresh_store, "wine"), client(fresh_store)
    run_id = log_run(fresh_store, experiment, "a", model=False)
    model = registry.create_logged_model(experiment_id=experiment, name="model", source_run_id=run_id)
    registry.create_registered_model("forest")
    registry.create_model_version("forest", model.artifact_location)
    registry.set_registered_model_alias("forest", "production", "1")
    assert find_runs_in_use(fresh_store) == {run_id: "forest v1 as @production"}


def test_a_version_that_names_its_run_only_in_its_source_still_leads_to_it(fresh_store):
    experiment, registry = make_experiment(fresh_store, "wine"), client(fresh_store)
    run_id = log_run(fresh_store, experiment, "a", model=False)
    registry.create_registered_model("forest")
    registry.create_model_version("forest", f"{read_run(fresh_store, run_id).artifact_uri}/model")
    registry.set_registered_model_alias("forest", "canary", "1")
    assert find_runs_in_use(fresh_store) == {run_id: "forest v1 as @canary"}
    (use,) = read_dependents(fresh_store, run_id).versions_in_use
    assert (use.label, use.is_stored_in_run) == ("forest v1 as @canary", True)


def test_a_version_that_names_one_run_and_the_model_of_another_came_from_both(fresh_store):
    experiment, registry = make_experiment(fresh_store, "wine"), client(fresh_store)
    named, maker = (log_run(fresh_store, experiment, name, model=False) for name in ("named", "maker"))
    model = registry.create_logged_model(experiment_id=experiment, name="model", source_run_id=maker)
    registry.log_outputs(maker, [LoggedModelOutput(model.model_id, 0)])
    registry.create_registered_model("forest")
    registry.create_model_version("forest", model.artifact_location, run_id=named)
    registry.set_registered_model_alias("forest", "canary", "1")
    assert set(find_runs_in_use(fresh_store)) == {named, maker}
    assert all(read_dependents(fresh_store, run_id).versions_in_use for run_id in (named, maker))


def test_what_only_the_record_still_holds_is_held_for_the_run_and_for_its_experiment(fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    client(fresh_store).delete_registered_model_alias("wine", "production")
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    label = "wine v1 in Production by the record"
    assert find_runs_in_use(fresh_store) == {run_id: label}
    assert [use.label for use in read_dependents(fresh_store, run_id).versions_in_use] == [label]
