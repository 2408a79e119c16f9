"""The whole way at DagsHub with an MLflow 2.x behind it: demo 4, register, promote, as of, roll back."""

import os
from datetime import UTC, datetime

import pytest

from lib.backends import hub
from lib.backends.capabilities import capabilities
from lib.backends.credentials import given
from lib.backends.uri import Backend
from lib.launch import catalogue, jobs
from lib.launch.workshop import workshop
from lib.ledger.asof import as_of
from lib.ledger.when import When
from lib.ledger.words import NOBODY
from lib.registry.promote import Wish, move, roll_back
from lib.registry.reading import look_at, recorded
from lib.registry.register import candidates, register
from lib.registry.verify import verify
from tests.dagshub_standin import token
from tests.ledger_stores import WHY, writer
from tests.older_server import VERSION, serve_older

MODEL = "wine-on-an-older-server"


@pytest.fixture(scope="module")
def older_server(tmp_path_factory):
    served = serve_older(tmp_path_factory.mktemp("older-server"))
    yield Backend(served.url, "server")
    served.stop()


@pytest.mark.slow
def test_the_whole_way_at_dagshub_with_an_older_mlflow_behind_it(dagshub, older_server, tmp_path):
    dagshub.repositories["ana/wine"] = older_server.uri
    held = given(dagshub.backend("ana/wine"), "ana", token("ana"))
    here = dagshub.backend("ana/wine").asked_by(held.principal)
    assert hub.test(here).may_push
    can = capabilities(here)
    assert (can.version, can.user) == (VERSION, "ana")
    assert (can.stages.has, can.aliases.has, can.logged_models.has, can.recording.has) == (True, True, False, True)

    room = workshop({**os.environ, "PODIUM_HOME": str(tmp_path)}, tmp_path)
    for trees in (5, 15):
        job = jobs.start(room, catalogue.find("remote"), {"n_estimators": trees}, here, datetime.now(UTC))
        assert jobs.wait(room, job.id, 180).state == "finished", (job.folder / "log.txt").read_text()
        (run,) = jobs.runs_of(here, job.id)
        assert candidates(here, run.run_id)[0].source.endswith("/artifacts/model")
        register(writer(here), run.run_id, MODEL)

    move(writer(here), Wish(MODEL, "1", "Production", WHY, expected=NOBODY))
    done = move(writer(here), Wish(MODEL, "2", "Production", WHY, expected="1"))
    assert (done.outcome, done.displaced) == ("applied", ("1",))
    between = recorded(here, MODEL).last
    assert roll_back(writer(here), MODEL, WHY, None, "2").version == "1"
    assert look_at(here, MODEL).now["production"].holders == ("1",)
    told = as_of(recorded(here, MODEL).reading.entries, "production", When(between))
    assert [holder.version for holder in told.holders] == ["2"]
    assert verify(here, MODEL).findings == ()
