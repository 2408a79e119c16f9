"""What a backend can do is asked without leaving anything behind, and what is missing carries its reason."""

import time

import pytest

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities, length_limits, read_capabilities, refresh_capabilities
from lib.backends.capability_report import capability_rows, connection_text
from lib.backends.mlflow_client import client, installed_mlflow_version
from lib.errors import Unreachable
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.storage.book import read_book
from lib.registry.promote import MoveRequest, move_version
from lib.registry.verify import verify
from tests.support.browser import free_port
from tests.support.ledger_stores import book_id_of, ledger_findings, make_writer
from tests.support.limited_server import narrowed

pytestmark = pytest.mark.xdist_group("mlflow_server")
MISSING = ("stages", "aliases", "logged models", "registry")


def missing(found):
    return {line.label: line.explanation for line in capability_rows(found) if line.state == "warning"}


def everything(backend):
    """What stands on a store, as far as its client tells."""
    mlflow = client(backend)
    homes = mlflow.search_experiments(view_type=3)
    return (
        [(one.name, one.lifecycle_stage, one.tags) for one in homes],
        sorted(run.info.run_id for run in mlflow.search_runs([one.experiment_id for one in homes], run_view_type=3)),
        [(model.name, model.tags) for model in mlflow.search_registered_models()],
    )


def test_a_local_store_can_do_everything_and_asking_changes_not_a_byte(fresh_store):
    before = fresh_store.path.read_bytes()
    found = refresh_capabilities(fresh_store)
    assert missing(found) == {}
    assert (found.mlflow_version, found.user_name, found.is_complete) == (installed_mlflow_version(), "", True)
    assert fresh_store.path.read_bytes() == before


def test_a_database_that_may_only_be_read_says_so(fresh_store, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = refresh_capabilities(fresh_store)
    assert found.ledger_access.is_available is False
    assert "mlflow.db or its folder may only be read" in found.ledger_access.summary


def test_a_server_is_asked_once_and_nothing_is_left_on_it(mlflow_server):
    before = everything(mlflow_server)
    found = refresh_capabilities(mlflow_server)
    assert missing(found) == {}
    assert connection_text(found) == f"MLflow {installed_mlflow_version()}"
    assert everything(mlflow_server) == before
    assert read_capabilities(mlflow_server) is found


@pytest.mark.parametrize("answer", ["mlflow", "dagshub"])
@pytest.mark.parametrize("lack", MISSING)
def test_what_a_server_lacks_is_named_with_what_happens_instead(mlflow_server, lack, answer):
    with narrowed(mlflow_server, lack, answer=answer) as (here, narrow):
        told = missing(read_capabilities(here))
        named = {what.lower(): why for what, why in told.items()}
        assert (lack if lack != "registry" else "model registry") in named
        assert all(why.count(". ") >= 1 for why in named.values()), "a reason and a way round"
        asked = len(narrow.asked)
        read_capabilities(here)
        assert len(narrow.asked) == asked
        narrow.without.clear()
        assert missing(read_capabilities(here)) == told, "kept for a minute"
        assert missing(refresh_capabilities(here)) == {}


def test_a_reader_of_a_hosted_server_may_not_write(mlflow_server):
    with narrowed(mlflow_server, "writing") as (here, _):
        found = read_capabilities(here)
        assert found.write_access.explanation == f"{here.name} lets this sign-in read, not write."
        assert (found.stages.is_available, found.aliases.is_available, found.logged_models.is_available) == (True, True, True)


def test_where_the_version_is_not_told_the_least_that_any_had_is_kept_to(mlflow_server):
    with narrowed(mlflow_server, "version") as (here, _):
        found = read_capabilities(here)
        assert (found.mlflow_version, found.limits.param, found.limits.is_known, found.write_once.is_available) == (
            "",
            500,
            False,
            None,
        )
        model = "wine-narrow"
        client(here).create_registered_model(model)
        client(here).create_model_version(model, "s3://nowhere/1")
        why = make_reason("better", "Measured better on the same rows. " * 30)
        assert move_version(make_writer(here), MoveRequest(model, "1", "Production", why)).outcome == "applied"
        state = read_book(here, book_id_of(here, model))
        values = client(here).get_run(book_id_of(here, model)).data.params.values()
        assert max(map(len, values)) <= 500
        assert ledger_findings(here, model) == ()
        assert verify(here, model).findings == ()
        assert next(iter(state.intents)).body.reason == why


def test_a_server_that_does_not_answer_is_told_within_seconds_and_not_remembered():
    here = Backend(f"http://127.0.0.1:{free_port()}", "server")
    start = time.monotonic()
    for _ in range(2):
        with pytest.raises(Unreachable, match="did not answer"):
            read_capabilities(here)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("version", "param", "run_tag", "version_tag"),
    [("3.17.2", 6000, 8000, 100_000), ("2.22.5", 6000, 8000, 5000), ("2.7.1", 500, 5000, 5000), ("1.27.0", 250, 5000, 5000)],
)
def test_limits_are_those_of_the_version(version, param, run_tag, version_tag):
    found = length_limits(version)
    assert (found.param, found.run_tag, found.version_tag, found.is_known) == (param, run_tag, version_tag, True)


def test_what_was_forgotten_is_asked_again(fresh_store):
    first = read_capabilities(fresh_store)
    forget_capabilities(fresh_store)
    assert read_capabilities(fresh_store) is not first
    assert read_capabilities(fresh_store) == first
