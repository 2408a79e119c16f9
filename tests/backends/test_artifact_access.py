"""Which artifact locations are read from here."""

from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend, sqlite_backend

SERVER, FILE = Backend("http://mlflow:5000", "server"), sqlite_backend(Path("/x/mlflow.db"))


def test_only_this_server_and_folders_are_within_reach():
    readable = (
        "/a/b",
        "file:///a",
        "C:\\a",
        "mlflow-artifacts:/1",
        "mlflow-artifacts://mlflow:5000/1",
        "http://mlflow:5000/api/2.0/x",
    )
    unreadable = (
        "s3://b/x",
        "http://mlflow:5001/x",
        "https://mlflow:5000/x",
        "mlflow-artifacts://else/1",
        "gs://b",
        "ftp://mlflow:5000/x",
    )
    assert [unreadable_scheme(location, SERVER) for location in readable] == [""] * len(readable)
    assert [unreadable_scheme(location, SERVER) for location in unreadable] == [
        "s3",
        "http",
        "https",
        "mlflow-artifacts",
        "gs",
        "ftp",
    ]


def test_a_database_alone_reaches_folders_only():
    unreadable = (
        "http://mlflow:5000/x",
        "mlflow-artifacts:/1",
        "mlflow-artifacts://mlflow/1",
        "s3://b",
        "dbfs:/x",
        "file://else/a",
    )
    assert all(unreadable_scheme(location, FILE) for location in unreadable)
    assert not any(unreadable_scheme(location, FILE) for location in ("/a", "file:///a", "mlruns/0", ""))


def test_an_invalid_address_is_unreadable():
    assert unreadable_scheme("http://[bad", SERVER) == unreadable_scheme("http://[bad", FILE) == "unreadable"
