"""Stalled downloads: a server or cloud that stops midway is reported, and the request ends."""

import socket
import time

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.rest_request import send_request
from lib.errors import NoAnswer, Unreachable
from lib.runs.artifacts import files, server_files
from lib.runs.artifacts.files import ArtifactLocation
from tests.support.faulty_proxy import serve_faulty_proxy
from tests.support.run_factories import ARTIFACT_FILES, log_files, log_run, make_experiment
from tests.support.scripted_server import http_response, scripted_server

FOLDER = ArtifactLocation("/srv/mlruns/1/r/artifacts", run_id="r")


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "0.5")


def dribble(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 90000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.02)


def hang(_: socket.socket) -> None:
    time.sleep(5)


@pytest.mark.parametrize("talk", [hang, dribble])
def test_a_folder_of_the_servers_own_machine_that_does_not_come_in_is_reported(talk):
    with scripted_server(talk) as port:
        backend = Backend(f"http://127.0.0.1:{port}", "server")
        with pytest.raises(NoAnswer, match="stopped answering"):
            server_files.list_folder(backend, ("run", "r"), "")
        with pytest.raises(NoAnswer, match="stopped answering"):
            files.fetch_file(backend, FOLDER, "notes.txt")


@pytest.mark.parametrize("kind", ["hang", "dribble"])
def test_a_file_of_a_run_that_does_not_come_in_is_reported_and_comes_in_later(mlflow_server, tmp_path, kind):
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, f"stalled {kind}"), "first", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged")
    with serve_faulty_proxy(mlflow_server) as (backend, proxy):
        location = files.read_locations(backend, run_id)[0]
        proxy.fail(kind, "GET mlflow-artifacts/FILE")
        with pytest.raises(NoAnswer, match=r"notes\.txt could not be downloaded"):
            files.fetch_file(backend, location, "notes.txt")
        proxy.fail(kind, "GET mlflow-artifacts/artifacts")
        with pytest.raises(NoAnswer):
            files.list_folder(backend, location)
        proxy.heal()
        assert files.fetch_file(backend, location, "notes.txt").data == ARTIFACT_FILES["notes.txt"]


REDIRECTED = "redirects this request.* Podium does not follow redirects"


def test_a_redirect_in_place_of_a_file_or_a_list_is_an_error_and_not_an_empty_file(mlflow_server, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "5")
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, "redirected"), "first", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged")
    with serve_faulty_proxy(mlflow_server) as (backend, proxy):
        location = files.read_locations(backend, run_id)[0]
        proxy.fail("redirect", "GET mlflow-artifacts/FILE")
        with pytest.raises(Unreachable, match=REDIRECTED):
            files.fetch_file(backend, location, "notes.txt")
        proxy.fail("redirect", "GET mlflow-artifacts/artifacts")
        with pytest.raises(Unreachable, match=REDIRECTED):
            files.list_folder(backend, location)


def test_a_redirect_of_any_other_request_names_where_it_leads(mlflow_server):
    with serve_faulty_proxy(mlflow_server) as (backend, proxy):
        for endpoint, ask in (
            ("POST experiments/create", lambda: client(backend).create_experiment("redirected elsewhere")),
            ("GET experiments/get-by-name", lambda: client(backend).get_experiment_by_name("redirected elsewhere")),
            ("GET users/current", lambda: send_request(backend, "GET", "/api/2.0/mlflow/users/current")),
        ):
            proxy.fail("redirect", endpoint)
            with pytest.raises(Unreachable, match=r"to elsewhere\.example, and"), translate_errors():
                ask()


def test_a_redirect_for_a_file_in_a_folder_of_the_servers_own_machine_is_an_error():
    redirect = http_response(302, extra="location: //elsewhere.example/x\r\n")
    with scripted_server(redirect) as port, pytest.raises(Unreachable, match=r"to elsewhere\.example, and"):
        files.fetch_file(Backend(f"http://127.0.0.1:{port}", "server"), FOLDER, "notes.txt")


@pytest.mark.slow
def test_a_cloud_that_gives_no_answer_is_reported(mlflow_server, monkeypatch):
    with scripted_server(hang) as port:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "none")
        with pytest.raises(NoAnswer, match="The list of files could not be downloaded"):
            files.list_folder(mlflow_server, ArtifactLocation("s3://bucket/r/artifacts", run_id="r"))
