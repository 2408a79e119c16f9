"""Capabilities are probed without leaving a trace, and missing ones have a reason."""

import time

import pytest

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities, read_capabilities, refresh_capabilities
from lib.backends.capability_report import capability_rows, connection_text
from lib.backends.length_limits import length_limits
from lib.backends.mlflow_client import client, installed_mlflow_version
from lib.errors import Unreachable
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.storage.book import read_book
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.verify import verify
from tests.support.browser import free_port
from tests.support.ledger_stores import book_id_of, ledger_findings, make_writer
from tests.support.limited_server import narrowed

MISSING = ("stages", "aliases", "logged models", "registry")


def missing_explanations(capabilities):
    return {row.label: row.explanation for row in capability_rows(capabilities) if row.state == "warning"}


def store_content(backend):
    """The content of a store as seen by its client."""
    mlflow_client = client(backend)
    experiments = mlflow_client.search_experiments(view_type=3)
    return (
        [(experiment.name, experiment.lifecycle_stage, experiment.tags) for experiment in experiments],
        sorted(
            run.info.run_id
            for run in mlflow_client.search_runs([experiment.experiment_id for experiment in experiments], run_view_type=3)
        ),
        [(model.name, model.tags) for model in mlflow_client.search_registered_models()],
    )


def test_a_local_store_can_do_everything_and_asking_changes_not_a_byte(fresh_store):
    before = fresh_store.path.read_bytes()
    capabilities = refresh_capabilities(fresh_store)
    assert missing_explanations(capabilities) == {}
    assert (capabilities.mlflow_version, capabilities.user_name, capabilities.is_complete) == (
        installed_mlflow_version(),
        "",
        True,
    )
    assert fresh_store.path.read_bytes() == before


def test_a_database_that_may_only_be_read_says_so(fresh_store, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    capabilities = refresh_capabilities(fresh_store)
    assert capabilities.ledger_access.is_available is False
    assert "mlflow.db or its folder is read-only for this account" in capabilities.ledger_access.summary


def test_a_server_is_asked_once_and_nothing_is_left_on_it(mlflow_server):
    before = store_content(mlflow_server)
    capabilities = refresh_capabilities(mlflow_server)
    assert missing_explanations(capabilities) == {}
    assert connection_text(capabilities) == f"MLflow {installed_mlflow_version()}"
    assert store_content(mlflow_server) == before
    assert read_capabilities(mlflow_server) is capabilities


@pytest.mark.parametrize("answer", ["mlflow", "dagshub"])
@pytest.mark.parametrize("lack", MISSING)
def test_what_a_server_lacks_is_named_with_what_happens_instead(mlflow_server, lack, answer):
    with narrowed(mlflow_server, lack, answer=answer) as (backend, narrow):
        explanations = missing_explanations(read_capabilities(backend))
        lower_explanations = {label.lower(): explanation for label, explanation in explanations.items()}
        assert (lack if lack != "registry" else "model registry") in lower_explanations
        assert all(explanation.count(". ") >= 1 for explanation in lower_explanations.values()), "a reason and a way round"
        request_count = len(narrow.asked)
        read_capabilities(backend)
        assert len(narrow.asked) == request_count
        narrow.without.clear()
        assert missing_explanations(read_capabilities(backend)) == explanations, "kept for a minute"
        assert missing_explanations(refresh_capabilities(backend)) == {}


def test_a_reader_of_a_hosted_server_may_not_write(mlflow_server):
    with narrowed(mlflow_server, "writing") as (backend, _):
        capabilities = read_capabilities(backend)
        assert capabilities.write_access.explanation == f"{backend.name} lets this sign-in read but not write."
        assert (capabilities.stages.is_available, capabilities.aliases.is_available, capabilities.logged_models.is_available) == (
            True,
            True,
            True,
        )


def test_an_unknown_server_version_gets_the_smallest_limits_of_any_version(mlflow_server):
    with narrowed(mlflow_server, "version") as (backend, _):
        capabilities = read_capabilities(backend)
        assert (
            capabilities.mlflow_version,
            capabilities.limits.param,
            capabilities.limits.is_known,
            capabilities.write_once.is_available,
        ) == (
            "",
            500,
            False,
            None,
        )
        model = "wine-narrow"
        client(backend).create_registered_model(model)
        client(backend).create_model_version(model, "s3://nowhere/1")
        reason = make_reason("better", "Measured better on the same rows. " * 30)
        assert move_version(make_writer(backend), MoveRequest(model, "1", "Production"), Decision(reason)).outcome == "applied"
        state = read_book(backend, book_id_of(backend, model))
        values = client(backend).get_run(book_id_of(backend, model)).data.params.values()
        assert max(map(len, values)) <= 500
        assert ledger_findings(backend, model) == ()
        assert verify(backend, model).findings == ()
        assert next(iter(state.intents)).body.reason == reason


def test_a_server_that_does_not_answer_is_reported_within_seconds_and_not_remembered():
    backend = Backend(f"http://127.0.0.1:{free_port()}", "server")
    started_at = time.monotonic()
    for _ in range(2):
        with pytest.raises(Unreachable, match="did not answer"):
            read_capabilities(backend)
    assert time.monotonic() - started_at < 5


@pytest.mark.parametrize(
    ("version", "param", "version_tag"),
    [("3.17.2", 6000, 100_000), ("2.22.5", 6000, 5000), ("2.7.1", 500, 5000), ("1.27.0", 250, 5000)],
)
def test_limits_are_those_of_the_version(version, param, version_tag):
    limits = length_limits(version)
    assert (limits.param, limits.version_tag, limits.is_known) == (param, version_tag, True)


def test_a_forgotten_answer_is_probed_again(fresh_store):
    first = read_capabilities(fresh_store)
    forget_capabilities(fresh_store)
    assert read_capabilities(fresh_store) is not first
    assert read_capabilities(fresh_store) == first
