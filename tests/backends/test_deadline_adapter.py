"""Every request of MLflow's client ends, even if the server hangs, trickles, closes the connection, or asks to retry later."""

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from mlflow.exceptions import MlflowException

from lib.backends import deadline_adapter
from lib.backends.backend import Backend
from lib.backends.call_deadline import PROGRESS_BYTES
from lib.backends.deadline_adapter import CallTimeout, install_adapter
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.rest_request import send_request
from lib.errors import BackendError, NoAnswer, Unreachable
from tests.support.scripted_server import http_response, scripted_server

RUN = b'{"run": {"info": {"run_id": "r", "run_uuid": "r", "experiment_id": "1", "artifact_uri": "x"}, "data": {}}}'
HEAD = b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "0.4")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)


@contextmanager
def server(*talks):
    """A server whose nth connection uses the nth talk, and later ones the last; yields the backend and the connection count."""
    connections = []

    def talk(connection: socket.socket) -> None:
        connections.append(connection)
        read_rest(connection)
        talks[min(len(connections), len(talks)) - 1](connection)

    with scripted_server(talk) as port:
        yield Backend(f"http://127.0.0.1:{port}", "server"), connections
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def read_rest(connection: socket.socket) -> None:
    """The body of a request may come after its head."""
    connection.settimeout(0.05)
    with suppress(TimeoutError):
        while connection.recv(65536):
            pass
    connection.settimeout(None)


def respond(status: int, body: bytes = b"", extra: str = ""):
    return http_response(status, "application/json", body, f"connection: close\r\n{extra}")


def hang(_: socket.socket) -> None:
    time.sleep(10)


def close(_: socket.socket) -> None:
    """The connection is closed without an answer."""


def dribble_head(connection: socket.socket) -> None:
    for byte in HEAD * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def dribble_body(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    dribble_rest(connection)


def dribble_rest(connection: socket.socket) -> None:
    for _ in range(3000):
        connection.sendall(b" ")
        time.sleep(0.02)


answer = respond(200, RUN)


def read_run(backend):
    with translate_errors():
        return client(backend).get_run("r").info.run_id


def log_param(backend):
    with translate_errors():
        client(backend).log_param("r", "k", "v")


def create_run(backend):
    with translate_errors():
        client(backend).create_run("1")


@pytest.mark.parametrize("talk", [hang, dribble_head, dribble_body])
def test_a_call_ends_at_its_deadline_whatever_dribbles_in(talk):
    with server(talk) as (backend, _), pytest.raises(NoAnswer) as error:
        read_run(backend)
    assert str(error.value) == (
        "The server did not answer runs/get within 0.4 s. Nothing was changed by this call. "
        "Check that the server is running, then try again."
    )


def test_an_unanswered_write_is_never_reported_as_unchanged():
    with server(hang) as (backend, _), pytest.raises(NoAnswer, match=r"runs/log-parameter within 0\.4 s") as error:
        log_param(backend)
    assert error.value.means == "It is unknown whether this call was carried out."


def test_a_search_that_is_sent_as_post_only_asks():
    with server(hang) as (backend, _), pytest.raises(NoAnswer, match="runs/search") as error, translate_errors():
        client(backend).search_runs(["1"])
    assert error.value.means == "Nothing was changed by this call."


def test_a_server_that_answers_each_call_late_is_waited_for():
    with server(lambda connection: (time.sleep(0.2), answer(connection))) as (backend, connections):
        assert [read_run(backend) for _ in range(4)] == ["r"] * 4
        assert len(connections) == 4


def test_a_connection_that_closes_without_an_answer_is_tried_again_at_once_and_then_reported():
    with server(close, answer) as (backend, connections):
        assert read_run(backend) == "r"
        assert len(connections) == 2
    with server(close) as (backend, _), pytest.raises(NoAnswer, match="did not answer runs/get"):
        read_run(backend)


def test_a_write_whose_answer_is_lost_is_sent_twice_at_most_and_what_makes_a_run_once():
    with server(close) as (backend, connections), pytest.raises(NoAnswer):
        log_param(backend)
    assert len(connections) == 2
    with server(close) as (backend, connections), pytest.raises(NoAnswer, match="runs/create"):
        create_run(backend)
    assert len(connections) == 1


def test_a_server_error_does_not_make_a_second_run_and_a_server_that_is_too_busy_made_none():
    with server(respond(500), answer) as (backend, connections), pytest.raises(NoAnswer, match="error 500"):
        create_run(backend)
    assert len(connections) == 1
    with server(respond(503), answer) as (backend, connections):
        create_run(backend)
        assert len(connections) == 2


def test_a_server_that_puts_off_beyond_the_deadline_is_reported_at_once(monkeypatch):
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "3600")
    with server(respond(429, extra="retry-after: 7200\r\n")) as (backend, _), pytest.raises(NoAnswer, match="error 429"):
        read_run(backend)


def test_a_call_that_was_given_up_is_not_sent_again_later():
    threads = set(threading.enumerate())
    with server(lambda _: time.sleep(0.8), answer) as (backend, connections):
        with pytest.raises(NoAnswer):
            log_param(backend)
        (waiting,) = [t for t in set(threading.enumerate()) - threads if t.name == "call with a deadline"]
        waiting.join(20)  # the connection is closed without an answer while it waits
        assert len(connections) == 1


def test_mlflows_own_timeout_counts_for_each_attempt_where_it_is_shorter(monkeypatch):
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "30")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with server(hang, answer) as (backend, connections):
        assert read_run(backend) == "r"
        assert len(connections) == 2


def test_a_request_of_our_own_that_is_sent_once_ends_at_its_own_timeout(monkeypatch):
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "3600")
    monkeypatch.setattr("lib.backends.rest_request._REQUEST_TIMEOUT_SECONDS", 0.3)
    with server(dribble_body) as (backend, _), pytest.raises(Unreachable, match="did not answer"):
        send_request(backend, "GET", "/version")


def test_a_machine_that_refuses_connections_is_reported_before_the_deadline():
    with server(close) as (backend, _):
        pass
    with pytest.raises(NoAnswer, match="runs/get"):
        read_run(backend)


def test_nothing_of_it_reaches_the_environment_that_jobs_inherit(monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    with server(answer) as (backend, _):
        read_run(backend)
    assert [name for name in os.environ if name.startswith("MLFLOW_HTTP")] == []


def test_an_mlflow_that_makes_its_sessions_elsewhere_is_named(monkeypatch):
    install_adapter()
    monkeypatch.setattr(deadline_adapter.request_utils, "TCPKeepAliveHTTPAdapter", None)
    monkeypatch.setattr(deadline_adapter.request_utils, "_get_request_session", lambda *_: __import__("requests").Session())
    with pytest.raises(BackendError, match="cannot set a time limit"):
        install_adapter()


def test_an_error_that_the_server_answered_is_no_lost_answer():
    body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Max retries exceeded"}'
    with server(respond(404, body)) as (backend, _), pytest.raises(MlflowException) as error:
        client(backend).get_run("r")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def send_file(connection: socket.socket, pieces: int, seconds: float, size: int = PROGRESS_BYTES) -> None:
    connection.sendall(b"HTTP/1.1 200 x\r\ncontent-length: %d\r\n\r\n" % (pieces * size))
    for _ in range(pieces):
        connection.sendall(b"x" * size)
        time.sleep(seconds)


def download(backend, folder):
    """Download a file from a server as MLflow's client does."""
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    install_adapter()
    repository = HttpArtifactRepository(f"{backend.uri}/api/2.0/mlflow-artifacts/artifacts/r")
    repository._download_file("model.bin", str(folder / "model.bin"))
    return (folder / "model.bin").stat().st_size


def test_a_large_file_may_come_in_for_longer_than_a_call_may_take(tmp_path):
    with server(lambda connection: send_file(connection, 6, 0.15)) as (backend, _):
        assert download(backend, tmp_path) == 6 * PROGRESS_BYTES


def test_a_long_answer_may_come_in_for_longer_than_a_call_may_take():
    def send_slowly(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 x\r\ncontent-length: %d\r\n\r\n" % (6 * PROGRESS_BYTES))
        for piece in (RUN.ljust(PROGRESS_BYTES), *[b" " * PROGRESS_BYTES] * 5):
            connection.sendall(piece)
            time.sleep(0.15)

    with server(send_slowly) as (backend, _):
        assert read_run(backend) == "r"


def test_a_long_answer_that_dribbles_in_ends_at_the_deadline():
    with server(lambda connection: send_file(connection, 300_000, 0.001, 1)) as (backend, _), pytest.raises(NoAnswer):
        read_run(backend)


def test_a_file_that_dribbles_in_ends_at_the_deadline(tmp_path):
    with server(lambda connection: send_file(connection, 1000, 0.02, 1)) as (backend, _), pytest.raises(CallTimeout):
        download(backend, tmp_path)


@pytest.mark.parametrize("length", [90_000, 900_000])
def test_the_thread_that_reads_a_dribbling_body_ends_with_its_call(length):
    def dribble_length(connection: socket.socket) -> None:
        connection.sendall(HEAD.replace(b"100000", b"%d" % length))
        dribble_rest(connection)

    threads = set(threading.enumerate())
    with server(dribble_length) as (backend, _):
        with pytest.raises(NoAnswer):
            read_run(backend)
        for thread in set(threading.enumerate()) - threads:
            if thread.name == "call with a deadline":
                thread.join(20)
                assert not thread.is_alive()


def test_a_file_that_takes_its_time_to_go_out_gets_more_time_than_a_question():
    body = b"x" * 100_000

    def read_slowly(connection: socket.socket) -> None:
        time.sleep(0.8)
        answer(connection)

    with server(read_slowly) as (backend, _):
        session = deadline_adapter.request_utils._get_request_session(0, 0, 0.0, frozenset(), True, True)
        assert session.put(backend.uri, data=body, timeout=30).status_code == 200
