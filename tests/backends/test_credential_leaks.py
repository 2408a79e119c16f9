"""A credential appears in no exception, log record, output, report or page of any room, even if the server repeats it in its answer."""

import base64
import json
import logging
import time
import traceback
import urllib.parse
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lib.backends import dagshub
from lib.backends.backend import Backend
from lib.backends.backend_resolution import resolve_backend
from lib.backends.capabilities import refresh_capabilities
from lib.backends.credentials import create_credential
from lib.backends.mlflow_client import probe
from lib.backends.permissions import describe_unreadable_experiments
from lib.backends.rest_request import send_request
from lib.cli import podium
from lib.doctor.check_runner import CHECKS, run_checks
from lib.doctor.report import report_document
from lib.errors import PodiumError
from lib.jobs import job_queue
from lib.jobs.job_runs import find_job_runs, terminate_open_runs
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.storage.actor import read_verified_name
from lib.ledger.storage.book_index import read_index_params
from lib.registry.model_survey import survey_models
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots, read_snapshot
from lib.registry.register import register
from lib.registry.verify import verify_all
from lib.runs.artifacts.files import ArtifactLocation, fetch_file, list_folder
from lib.runs.edit import experiment_changes
from lib.runs.reading.run_reader import read_experiments, read_run, read_runs
from lib.runs.table.types import Search
from tests.support.browser import free_port
from tests.support.echo_server import ECHO_FORMS, serve_echo
from tests.support.ledger_stores import DECISION, make_writer
from tests.support.page_driver import browser_content
from tests.support.registry_factories import move_request

FORM_PARAMETERS = [form if form == "json 400" else pytest.param(form, marks=pytest.mark.slow) for form in ECHO_FORMS]
SIGN_INS = {"password": ("ana", 'canary-"4711"/%@:\\x'), "token": ("", "canary-token-4711")}
RUN_ID, JOB_ID = "0" * 32, "01ARZ3NDEKTSV4RRFFQ69G5FAV"
WHY = ["--category", "better", "--reason", "Measured better on the same rows, twice."]
COMMANDS = [
    ["models"],
    ["runs", "wine"],
    ["current", "wine"],
    ["history", "wine"],
    ["verify"],
    ["doctor"],
    ["register", RUN_ID, "--model", "wine"],
    ["promote", "wine", "1", "--to", "Production", *WHY],
]
PAGES = ["overview", "compare", "launch", "models", "audit", "doctor", "settings"]


def now():
    return datetime.now(UTC)


def artifact_location(run_id=RUN_ID):
    return ArtifactLocation(f"mlflow-artifacts:/1/{run_id}/artifacts", run_id=run_id)


CALLS = {
    "backends: probe": probe,
    "backends: capabilities": refresh_capabilities,
    "backends: request": lambda backend: send_request(backend, "GET", "/api/2.0/mlflow/users/current"),
    "backends: permissions": lambda backend: describe_unreadable_experiments(backend, ["0", "2"]),
    "ledger: index": read_index_params,
    "ledger: user": read_verified_name,
    "registry: all models": read_all_snapshots,
    "registry: one model": lambda backend: read_snapshot(backend, "wine"),
    "registry: survey": lambda backend: survey_models(backend, now()),
    "registry: promote": lambda backend: move_version(make_writer(backend), move_request("1"), DECISION),
    "registry: register": lambda backend: register(make_writer(backend), RUN_ID, "wine"),
    "registry: verify": verify_all,
    "runs: experiments": read_experiments,
    "runs: table": lambda backend: read_runs(backend, Search(("1",))),
    "runs: one run": lambda backend: read_run(backend, RUN_ID),
    "runs: new experiment": lambda backend: experiment_changes.create(backend, "x"),
    "runs: folder": lambda backend: list_folder(backend, artifact_location()),
    "runs: file": lambda backend: fetch_file(backend, artifact_location(), "x.txt"),
    "doctor: report": lambda backend: report_document(run_checks(backend, now, checks=CHECKS)),
    "jobs: runs": lambda backend: find_job_runs(backend, JOB_ID),
    "jobs: end runs": lambda backend: terminate_open_runs(backend, JOB_ID),
}
TRANSPORT_LOGGERS = ("httpx", "httpcore")
"""They note every status line as it was received, so also one in which a server repeats a header; Podium never turns them on."""
REPORTING_CALLS = {"backends: capabilities", "backends: request", "backends: permissions", "ledger: user", "doctor: report"}
"""Calls that return what went wrong; all others raise it."""


def forms_of(user, secret):
    """Every form in which a text could contain the secret."""
    header = base64.b64encode(f"{user}:{secret}".encode()).decode()
    forms = {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1], secret[:9]}
    return forms | ({header} if user else set())


def text_of(error):
    """Everything an exception shows, with all that led to it, also what its traceback hides."""
    texts, causes = ["".join(traceback.format_exception(error))], [error]
    for cause in causes:
        state = getattr(cause, "__dict__", {})
        texts += [str(cause), repr(cause), repr(cause.args), repr(state)]
        causes += [next_ for next_ in (cause.__cause__, cause.__context__) if next_ is not None and next_ not in causes]
    return "\n".join(texts)


@pytest.fixture(params=sorted(SIGN_INS))
def sign_in(request, clean_session, monkeypatch, caplog):
    """User and secret; every log record of every library is captured."""
    caplog.set_level(logging.DEBUG)
    for name in ("", "mlflow", "urllib3", "httpx", "httpcore", "streamlit", "podium"):
        caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "2")
    return SIGN_INS[request.param]


@pytest.fixture
def assert_no_secret(sign_in, caplog, capfd):
    """A function that searches texts and everything logged and printed since the last call for the secret."""

    def check(*texts):
        captured = capfd.readouterr()
        records = [
            f"{record.getMessage()} {record.args} {record.exc_text}"
            for record in caplog.records
            if not record.name.startswith(TRANSPORT_LOGGERS)
        ]
        caplog.clear()
        content = "\n".join([*texts, *records, captured.out, captured.err])
        assert [form for form in forms_of(*sign_in) if form in content] == []

    return check


def outcome_of(call, backend):
    """What a call returned or raised, as text, and whether it raised."""
    try:
        return repr(call(backend)), False
    except PodiumError as error:
        return text_of(error), True


@pytest.mark.parametrize("room", sorted({name.partition(":")[0] for name in CALLS}))
def test_no_room_shows_the_credential_of_a_server_that_is_gone(room, sign_in, assert_no_secret):
    backend = Backend(f"http://127.0.0.1:{free_port()}", "server")
    credential = create_credential(backend, *sign_in)
    signed_backend = backend.with_principal(credential.principal)
    for name in [name for name in CALLS if name.startswith(room)]:
        text, is_error = outcome_of(CALLS[name], signed_backend)
        assert is_error or name in REPORTING_CALLS, name
        assert_no_secret(text, repr(credential), repr(signed_backend))


@pytest.mark.parametrize("form", FORM_PARAMETERS)
@pytest.mark.parametrize("room", sorted({name.partition(":")[0] for name in CALLS}))
def test_no_room_shows_a_credential_that_the_server_repeats(room, form, sign_in, assert_no_secret):
    with serve_echo() as echo:
        echo.form = form
        backend = Backend(echo.url, "server")
        credential = create_credential(backend, *sign_in)
        for name in [name for name in CALLS if name.startswith(room) and name != "backends: probe"]:
            echo.echoes.clear()
            text, _ = outcome_of(CALLS[name], backend.with_principal(credential.principal))
            assert credential.authorization_header() in echo.echoes, f"{name} did not reach the server"
            assert_no_secret(text)


def sign_in_by_environment(monkeypatch, address, sign_in):
    user, secret = sign_in
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    variables = (
        {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": secret} if user else {"MLFLOW_TRACKING_TOKEN": secret}
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("form", [None, *FORM_PARAMETERS])
def test_no_command_prints_it(form, sign_in, monkeypatch, assert_no_secret):
    with serve_echo() as echo:
        echo.form = form or "json 400"
        address = echo.url if form else f"http://127.0.0.1:{free_port()}"
        for command in COMMANDS:
            sign_in_by_environment(monkeypatch, address, sign_in)
            echo.echoes.clear()
            result = CliRunner().invoke(podium, command)
            assert result.exit_code in (1, 3), (command, result.output)
            assert bool(echo.echoes) == bool(form)
            cause = text_of(result.exception) if result.exception else ""
            assert_no_secret(result.stdout, result.stderr, cause)


@pytest.mark.parametrize("form", ["json 400", "text 200"])
def test_no_page_shows_it(form, sign_in, app, monkeypatch, assert_no_secret):
    with serve_echo() as echo:
        echo.form = form
        sign_in_by_environment(monkeypatch, echo.url, sign_in)
        for name in PAGES:
            assert_no_secret(browser_content(app(name, echo.url)))
        assert [header for header in echo.echoes if header != "nothing"]


def start_job(address, sign_in, folder):
    backend = Backend(address, "server")
    credential = create_credential(backend, *sign_in)
    settings = read_job_settings({"PODIUM_HOME": str(folder / "podium"), "PATH": "/usr/bin:/bin"}, folder)
    demo, signed_backend = catalogue.find_demo("first-run"), backend.with_principal(credential.principal)
    return settings, demo_jobs.start_demo_job(settings, demo, {"n_estimators": [1]}, signed_backend, now())


def test_a_job_at_a_server_that_is_gone_shows_it_in_no_file(sign_in, tmp_path, assert_no_secret):
    settings, job = start_job(f"http://127.0.0.1:{free_port()}", sign_in, tmp_path)
    while job_queue.find_job(settings, job.id).state == "queued":
        time.sleep(0.1)
    job_queue.cancel(settings, job.id)
    assert job_queue.wait(settings, job.id, 60).state == "stopped"
    assert "could not be ended" in (job.folder / "log.txt").read_text()
    assert_no_secret(*(path.read_text(errors="replace") for path in job.folder.rglob("*") if path.is_file()))


@pytest.mark.slow
def test_a_job_at_a_server_that_repeats_it_shows_it_in_no_file_of_ours(sign_in, tmp_path, assert_no_secret):
    """What the script prints is its own: MLflow in its process, without our hook, reports a server's answer as it is."""
    with serve_echo() as echo:
        settings, job = start_job(echo.url, sign_in, tmp_path)
        assert job_queue.wait(settings, job.id, 120).state == "failed"
        assert echo.echoes
    log = (job.folder / "log.txt").read_text()
    files = [path for path in job.folder.rglob("*") if path.is_file() and path.name != "log.txt"]
    assert len(files) > 2
    assert_no_secret(log[log.rindex("could not be ended") :], *(path.read_text(errors="replace") for path in files))


def test_dagshub_shows_no_token_that_it_repeats(clean_session, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "canary-dagshub-4711"
    with serve_echo() as echo:
        monkeypatch.setenv("DAGSHUB_CLIENT_HOST", echo.url)
        monkeypatch.setattr(dagshub, "_RECENT_ERRORS", {})
        backend = Backend(f"{echo.url}/ana/wine.mlflow", "server")
        credential = create_credential(backend, "", secret)
        for form in ECHO_FORMS:
            echo.form = form
            with pytest.raises(PodiumError) as error:
                dagshub.check_access(backend.with_principal(credential.principal))
            records = [record.getMessage() for record in caplog.records if not record.name.startswith(TRANSPORT_LOGGERS)]
            assert secret not in "".join([*traceback.format_exception(error.value), str(error.value), *records])
        assert f"Bearer {secret}" in echo.echoes
        resolved_backend = resolve_backend("", {"MLFLOW_TRACKING_URI": backend.uri, "DAGSHUB_USER_TOKEN": secret})
        assert resolved_backend.credential.is_token
        assert secret not in repr(resolved_backend)
