"""Which backend is meant: by an address, by an environment, without a secret in the value."""

from pathlib import Path

import pytest

from lib.backends.backend import (
    Backend,
    backend_from_environment,
    credentials_in,
    dagshub_backend,
    parse_backend,
    password_in,
    sqlite_backend,
)
from lib.errors import BadInput

PROJECT = Path("/projects/demo")


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("sqlite:///mlflow.db", "sqlite:////projects/demo/mlflow.db"),
        ("sqlite:////data/a%20b.db", "sqlite:////data/a b.db"),
        (" http://localhost:5000/ ", "http://localhost:5000"),
        ("https://anna:secret@example.org/team.mlflow", "https://example.org/team.mlflow"),
        ("https://example.org/a?token=secret#x", "https://example.org/a"),
    ],
)
def test_an_address_names_a_backend_without_secrets(address, uri):
    assert parse_backend(address, PROJECT).uri == uri


@pytest.mark.parametrize(
    "address",
    [
        "",
        "  ",
        "sqlite:///",
        "./mlruns",
        "http://",
        "databricks",
        "htp://u:secret@h",
        "http//example.org",
        "http://anna:my/secret@h",
        "http://anna:secret@h:80x",
        "http://[h",
        "postgresql://u@h/db?password=secret",
        "file://elsewhere/mlruns",
    ],
)
def test_an_address_that_cannot_be_opened_is_refused_without_showing_a_password(address):
    with pytest.raises(BadInput) as refused:
        parse_backend(address, PROJECT)
    assert "secret" not in str(refused.value)
    assert refused.value.next


def test_a_database_is_named_without_its_password():
    backend = parse_backend("postgresql+psycopg2://u:sec%2Fret@h:5432/db?sslmode=require", PROJECT)
    assert backend == Backend("postgresql+psycopg2://u@h:5432/db?sslmode=require", "database")
    assert password_in("postgresql://u:${DB_PASSWORD}@h/db") == "${DB_PASSWORD}"
    assert backend.name == "h:5432"


def test_a_file_store_and_a_dagshub_repository_have_addresses():
    assert parse_backend("file:///data/mlruns", PROJECT).folder == Path("/data/mlruns")
    assert dagshub_backend("team/fraud").uri == "https://dagshub.com/team/fraud.mlflow"
    for nonsense in ("fraud", "team/fraud/x", "../..", "team/a b"):
        with pytest.raises(BadInput):
            dagshub_backend(nonsense)


def test_a_typo_gets_a_hint():
    with pytest.raises(BadInput, match="Did you mean http://"):
        parse_backend("htp://localhost:5000", PROJECT)


def test_who_asks_is_part_of_the_value():
    server = Backend("https://example.org", "server")
    assert server.with_principal("podium-1") != server
    assert server.with_principal("podium-1").is_same_store(server)
    assert "podium-1" not in repr(server.with_principal("podium-1"))


def test_credentials_are_decoded_and_only_taken_from_http_addresses():
    assert credentials_in("https://anna:p%40ss@example.org") == ("anna", "p@ss")
    assert credentials_in("https://token@example.org") == ("token", "")
    assert credentials_in("https://example.org") is None
    assert credentials_in("sqlite:////tmp/a:b@c.db") is None


def test_the_environment_wins_over_the_projects_own_file():
    assert backend_from_environment({}, PROJECT) == Backend("sqlite:////projects/demo/mlflow.db", "sqlite")
    assert backend_from_environment({"MLFLOW_TRACKING_URI": " "}, PROJECT) == backend_from_environment({}, PROJECT)
    assert backend_from_environment({"MLFLOW_TRACKING_URI": "http://localhost:5000"}, PROJECT).kind == "server"


def test_a_relative_file_in_the_environment_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert backend_from_environment({"MLFLOW_TRACKING_URI": "sqlite:///other.db"}, PROJECT).path == Path.cwd() / "other.db"


def test_a_backend_says_where_it_is():
    local, server = sqlite_backend(PROJECT / "mlflow.db"), Backend("https://example.org:5000/x", "server")
    assert (local.name, local.label, local.artifact_folder) == ("Local SQLite", "mlflow.db", PROJECT / "mlruns")
    assert (server.name, server.label, server.path, server.artifact_folder) == ("example.org:5000", server.uri, None, None)
