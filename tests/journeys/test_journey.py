"""One journey on every kind of backend: launch, compare, register, promote, query the past, roll back.

On a SQLite file, an old file store, a server, a server with users, and a DagsHub stand-in with MLflow 3 and (slow) MLflow 2.x.
"""

import os
import time
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities, read_capabilities
from lib.backends.capability_report import capability_rows
from lib.backends.credentials import create_credential
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.ledger.queries.time_query import TimeQuery
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.register import find_candidates, register
from lib.registry.roll_back import roll_back
from lib.registry.verify import verify
from lib.runs.analysis.comparison import compare_runs
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.run_table import find_best_run
from lib.runs.table.types import Search
from tests.support.auth_server import password
from tests.support.dagshub_server import token
from tests.support.ledger_stores import REASON, make_writer
from tests.support.older_server import serve_older

BACKENDS = (
    pytest.param("fresh_store", marks=pytest.mark.slow),
    "file_store",
    "mlflow_server",
    pytest.param("signed_server", marks=pytest.mark.slow),
    pytest.param("dagshub", marks=pytest.mark.slow),
    pytest.param("older", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def older_server(tmp_path_factory):
    server = serve_older(tmp_path_factory.mktemp("older-server"))
    yield Backend(server.url, "server")
    server.stop()


@pytest.fixture
def file_store(tmp_path, monkeypatch):
    """A folder in MLflow's old format, with its Default experiment."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    backend = Backend((tmp_path / "mlruns").as_uri(), "file")
    MlflowClient(backend.uri, backend.uri).search_experiments()
    return backend


@pytest.fixture
def journey_backend(request):
    """The backend, signed in if needed; the credential lives as long as the test."""
    name, credential = request.param, None
    if name in ("fresh_store", "file_store", "mlflow_server"):
        backend = request.getfixturevalue(name)
    elif name == "signed_server":
        backend = request.getfixturevalue(name).backend
        credential = create_credential(backend, "ana", password("ana"))
    else:
        hub = request.getfixturevalue("dagshub")
        if name == "older":
            hub.repositories["ana/wine"] = request.getfixturevalue("older_server").uri
        backend = hub.backend("ana/wine")
        credential = create_credential(backend, "ana", token("ana"))
    yield backend.with_principal(credential.principal) if credential else backend
    del credential


@pytest.mark.parametrize("journey_backend", BACKENDS, indirect=True)
def test_from_a_launched_demo_to_production_and_back(journey_backend, tmp_path, record_property):
    model = f"wine-{time.time_ns()}"  # a server keeps the data of other tests
    record_property("can", {line.label: line.value for line in capability_rows(read_capabilities(journey_backend))})
    runs = [launch_demo(journey_backend, tmp_path, trees) for trees in (1, 15)]
    run_ids = [run.run_id for run in runs]

    forget_capabilities(journey_backend)  # another server may have had this port a minute ago
    table = read_runs(journey_backend, Search((runs[0].experiment_id,)))
    assert set(run_ids) <= set(table.ids)
    assert "better" in [verdict for row in compare_runs(table, run_ids[0]) for verdict in row.verdicts]
    models_unknown = read_capabilities(journey_backend).logged_models.is_available is False
    assert find_best_run(table, "metrics.accuracy", models_unknown=models_unknown) is not None

    for run_id in run_ids:
        register(make_writer(journey_backend), run_id, model)
    assert find_candidates(journey_backend, run_ids[0])
    first = move_version(make_writer(journey_backend), MoveRequest(model, "1", "Production"), Decision(REASON, NO_HOLDER))
    second = move_version(make_writer(journey_backend), MoveRequest(model, "2", "Production"), Decision(REASON, "1"))
    assert (first.outcome, second.outcome, second.displaced_versions) == ("applied", "applied", ("1",))
    between = read_book_state(journey_backend, model).last_observed_at
    assert roll_back(make_writer(journey_backend), model, None, Decision(REASON, "2")).version == "1"

    snapshot = read_snapshot(journey_backend, model)
    assert snapshot.slot_states["production"].holders == ("1",)
    assert {version.number: version.stage for version in snapshot.versions.values()} == {"1": "Production", "2": "Archived"}
    for when, holder in ((TimeQuery(between), "2"), (TimeQuery(datetime.now(UTC)), "1")):
        answer = query_as_of(journey_backend, model, AsOfQuery("production", when, datetime.now(UTC))).answer
        assert [holding.version for holding in answer.holders] == [holder]
    assert verify(journey_backend, model).findings == ()


def is_local(backend):
    return backend.kind in ("sqlite", "file")


def launch_demo(backend, folder, trees):
    """The run of a demo started like a user would, in a separate runner."""
    settings = read_job_settings({**os.environ, "PODIUM_HOME": str(folder / "podium")}, folder)
    demo = catalogue.find_demo("first-run" if is_local(backend) else "remote")
    job = demo_jobs.start_demo_job(
        settings, demo, {"n_estimators": (trees,) if is_local(backend) else trees}, backend, datetime.now(UTC)
    )
    assert job_queue.wait(settings, job.id, 180).state == "finished", (job.folder / "log.txt").read_text()
    (run,) = job_queue.find_job_runs(backend, job.id)
    return run
