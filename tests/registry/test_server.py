"""The same journey against a real MLflow server: launch, register, promote, race, roll back, verify."""

import os

import pytest

from lib.backends.mlflow_client import client, probe
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.registry.code_snippets import load_model_snippet
from lib.registry.promote import MoveRequest, move_version, roll_back
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import recover
from lib.registry.register import find_candidates, register
from lib.registry.verify import verify
from lib.ui.app.routes import PROJECT_ROOT
from lib.ui.app.session import now
from tests.support.ledger_stores import REASON, make_trained_run, make_writer
from tests.support.ledger_workers import promote_often_of, run_together

pytestmark = pytest.mark.xdist_group("mlflow_server")


def test_the_whole_journey_on_a_server(mlflow_server, tmp_path):
    probe(mlflow_server)
    room = read_job_settings({**os.environ, "PODIUM_HOME": str(tmp_path)}, PROJECT_ROOT)
    job = demo_jobs.start_demo_job(room, catalogue.find_demo("first-run"), {"n_estimators": [1, 5]}, mlflow_server, now())
    assert job_queue.wait(room, job.id, 120).state == "finished"
    one, five = job_queue.find_job_runs(mlflow_server, job.id)
    assert [round(run.metrics["accuracy"], 3) for run in (one, five)] == [0.667, 0.944]

    first = register(make_writer(mlflow_server), one.run_id, "wine-server")
    second = register(make_writer(mlflow_server), five.run_id, "wine-server")
    assert (first.version, second.version) == ("1", "2")
    move_version(make_writer(mlflow_server), MoveRequest("wine-server", "1", "Production", REASON, expected_holder=NO_HOLDER))
    done = move_version(make_writer(mlflow_server), MoveRequest("wine-server", "2", "Production", REASON, expected_holder="1"))
    assert (done.outcome, done.displaced_versions) == ("applied", ("1",))
    assert roll_back(make_writer(mlflow_server), "wine-server", REASON, None, "2").version == "1"

    seen, verdict = read_snapshot(mlflow_server, "wine-server"), verify(mlflow_server, "wine-server")
    assert seen.slot_states["production"].holders == ("1",)
    assert verdict.findings == ()
    told = next(e.body for e in read_book_state(mlflow_server, "wine-server").book.entries if e.body.type == "REGISTERED").lineage
    assert told.artifact
    assert told.environment
    assert told.metrics["accuracy"] == pytest.approx(0.6667, abs=1e-4)
    assert "models:/wine-server@production" in load_model_snippet(mlflow_server.uri, "models:/wine-server@production")


def test_a_registered_model_of_a_server_can_be_fetched_where_its_version_points(mlflow_server):
    run_id = make_trained_run(mlflow_server)
    assert find_candidates(mlflow_server, run_id)[0].source.startswith("models:/m-")
    made = register(make_writer(mlflow_server), run_id, "wine-fetch")
    assert client(mlflow_server).get_model_version_download_uri("wine-fetch", made.version)
    told = read_book_state(mlflow_server, "wine-fetch").book.entries[-1].body
    assert told.lineage.artifact
    assert told.lineage.missing == ""


def test_processes_racing_on_a_server_leave_one_production(mlflow_server):
    name = "wine-race"
    registry = client(mlflow_server)
    registry.create_registered_model(name)
    for n in (1, 2, 3):
        registry.create_model_version(name, f"s3://nowhere/{n}")
    run_together(promote_often_of, [(mlflow_server, name, n, 3) for n in (1, 2, 3)])
    recover(make_writer(mlflow_server), name)
    seen, state = read_snapshot(mlflow_server, name), read_book_state(mlflow_server, name)
    types = [entry.body.type for entry in state.book.entries]
    assert len(seen.slot_states["production"].stage) == 1
    assert (
        seen.slot_states["production"].alias
        == seen.slot_states["production"].stage[0]
        == state.desired_holders()["production"].holder
    )
    assert types.count("OBSERVED") == 0
    assert types.count("DECIDED") == types.count("APPLIED") + types.count("OVERTAKEN")
