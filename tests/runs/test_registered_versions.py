"""Which registered versions came from which run: with and without a run id, and for users without access to the registry."""

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE

from lib.backends.mlflow_client import client
from lib.errors import Busy
from lib.runs.reading import registered_versions, run_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.reading.registered_versions import VersionOrigin, versions_by_run
from lib.runs.table.types import RegisteredVersion, Search
from tests.support.run_factories import log_run, make_experiment

FILTERED = "attributes.start_time > 0"


def origin(number: str, run_id: str = "", source: str = "", model: str = "wine") -> VersionOrigin:
    return VersionOrigin(RegisteredVersion(model, number, "None"), run_id, source)


def version_labels(versions_by_id):
    return {run_id: [f"{version.model} {version.version}" for version in versions] for run_id, versions in versions_by_id.items()}


def test_versions_come_by_model_and_number():
    versions_by_id = versions_by_run([origin("10", "a"), origin("9", "a"), origin("1", "a", model="beer"), origin("2", "b")], {})
    assert version_labels(versions_by_id) == {"a": ["beer 1", "wine 9", "wine 10"], "b": ["wine 2"]}


def test_a_version_without_a_run_is_found_by_its_logged_model():
    models = {"a": ("m-1", "m-1", "m-2"), "b": ("m-2",), "c": ()}
    versions_by_id = versions_by_run(
        [origin("1", source="models:/m-1"), origin("2", source="models:/m-2/"), origin("3", source="models:/m-9")], models
    )
    assert version_labels(versions_by_id) == {"a": ["wine 1", "wine 2"], "b": ["wine 2"]}


@pytest.mark.parametrize("source", ["", "models:/wine/1", "models:/m-1/../m-2", "s3://b/models:/m-1", "models:/"])
def test_a_source_that_names_no_logged_model_belongs_to_no_run(source):
    assert versions_by_run([origin("1", source=source)], {"a": ("m-1", "m-2"), "": ("",)}) == {}


def test_the_run_that_a_version_names_is_believed():
    assert version_labels(versions_by_run([origin("1", "a", "models:/m-1")], {"b": ("m-1",)})) == {"a": ["wine 1"]}


@pytest.fixture
def registered(fresh_store):
    """A store, its experiment and the id of a run with three versions, one of them deleted; 'wine' is in Production."""
    experiment = make_experiment(fresh_store, "wine")
    run_id = log_run(fresh_store, experiment, "first")
    mlflow = client(fresh_store)
    for name in ("wine", "beer"):
        mlflow.create_registered_model(name)
    for name in ("wine", "wine", "beer"):
        mlflow.create_model_version(name, "/somewhere", run_id)
    mlflow.delete_model_version("wine", "2")
    mlflow.transition_model_version_stage("wine", "1", "Production")
    return fresh_store, experiment, run_id


EXPECTED_VERSIONS = (RegisteredVersion("beer", "1", "None"), RegisteredVersion("wine", "1", "Production"))


@pytest.mark.parametrize("filter_text", ["", FILTERED])
def test_a_table_tells_what_was_registered_on_both_roads(registered, filter_text, monkeypatch):
    monkeypatch.setattr(registered_versions, "PAGE_SIZE", 1)
    store, experiment, run_id = registered
    other = log_run(store, experiment, "second", minute=1)
    assert run_reader.read_runs(store, Search((experiment,), parse_filter(filter_text))).identity.versions.to_dict() == {
        run_id: EXPECTED_VERSIONS,
        other: (),
    }


def test_a_single_run_knows_its_versions(registered):
    store, _, run_id = registered
    assert run_reader.read_run(store, run_id).versions == EXPECTED_VERSIONS


def test_a_server_tells_them_too(mlflow_server):
    mlflow = client(mlflow_server)
    experiment = make_experiment(mlflow_server, "registered by a test")
    run_id = log_run(mlflow_server, experiment, "first")
    mlflow.create_registered_model("of the versions test")
    mlflow.create_model_version("of the versions test", f"{mlflow.get_run(run_id).info.artifact_uri}/model", run_id)
    table = run_reader.read_runs(mlflow_server, Search((experiment,)))
    assert table.identity.versions.tolist() == [(RegisteredVersion("of the versions test", "1", "None"),)]


def refuse(monkeypatch, store, code):
    def search(**_):
        raise MlflowException("no", error_code=code)

    monkeypatch.setattr(client(store), "search_model_versions", search)


def test_who_may_not_see_the_registry_still_sees_the_runs(registered, monkeypatch):
    store, experiment, run_id = registered
    refuse(monkeypatch, store, PERMISSION_DENIED)
    table = run_reader.read_runs(store, Search((experiment,), parse_filter(FILTERED)))
    assert (table.ids, table.identity.versions.tolist()) == ((run_id,), [()])
    assert run_reader.read_run(store, run_id).versions == ()


def test_a_locked_registry_is_reported_and_not_taken_for_an_empty_one(registered, monkeypatch):
    store, experiment, _ = registered
    refuse(monkeypatch, store, TEMPORARILY_UNAVAILABLE)
    with pytest.raises(Busy):
        run_reader.read_runs(store, Search((experiment,), parse_filter(FILTERED)))
