"""The same journey against a real MLflow server: launch, register, promote, race, roll back, verify."""

import os

import pytest

from lib.backends.mlflow_client import client, probe
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.registry.code_snippets import load_model_snippet
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.register import find_candidates, register
from lib.registry.roll_back import roll_back
from lib.registry.verify import verify
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.app.session import now
from tests.support.ledger_stores import REASON, make_trained_run, make_writer
from tests.support.ledger_workers import promote_often_of, run_together
from tests.support.registry_factories import finish_open_decisions


@pytest.mark.slow
def test_the_whole_journey_on_a_server(mlflow_server, tmp_path):
    probe(mlflow_server)
    settings = read_job_settings({**os.environ, "PODIUM_HOME": str(tmp_path)}, PROJECT_ROOT)
    job = demo_jobs.start_demo_job(settings, catalogue.find_demo("first-run"), {"n_estimators": [1, 5]}, mlflow_server, now())
    assert job_queue.wait(settings, job.id, 120).state == "finished"
    first_run, second_run = job_queue.find_job_runs(mlflow_server, job.id)
    assert [round(run.metrics["accuracy"], 3) for run in (first_run, second_run)] == [0.667, 0.944]

    first = register(make_writer(mlflow_server), first_run.run_id, "wine-server")
    second = register(make_writer(mlflow_server), second_run.run_id, "wine-server")
    assert (first.version, second.version) == ("1", "2")
    move_version(make_writer(mlflow_server), MoveRequest("wine-server", "1", "Production"), Decision(REASON, NO_HOLDER))
    result = move_version(make_writer(mlflow_server), MoveRequest("wine-server", "2", "Production"), Decision(REASON, "1"))
    assert (result.outcome, result.displaced_versions) == ("applied", ("1",))
    assert roll_back(make_writer(mlflow_server), "wine-server", None, Decision(REASON, "2")).version == "1"

    snapshot, verdict = read_snapshot(mlflow_server, "wine-server"), verify(mlflow_server, "wine-server")
    assert snapshot.slot_states["production"].holders == ("1",)
    assert verdict.findings == ()
    lineage = next(
        e.body for e in read_book_state(mlflow_server, "wine-server").book.entries if e.body.type == "REGISTERED"
    ).lineage
    assert lineage.artifact
    assert lineage.environment
    assert lineage.metrics["accuracy"] == pytest.approx(0.6667, abs=1e-4)
    assert "models:/wine-server@production" in load_model_snippet(mlflow_server.uri, "models:/wine-server@production")


def test_a_registered_model_of_a_server_can_be_fetched_where_its_version_points(mlflow_server):
    run_id = make_trained_run(mlflow_server)
    assert find_candidates(mlflow_server, run_id)[0].source.startswith("models:/m-")
    version = register(make_writer(mlflow_server), run_id, "wine-fetch")
    assert client(mlflow_server).get_model_version_download_uri("wine-fetch", version.version)
    body = read_book_state(mlflow_server, "wine-fetch").book.entries[-1].body
    assert body.lineage.artifact
    assert body.lineage.missing == ""


@pytest.mark.slow
def test_processes_racing_on_a_server_leave_one_production(mlflow_server):
    name = "wine-race"
    registry = client(mlflow_server)
    registry.create_registered_model(name)
    for n in (1, 2, 3):
        registry.create_model_version(name, f"s3://nowhere/{n}")
    run_together(promote_often_of, [(mlflow_server, name, n, 3) for n in (1, 2, 3)])
    finish_open_decisions(make_writer(mlflow_server), name)
    snapshot, state = read_snapshot(mlflow_server, name), read_book_state(mlflow_server, name)
    entry_types = [entry.body.type for entry in state.book.entries]
    assert len(snapshot.slot_states["production"].stage) == 1
    assert (
        snapshot.slot_states["production"].alias
        == snapshot.slot_states["production"].stage[0]
        == state.desired_holders()["production"].holder
    )
    assert entry_types.count("OBSERVED") == 0
    assert entry_types.count("DECIDED") == entry_types.count("APPLIED") + entry_types.count("OVERTAKEN")
