"""Which runs are the source of a version that somebody uses."""

from lib.backends.connect import client
from lib.registry.holders import held_sources
from tests.test_runs_reading import log_run, make_experiment


def test_versions_in_a_stage_or_under_an_alias_name_their_runs_and_others_do_not(fresh_store):
    experiment, here = make_experiment(fresh_store, "wine"), client(fresh_store)
    staged, aliased, unused = (log_run(fresh_store, experiment, name) for name in ("a", "b", "c"))
    here.create_registered_model("forest")
    for run_id in (staged, aliased, unused):
        here.create_model_version("forest", f"runs:/{run_id}/model", run_id=run_id)
    here.transition_model_version_stage("forest", "1", "Staging")
    here.set_registered_model_alias("forest", "canary", "2")
    here.set_registered_model_alias("forest", "blue", "2")
    assert held_sources(fresh_store) == {staged: "forest v1 in Staging", aliased: "forest v2 as @blue, @canary"}


def test_a_version_that_names_only_its_logged_model_leads_to_the_run(fresh_store):
    experiment, here = make_experiment(fresh_store, "wine"), client(fresh_store)
    run_id = log_run(fresh_store, experiment, "a", model=False)
    model = here.create_logged_model(experiment_id=experiment, name="model", source_run_id=run_id)
    here.create_registered_model("forest")
    here.create_model_version("forest", model.artifact_location)
    here.set_registered_model_alias("forest", "production", "1")
    assert held_sources(fresh_store) == {run_id: "forest v1 as @production"}
