"""One order of precedence: page, command line and job open the same backend with the same credential, for a table of environments."""

import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend, parse_backend, sqlite_backend
from lib.backends.backend_config import ConfiguredBackend, parse_config, read_config
from lib.backends.backend_resolution import SessionCredentials, resolve_backend
from lib.backends.credentials import Credential, CredentialStore, create_credential, find_credential, use_store
from lib.cli.context import CommandContext
from lib.errors import BadInput, NotFound
from lib.jobs import job_folder, job_runner
from lib.jobs.job_settings import JobSettings, script_environment
from tests.support.dagshub_server import token
from tests.support.page_driver import write_config

OWN, TEAM = Backend("https://own.example.org/mlflow", "server"), Backend("https://team.example.org", "server")
BOOKS = Backend("postgresql://podium@db.example.org/mlflow", "database")
PROJECT = sqlite_backend(PROJECT_FOLDER / "mlflow.db")
CONFIG = """[backends.team]
uri = "https://team.example.org"
[backends.twin]
uri = "https://team.example.org"
[backends.books]
uri = "postgresql://podium:${BOOKS_PASSWORD}@db.example.org/mlflow"
[backends.files]
uri = "sqlite:////data/mlflow.db"
"""
VARIABLES = {"MLFLOW_TRACKING_USERNAME": "ben", "MLFLOW_TRACKING_PASSWORD": "variable-secret"}
TOKEN = {"MLFLOW_TRACKING_TOKEN": "token-secret"}
SIGN_IN_NAMES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
BEN, ANNA = ("ben", "variable-secret", "environment"), ("anna", "address-secret", "environment")
BARE, BOOKS_USER = ("", "token-secret", "environment"), ("podium", "books-secret", "environment")
TYPED, LISTED = ("podium", "typed-secret", "typed"), ("secrets-user", "listed-secret", "secrets")
SignIn = tuple[str, str, str] | None


@dataclass(frozen=True)
class Case:
    """What is set and chosen, and what must come out: user, secret and source. `page` differs from `command` only by what a page alone
    knows. `typed` are addresses with a typed credential, `secrets` the names with listed secrets."""

    name: str
    backend: Backend
    command: SignIn = None
    environment: dict[str, str] = field(default_factory=dict)
    choice: str = ""
    typed: tuple[Backend, ...] = ()
    secrets: tuple[str, ...] = ()
    page: SignIn | str = "as the command"
    is_for_pages: bool = True

    @property
    def on_page(self) -> SignIn:
        return self.command if self.page == "as the command" else self.page


def at(address: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_URI": address}


OWN_ADDRESS = at(OWN.uri)
WITH_USER = at("https://anna:address-secret@own.example.org/mlflow")
CASES = [
    Case("nothing is set", PROJECT),
    Case("variables without an address belong to nobody's server", PROJECT, None, VARIABLES | TOKEN),
    Case("the address of the environment", OWN, None, OWN_ADDRESS),
    Case("a user in it", OWN, ANNA, WITH_USER),
    Case("variables beside it", OWN, BEN, OWN_ADDRESS | VARIABLES),
    Case("variables before a user in it", OWN, BEN, WITH_USER | VARIABLES | TOKEN),
    Case("a token", OWN, BARE, OWN_ADDRESS | TOKEN),
    Case("a user in it before a token", OWN, ANNA, WITH_USER | TOKEN),
    Case("a user without a password does not hide variables", OWN, BEN, OWN_ADDRESS | VARIABLES | TOKEN),
    Case("a database with a password", BOOKS, BOOKS_USER, at("postgresql://podium:books-secret@db.example.org/mlflow")),
    Case(
        "a database with a variable",
        BOOKS,
        ("podium", "p:/@%${x}", "environment"),
        at("postgresql://podium:${PW}@db.example.org/mlflow") | {"PW": "p:/@%${x}"},
    ),
    Case("the own backend by its name", OWN, BEN, OWN_ADDRESS | VARIABLES, choice="default"),
    Case("a name", TEAM, None, {}, choice="team"),
    Case("a name before the address of the environment", TEAM, None, WITH_USER | VARIABLES | TOKEN, choice="team"),
    Case("a name for the address of the environment", TEAM, BEN, at(TEAM.uri) | VARIABLES, choice="team"),
    Case("a name for an address with a user", TEAM, ANNA, at("https://anna:address-secret@team.example.org"), choice="team"),
    Case("a file by name", parse_backend("sqlite:////data/mlflow.db", Path()), None, OWN_ADDRESS | VARIABLES, choice="files"),
    Case("a database by name", BOOKS, BOOKS_USER, {"BOOKS_PASSWORD": "books-secret"}, choice="books"),
    Case(
        "a database by name before the same one in the environment",
        BOOKS,
        BOOKS_USER,
        at("postgresql://podium:old-secret@db.example.org/mlflow") | {"BOOKS_PASSWORD": "books-secret"},
        choice="books",
    ),
    Case(
        "variables without an address: those of the backend a command starts with, and of none on a page, where visitors choose",
        TEAM,
        BEN,
        VARIABLES,
        choice="team",
        page=None,
    ),
    Case("secrets, which only pages have", TEAM, None, {}, choice="team", secrets=("team",), page=LISTED),
    Case("secrets of another name", TEAM, None, {}, choice="twin", secrets=("team",)),
    Case("secrets before the environment", OWN, BEN, OWN_ADDRESS | VARIABLES, secrets=("default",), page=LISTED),
    Case("typed before secrets", OWN, BEN, WITH_USER | VARIABLES, typed=(OWN,), secrets=("default",), page=TYPED),
    Case("typed for another address", OWN, BEN, OWN_ADDRESS | VARIABLES, typed=(TEAM,)),
    Case("typed at a database", BOOKS, BOOKS_USER, {"BOOKS_PASSWORD": "books-secret"}, "books", (BOOKS,), page=TYPED),
    Case("an address", TEAM, None, WITH_USER | VARIABLES, choice=TEAM.uri, is_for_pages=False),
    Case("an address with a user", OWN, ANNA, {}, choice=WITH_USER["MLFLOW_TRACKING_URI"], is_for_pages=False),
    Case(
        "a user in a chosen address beside another address's variables",
        TEAM,
        ANNA,
        OWN_ADDRESS | VARIABLES,
        choice="https://anna:address-secret@team.example.org",
        is_for_pages=False,
    ),
    Case(
        "variables before a user in a chosen address", OWN, BEN, VARIABLES, WITH_USER["MLFLOW_TRACKING_URI"], is_for_pages=False
    ),
    Case(
        "a user in a chosen address before one in the environment's",
        OWN,
        ANNA,
        at("https://old:old-secret@own.example.org/mlflow"),
        choice=WITH_USER["MLFLOW_TRACKING_URI"],
        is_for_pages=False,
    ),
    Case("a chosen file", sqlite_backend(Path("/data/x.db")), None, WITH_USER, choice="sqlite:////data/x.db", is_for_pages=False),
]


@pytest.fixture
def set_environment(clean_session, monkeypatch, tmp_path):
    """A function that starts over as a new process with these variables, and returns its credential store."""
    write_config(tmp_path, CONFIG)
    for name in ("BOOKS_PASSWORD", "PW"):
        monkeypatch.setenv(name, "")

    def set_variables(variables):
        for name in (*SIGN_IN_NAMES, "MLFLOW_TRACKING_URI", "BOOKS_PASSWORD", "PW", "DAGSHUB_USER_TOKEN"):
            monkeypatch.setenv(name, variables.get(name, ""))
        return use_store(CredentialStore())

    return set_variables


def _show_backend():
    import streamlit as st

    from lib.backends.credentials import find_credential
    from lib.ui.app.session import current_backend

    st.session_state["test.backend"] = current_backend()
    st.session_state["test.credential"] = find_credential(st.session_state["test.backend"])


def resolve_on_page(case):
    """The backend and the credential of a page in a new process."""
    page = AppTest.from_function(_show_backend, default_timeout=60)
    page.secrets["backends"] = {name: {"user": LISTED[0], "password": LISTED[1]} for name in case.secrets}
    page.session_state["session.signed"] = {backend.uri: create_credential(backend, *TYPED) for backend in case.typed}
    if case.choice not in ("", "default"):
        page.session_state["session.backend"] = case.choice
    page.run()
    assert not page.exception
    return page.session_state["test.backend"], page.session_state["test.credential"]


def resolve_in_command(case):
    """The backend and the credential of a command in a new process."""
    resolved_backend = CommandContext(case.choice or None, False, "", False, sys.stdout).resolve_backend()
    assert find_credential(resolved_backend.backend) is resolved_backend.credential
    return resolved_backend.backend, resolved_backend.credential


def resolve_in_job(backend, folder):
    """The backend and the credential with which a job's runner, a process of its own, ends the runs of its script."""
    results = []
    job_folder.write_json(folder / "status.json", {"state": "running"})
    spec = {"demo": "x", "title": "x", "arguments": [], "uri": backend.uri, "kind": backend.kind}
    job_folder.write_json(folder / "spec.json", spec | {"created": datetime.now(UTC).isoformat()})
    variables = script_environment(JobSettings(folder, 1, dict(os.environ)), backend, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    with pytest.MonkeyPatch.context() as patch, use_store(CredentialStore()):
        for name in os.environ:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setattr(
            "lib.jobs.job_runs.terminate_open_runs", lambda *given: results.append((given[0], find_credential(given[0])))
        )
        assert job_runner._terminate_runs(folder)
        assert os.environ.items() >= variables.items()
    return results[0]


def assert_is(resolution, backend, sign_in):
    """The principal proves address, user, secret and source at once."""
    resolved, credential = resolution
    assert resolved.is_same_store(backend)
    assert (credential.user, credential.source) == (sign_in[0], sign_in[2]) if sign_in else credential is None
    expected_principal = Credential(backend, *sign_in).principal if sign_in else ""
    assert resolved.principal == expected_principal


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_page_command_and_job_agree(case, set_environment, tmp_path):
    for resolve, sign_in in ((resolve_on_page, case.on_page), (resolve_in_command, case.command)):
        if resolve is resolve_on_page and not case.is_for_pages:
            continue
        with set_environment(case.environment):
            resolution = resolve(case)
            assert_is(resolution, case.backend, sign_in)
            assert [name for name, value in os.environ.items() if "-secret" in value or value == "p:/@%${x}"] == []
            job_sign_in = (*sign_in[:2], "environment") if sign_in else None
            assert_is(resolve_in_job(resolution[0], tmp_path), case.backend, job_sign_in)


ANA, RAE = ("ana", token("ana")), ("rae", token("rae"))


@pytest.mark.parametrize(
    ("environment", "typed", "secret", "page", "command"),
    [
        ({}, None, None, None, None),
        ({"DAGSHUB_USER_TOKEN": ANA[1]}, None, None, (*ANA, "environment"), (*ANA, "environment")),
        (
            {"MLFLOW_TRACKING_TOKEN": RAE[1], "DAGSHUB_USER_TOKEN": ANA[1]},
            None,
            None,
            (*RAE, "environment"),
            (*RAE, "environment"),
        ),
        (VARIABLES | {"DAGSHUB_USER_TOKEN": ANA[1]}, None, None, BEN, BEN),
        ({"DAGSHUB_USER_TOKEN": ANA[1]}, None, RAE[1], (*RAE, "secrets"), (*ANA, "environment")),
        ({"DAGSHUB_USER_TOKEN": ANA[1]}, RAE[1], "never-used", (*RAE, "typed"), (*ANA, "environment")),
    ],
    ids=["nothing", "token", "own token", "variables", "secrets", "typed"],
)
def test_page_command_and_job_agree_on_dagshub(
    environment, typed, secret, page, command, dagshub, set_environment, tmp_path, monkeypatch
):
    """A bare token becomes its owner's user and token everywhere, because only that pair opens MLflow at DagsHub."""
    repository = dagshub.backend("ana/wine")
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", dagshub.host)
    session_page = AppTest.from_function(_show_backend, default_timeout=60)
    with set_environment(environment | at(repository.uri)):
        session_page.secrets["backends"] = {"default": {"token": secret}} if secret else {}
        session_page.session_state["session.signed"] = {repository.uri: create_credential(repository, "", typed)} if typed else {}
        session_page.run()
        assert not session_page.exception
        resolution = (session_page.session_state["test.backend"], session_page.session_state["test.credential"])
        assert_is(resolution, repository, page)
        job_sign_in = (*page[:2], "environment") if page else None
        assert_is(resolve_in_job(resolution[0], tmp_path), repository, job_sign_in)
    with set_environment(environment | at(repository.uri)):
        assert_is(resolve_in_command(Case("own", repository)), repository, command)


def test_the_order_in_which_names_are_opened_changes_nothing():
    """Two names for one address: secrets listed for one are never those of the other."""
    session = SessionCredentials(read_secret={"team": LISTED[:2]}.get)
    entries = {name: read_entry(name) for name in ("team", "twin")}
    for names in (("team", "twin"), ("twin", "team")):
        with use_store(CredentialStore()):
            resolved = {name: resolve_backend(entries[name], session=session) for name in names}
            assert (resolved["team"].credential.user, resolved["twin"].credential) == (LISTED[0], None)


def read_entry(name, text=CONFIG, folder=Path("/data")):
    return parse_config(text, folder / "backends.toml").find(name)


def test_the_password_of_a_name_does_not_replace_that_of_the_own_backend():
    environment = at("postgresql://podium:own-secret@db.example.org/mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOKS_PASSWORD", "books-secret")
        own, books = resolve_backend("", environment), resolve_backend(read_entry("books"))
    assert books.credential.principal == Credential(BOOKS, *BOOKS_USER).principal
    again = resolve_backend(ConfiguredBackend("default", backend=own.backend))
    assert again.credential is own.credential
    assert own.credential.client_uri() == "postgresql://podium:own-secret@db.example.org/mlflow"


def test_a_job_of_a_named_backend_is_ended_with_what_its_name_was_opened_with(monkeypatch):
    """The page that finds a dead job knows its address only."""
    monkeypatch.setenv("BOOKS_PASSWORD", "books-secret")
    books = resolve_backend(read_entry("books"))
    assert resolve_backend(Backend(BOOKS.uri, "database")).credential is books.credential
    session = SessionCredentials(read_secret={"team": LISTED[:2]}.get)
    team = resolve_backend(read_entry("team"), session=session)
    assert resolve_backend(TEAM, session=session).credential is team.credential


def test_a_missing_variable_an_unknown_name_and_an_invalid_entry_are_reported(clean_session, tmp_path):
    file = write_config(tmp_path, CONFIG + '[backends.bad]\nuri = "htp://x"\n')
    assert read_config(file).backends
    with pytest.raises(BadInput, match="BOOKS_PASSWORD is not set"):
        resolve_backend("books", os.environ)
    with pytest.raises(NotFound, match="no backend called nobody"):
        resolve_backend("nobody", os.environ)
    with pytest.raises(BadInput, match="htp"):
        resolve_backend("bad", os.environ)
    with pytest.raises(BadInput, match="htp"):
        resolve_backend(next(entry for entry in read_config(file).backends if entry.name == "bad"))


def test_what_named_the_backend_is_part_of_the_answer(clean_session, tmp_path):
    write_config(tmp_path, CONFIG)
    origins = [
        resolve_backend(choice, {**os.environ, **variables}).origin
        for choice, variables in (("", {}), ("", OWN_ADDRESS), ("default", OWN_ADDRESS), ("team", OWN_ADDRESS), (TEAM.uri, {}))
    ]
    assert origins == ["project", "environment", "environment", "choice", "choice"]
