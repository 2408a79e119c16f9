"""Parsing a backend from an address or an environment, without a secret in the value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from lib.backends.backend import (
    Backend,
    backend_from_environment,
    credentials_in,
    dagshub_backend,
    parse_backend,
    password_in,
    sqlite_backend,
)
from lib.backends.credentials import client_uri, create_credential
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
        ("sqlite:////data/100%25%3F.db", "sqlite:////data/100%25%3F.db"),
        ("sqlite:////data/a#b.db", "sqlite:////data/a#b.db"),
        ("mysql+pymysql://an%20na:se%40cret@host/db", "mysql+pymysql://an na@host/db"),
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
        "http://anna:my@secret@h",
        "http://anna:my@secret#@h",
        "http://anna:12/secret@h",
        "http://anna:12?secret@h",
        "mysql+pymysql://anna:Se@secret#@host/db",
        "mysql+pymysql://anna:Se@secret/x@host/db",
        "postgresql://anna:12?secret@host/db",
        "postgresql://host:port/db",
        "sqlite:///a.db?timeout=soon",
        "sqlite:///a.db?time=30",
        "sqlite:///:memory:",
        "sqlite:///file:a.db?mode=ro&uri=true",
        "file:///data/ml#runs",
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


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text.strip("./ ")))
def test_sqlalchemy_opens_the_file_that_podium_opens(name):
    backend = sqlite_backend(PROJECT / f"{name}.db")
    assert Path(make_url(backend.uri).database) == backend.path == PROJECT / f"{name}.db"
    assert parse_backend(backend.uri, Path("/elsewhere")) == backend


def test_options_of_a_file_reach_mlflow_and_make_no_other_store():
    backend = parse_backend("sqlite:///mlflow.db?timeout=30", PROJECT)
    assert backend.path == PROJECT / "mlflow.db"
    assert client_uri(backend) == backend.address == f"{sqlite_backend(PROJECT / 'mlflow.db').uri}?timeout=30"
    assert backend.is_same_store(sqlite_backend(PROJECT / "mlflow.db"))


@pytest.mark.parametrize("password", ["p@ss", "a/b#c?d", "100%", "${X}", "ü:"])
def test_the_password_of_a_database_arrives_as_it_is(password):
    backend = parse_backend("postgresql+psycopg2://an%40na@host:5432/db?sslmode=require", PROJECT)
    credential = create_credential(backend, "an@na", password)
    url = make_url(credential.client_uri())
    assert (url.username, url.password, url.host, url.database, url.query) == (
        "an@na",
        password,
        "host",
        "db",
        {"sslmode": "require"},
    )


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
