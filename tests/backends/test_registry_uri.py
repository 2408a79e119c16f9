"""A separate registry (MLFLOW_REGISTRY_URI): reported by pages and commands, and no decision goes to the wrong one."""

import pytest
from click.testing import CliRunner

from lib.backends.capabilities import forget_capabilities
from lib.backends.mlflow_client import client
from lib.backends.registry_uri import find_registry_conflict
from lib.cli import podium
from lib.errors import ActionRefused
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots, read_book_state
from lib.registry.register import register
from tests.conftest import copy_store
from tests.support.ledger_stores import DECISION, make_registered_model, make_trained_run, make_writer
from tests.support.registry_factories import move_request


@pytest.fixture
def split(fresh_store, empty_database, tmp_path, monkeypatch):
    """Runs in one store and the registry in another, set by the environment; returns both."""
    registry = copy_store(empty_database, tmp_path / "registry")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry.uri)
    forget_capabilities(fresh_store)
    return fresh_store, registry


def test_commands_say_it_and_decide_nothing(split):
    runs, registry = split
    make_registered_model(registry, "fraud")
    run_id = make_trained_run(runs)
    result = CliRunner().invoke(podium, ["models", "--json"])
    assert (result.exit_code, result.stdout.strip()) == (0, "[]")
    assert "MLFLOW_REGISTRY_URI names another registry, mlflow.db" in result.stderr
    result = CliRunner().invoke(podium, ["register", run_id, "--model", "fraud"])
    assert result.exit_code == 1
    assert "decisions are blocked here" in result.stderr
    assert read_all_snapshots(runs) == ()


def test_neither_a_registration_nor_a_promotion_leaves_anything(split):
    runs, _ = split
    make_registered_model(runs)
    for act in (
        lambda: register(make_writer(runs), make_trained_run(runs), "wine"),
        lambda: move_version(make_writer(runs), move_request("1"), DECISION),
    ):
        with pytest.raises(ActionRefused, match="Unset MLFLOW_REGISTRY_URI"):
            act()
    assert read_book_state(runs, "wine") is None
    assert len(client(runs).search_model_versions("name = 'wine'")) == 3


def test_pages_say_it(split, app, monkeypatch):
    runs, _ = split
    page = app("models", runs)
    assert any("MLFLOW" in box.value and "another registry" in box.value for box in page.warning)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", runs.uri)
    page.run()
    assert not page.warning


def test_the_same_store_in_other_words_and_a_backend_that_was_chosen_are_no_conflict(split):
    runs, registry = split
    environment = {"MLFLOW_TRACKING_URI": runs.uri, "MLFLOW_REGISTRY_URI": f"{runs.uri}?timeout=30"}
    assert find_registry_conflict(environment, runs) == ""
    assert find_registry_conflict(environment | {"MLFLOW_REGISTRY_URI": registry.uri}, registry) == ""
    assert "cannot open" in find_registry_conflict(environment | {"MLFLOW_REGISTRY_URI": "databricks-uc"}, runs)
