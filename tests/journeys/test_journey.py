"""One journey on every kind of backend: launch, compare, register, promote, ask who was there, roll back.

On a SQLite file, an old file store, a server, a server with users, DagsHub's stand-in with MLflow 3 behind it and, slowly, with MLflow 2.x behind it.
"""

import os
import time
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.capability_report import capability_rows
from lib.backends.credentials import create_credential
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.ledger.queries.time_query import TimeQuery
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.promote import MoveRequest, move_version, roll_back
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.register import find_candidates, register
from lib.registry.verify import verify
from lib.runs.analysis.comparison import compare_runs
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.run_table import find_best_run
from lib.runs.table.types import Search
from tests.support.auth_server import password
from tests.support.dagshub_server import token
from tests.support.ledger_stores import REASON, make_writer
from tests.support.older_server import serve_older

PLACES = (
    "fresh_store",
    "file_store",
    pytest.param("mlflow_server", marks=pytest.mark.xdist_group("mlflow_server")),
    pytest.param("signed_server", marks=pytest.mark.xdist_group("signed_server")),
    pytest.param("dagshub", marks=pytest.mark.xdist_group("mlflow_server")),
    pytest.param("older", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def older_server(tmp_path_factory):
    served = serve_older(tmp_path_factory.mktemp("older-server"))
    yield Backend(served.url, "server")
    served.stop()


@pytest.fixture
def file_store(tmp_path, monkeypatch):
    """A folder in MLflow's old format, with its Default experiment."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    here = Backend((tmp_path / "mlruns").as_uri(), "file")
    MlflowClient(here.uri, here.uri).search_experiments()
    return here


@pytest.fixture
def here(request):
    """The backend, asked as somebody where that is needed; the credential lives as long as the test."""
    place, held = request.param, None
    if place in ("fresh_store", "file_store", "mlflow_server"):
        backend = request.getfixturevalue(place)
    elif place == "signed_server":
        backend = request.getfixturevalue(place).backend
        held = create_credential(backend, "ana", password("ana"))
    else:
        hub = request.getfixturevalue("dagshub")
        if place == "older":
            hub.repositories["ana/wine"] = request.getfixturevalue("older_server").uri
        backend = hub.backend("ana/wine")
        held = create_credential(backend, "ana", token("ana"))
    yield backend.with_principal(held.principal) if held else backend
    del held


@pytest.mark.parametrize("here", PLACES, indirect=True)
def test_from_a_launched_demo_to_production_and_back(here, tmp_path, record_property):
    model = f"wine-{time.time_ns()}"  # a server keeps what other tests made
    record_property("can", {line.label: line.value for line in capability_rows(read_capabilities(here))})
    made = [launched(here, tmp_path, trees) for trees in (1, 15)]
    ids = [run.run_id for run in made]

    table = read_runs(here, Search((made[0].experiment_id,)))
    assert set(ids) <= set(table.ids)
    assert "better" in [verdict for row in compare_runs(table, ids[0]) for verdict in row.verdicts]
    untold = read_capabilities(here).logged_models.is_available is False
    assert find_best_run(table, "metrics.accuracy", untold=untold) is not None

    for run_id in ids:
        register(make_writer(here), run_id, model)
    assert find_candidates(here, ids[0])
    first = move_version(make_writer(here), MoveRequest(model, "1", "Production", REASON, expected_holder=NO_HOLDER))
    second = move_version(make_writer(here), MoveRequest(model, "2", "Production", REASON, expected_holder="1"))
    assert (first.outcome, second.outcome, second.displaced_versions) == ("applied", "applied", ("1",))
    between = read_book_state(here, model).last_observed_at
    assert roll_back(make_writer(here), model, REASON, None, "2").version == "1"

    seen = read_snapshot(here, model)
    assert seen.slot_states["production"].holders == ("1",)
    assert {version.number: version.stage for version in seen.versions.values()} == {"1": "Production", "2": "Archived"}
    for when, holder in ((TimeQuery(between), "2"), (TimeQuery(datetime.now(UTC)), "1")):
        answer = query_as_of(here, model, AsOfQuery("production", when, datetime.now(UTC))).answer
        assert [one.version for one in answer.holders] == [holder]
    assert verify(here, model).findings == ()


def is_local(here):
    return here.kind in ("sqlite", "file")


def launched(here, folder, trees):
    """The run of a demo that was started as a person starts it, by a keeper of its own."""
    room = read_job_settings({**os.environ, "PODIUM_HOME": str(folder / "podium")}, folder)
    demo = catalogue.find_demo("first-run" if is_local(here) else "remote")
    job = demo_jobs.start_demo_job(room, demo, {"n_estimators": (trees,) if is_local(here) else trees}, here, datetime.now(UTC))
    assert job_queue.wait(room, job.id, 180).state == "finished", (job.folder / "log.txt").read_text()
    (run,) = job_queue.find_job_runs(here, job.id)
    return run
