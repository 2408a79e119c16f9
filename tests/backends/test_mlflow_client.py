"""Accessing a backend: the client with both addresses, and MLflow's errors in plain English."""

import gc

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, installed_mlflow_version, probe, relaxed_gc
from lib.backends.mlflow_errors import to_podium_error, translate_errors
from lib.errors import BackendError, BadInput, Busy, NotFound, NotWritable, Unreachable


def test_the_client_has_both_addresses_and_is_made_once(fresh_store):
    mlflow_client = client(fresh_store)
    assert mlflow_client.tracking_uri == fresh_store.uri
    assert mlflow_client._registry_uri == fresh_store.uri
    assert client(Backend(fresh_store.uri, "sqlite")) is mlflow_client


def test_a_local_file_needs_no_probe_and_a_dead_address_is_unreachable(fresh_store):
    probe(fresh_store)
    with pytest.raises(Unreachable, match="cannot be reached"):
        probe(Backend("http://127.0.0.1:9", "server"))


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("RESOURCE_DOES_NOT_EXIST", "x", NotFound),
        ("TEMPORARILY_UNAVAILABLE", "x", Busy),
        ("PERMISSION_DENIED", "x", NotWritable),
        ("INVALID_PARAMETER_VALUE", "x", BadInput),
        ("INTERNAL_ERROR", "(sqlite3.OperationalError) attempt to write a readonly database", NotWritable),
        ("INTERNAL_ERROR", "(sqlite3.OperationalError) database is locked", Busy),
        ("INTERNAL_ERROR", "API request to http://h failed with exception Max retries exceeded with url", Unreachable),
        ("INTERNAL_ERROR", "Metric 'Connection' has too many values", BackendError),
        ("INTERNAL_ERROR", "something else", BackendError),
        ("TEMPORARILY_UNAVAILABLE", "(sqlite3.OperationalError) no such table: model_versions", BackendError),
    ],
)
def test_each_error_of_mlflow_has_one_meaning(code, message, error):
    assert type(to_podium_error(code, message)) is error


def test_a_translated_error_is_one_short_line_without_a_password():
    text = str(to_podium_error("INTERNAL_ERROR", "GET https://anna:secret@example.org failed " + "x" * 900 + "\nTraceback", ""))
    assert "secret" not in text
    assert "Traceback" not in text
    assert len(text) < 450


def test_a_missing_thing_is_named(fresh_store):
    with pytest.raises(NotFound, match="The experiment was not found"), translate_errors("The experiment"):
        client(fresh_store).get_experiment("999")


def test_reading_quickly_leaves_the_garbage_collector_as_it_was():
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="stop"), relaxed_gc():
        raise ValueError("stop")
    assert gc.get_threshold() == before


def test_the_version_of_mlflow_is_known_without_importing_it():
    assert installed_mlflow_version().count(".") >= 1
