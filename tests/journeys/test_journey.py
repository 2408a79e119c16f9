"""One journey on every kind of backend: launch, compare, register, promote, ask who was there, roll back.

On a SQLite file, an old file store, a server, a server with users, DagsHub's stand-in with MLflow 3 behind it and, slowly, with MLflow 2.x behind it.
"""

import os
import time
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.backends.capability_report import lines
from lib.backends.credentials import given
from lib.jobs import job_queue as jobs
from lib.jobs.job_settings import workshop
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NOBODY
from lib.ledger.queries.time_query import When
from lib.registry.audit_queries import Question, ask
from lib.registry.promote import Wish, move, roll_back
from lib.registry.reader import look_at, recorded
from lib.registry.register import candidates, register
from lib.registry.verify import verify
from lib.runs.analysis.comparison import rows
from lib.runs.reading.run_reader import runs
from lib.runs.table.run_table import best
from lib.runs.table.types import Search
from tests.support.auth_server import password
from tests.support.dagshub_server import token
from tests.support.ledger_stores import WHY, writer
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
        held = given(backend, "ana", password("ana"))
    else:
        hub = request.getfixturevalue("dagshub")
        if place == "older":
            hub.repositories["ana/wine"] = request.getfixturevalue("older_server").uri
        backend = hub.backend("ana/wine")
        held = given(backend, "ana", token("ana"))
    yield backend.asked_by(held.principal) if held else backend
    del held


@pytest.mark.parametrize("here", PLACES, indirect=True)
def test_from_a_launched_demo_to_production_and_back(here, tmp_path, record_property):
    model = f"wine-{time.time_ns()}"  # a server keeps what other tests made
    record_property("can", {line.what: line.found for line in lines(capabilities(here))})
    made = [launched(here, tmp_path, trees) for trees in (1, 15)]
    ids = [run.run_id for run in made]

    table = runs(here, Search((made[0].experiment_id,)))
    assert set(ids) <= set(table.ids)
    assert "better" in [verdict for row in rows(table, ids[0]) for verdict in row.verdicts]
    untold = capabilities(here).logged_models.has is False
    assert best(table, "metrics.accuracy", untold=untold) is not None

    for run_id in ids:
        register(writer(here), run_id, model)
    assert candidates(here, ids[0])
    first = move(writer(here), Wish(model, "1", "Production", WHY, expected=NOBODY))
    second = move(writer(here), Wish(model, "2", "Production", WHY, expected="1"))
    assert (first.outcome, second.outcome, second.displaced) == ("applied", "applied", ("1",))
    between = recorded(here, model).last
    assert roll_back(writer(here), model, WHY, None, "2").version == "1"

    seen = look_at(here, model)
    assert seen.now["production"].holders == ("1",)
    assert {version.number: version.stage for version in seen.versions.values()} == {"1": "Production", "2": "Archived"}
    for when, holder in ((When(between), "2"), (When(datetime.now(UTC)), "1")):
        answer = ask(here, model, Question("production", when, datetime.now(UTC))).answer
        assert [one.version for one in answer.holders] == [holder]
    assert verify(here, model).findings == ()


def is_local(here):
    return here.kind in ("sqlite", "file")


def launched(here, folder, trees):
    """The run of a demo that was started as a person starts it, by a keeper of its own."""
    room = workshop({**os.environ, "PODIUM_HOME": str(folder / "podium")}, folder)
    demo = catalogue.find("first-run" if is_local(here) else "remote")
    job = demo_jobs.start(room, demo, {"n_estimators": (trees,) if is_local(here) else trees}, here, datetime.now(UTC))
    assert jobs.wait(room, job.id, 180).state == "finished", (job.folder / "log.txt").read_text()
    (run,) = jobs.runs_of(here, job.id)
    return run
