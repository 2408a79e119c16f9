"""DagsHub through its real client and MLflow's: access, error messages, and that nothing is created, lost or mixed up."""

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException

from lib.backends import dagshub as dagshub_api
from lib.backends import dagshub_tokens
from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend
from lib.backends.backend_config import parse_configured_backend
from lib.backends.backend_resolution import resolve_backend
from lib.backends.capabilities import refresh_capabilities
from lib.backends.credentials import create_credential, find_credential
from lib.backends.mlflow_client import client, probe
from lib.errors import BadInput, NotFound, PodiumError, SignInRejected, Unreachable
from tests.support.dagshub_server import token
from tests.support.dagshub_token_file import TOKENS
from tests.support.scripted_server import http_response, scripted_server
from tests.support.variants import thin

REPOSITORY, NOW = "ana/wine", datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def backend_of(dagshub):
    """A function that returns a repository with a user's sign-in, after DagsHub has reported their name."""
    credentials = []

    def sign_in(name, repository=REPOSITORY, secret=None, user=None):
        backend = dagshub.backend(repository)
        credentials.append(create_credential(backend, name if user is None else user, secret or token(name)))
        return backend.with_principal(credentials[-1].principal)

    return sign_in


def error_of(action):
    """The error of an action; asserts that it was raised within five seconds."""
    started_at = time.monotonic()
    with pytest.raises(PodiumError) as error:
        action()
    assert time.monotonic() - started_at < 5
    assert error.value.next
    assert "dhp-" not in str(error.value) + repr(error.value.__cause__)
    return error.value


def test_whose_a_token_is_and_what_it_may_do(dagshub, backend_of):
    assert dagshub_api.check_access(backend_of("ana", user="")) == dagshub_api.RepositoryAccess(REPOSITORY, "ana", can_push=True)
    assert dagshub_api.check_access(backend_of("rae", user="")) == dagshub_api.RepositoryAccess(REPOSITORY, "rae", can_push=False)
    assert [line[:3] for line in dagshub.log[:2]] == [("GET", "/api/v1/user", 200), ("GET", f"/api/v1/repos/{REPOSITORY}", 200)]
    assert not dagshub.made()


def test_the_name_of_a_backend_leads_to_the_host_that_is_set(dagshub, tmp_path):
    assert parse_configured_backend("wine", repository=REPOSITORY, folder=tmp_path).backend == dagshub.backend(REPOSITORY)
    assert dagshub_api.repository_of(dagshub.backend(REPOSITORY)) == REPOSITORY
    for other in ("https://dagshub.com/ana/wine.mlflow", f"{dagshub.host}/ana/wine", f"{dagshub.host}/a/b/c.mlflow"):
        assert dagshub_api.repository_of(Backend(other, "server")) == ""
    with pytest.raises(BadInput, match="DAGSHUB_CLIENT_HOST"):
        dagshub_api.host_url({"DAGSHUB_CLIENT_HOST": "dagshub.example.org"})
    assert dagshub_api.host_url({}) == "https://dagshub.com"


def test_a_typo_or_a_private_repository_is_reported_and_nothing_is_made(dagshub, backend_of):
    for repository, name in (("ana/wien", "ana"), ("nobody/wine", "ana"), ("team/secret", "ben")):
        for ask in (dagshub_api.check_access, dagshub_api.probe_and_check_access, probe):
            error = error_of(lambda ask=ask, arguments=(name, repository): ask(backend_of(*arguments)))
            assert isinstance(error, NotFound)
            assert f"no repository {repository} visible to {name}" in error.what
    assert dagshub_api.check_access(backend_of("ana", "team/secret")).can_push
    assert not dagshub.made()
    assert set(dagshub.repositories) == {REPOSITORY, "team/secret"}


def test_a_wrong_token_is_refused_in_words_and_no_browser_is_asked_for(dagshub, backend_of):
    for ask in (dagshub_api.check_access, dagshub_api.probe_and_check_access, probe):
        error = error_of(lambda ask=ask: ask(backend_of("ana", secret="dhp-wrong")))
        assert isinstance(error, SignInRejected)
        assert "does not accept the token (401)" in error.what
    assert not dagshub.made()


def test_without_a_sign_in_the_error_asks_for_a_token(dagshub):
    for ask in (dagshub_api.check_access, dagshub_api.probe_and_check_access, probe):
        error = error_of(lambda ask=ask: ask(dagshub.backend(REPOSITORY)))
        assert "asks for a sign-in" in error.what
        assert "DAGSHUB_USER_TOKEN" in error.next


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (401, "does not accept the token (401)"),
        (403, "does not accept the token (403)"),
        (404, "not as DagsHub does"),
        (429, "receives too many requests (429)"),
        (500, "error 500"),
        (502, "error 502"),
        (503, "error 503"),
    ],
)
def test_whatever_dagshub_answers_is_reported_within_seconds(dagshub, backend_of, fault, text):
    dagshub.fault = fault
    for ask in (dagshub_api.check_access, dagshub_api.probe_and_check_access, probe):
        error = error_of(lambda ask=ask: ask(backend_of("ana")))
        assert text in error.what
        assert ("token may still be valid and was kept" in error.means) == (fault not in (401, 403))
    dagshub.fault = 0
    assert dagshub_api.check_access(backend_of("ana")).user_name == "ana", "nothing was remembered of the bad time"


def test_a_fault_of_one_door_is_reported_with_its_own_reason(dagshub, backend_of):
    dagshub.readers.add(("ana", REPOSITORY))
    assert dagshub_api.probe_and_check_access(backend_of("ana")).can_push is False
    dagshub.repositories[REPOSITORY] = "http://127.0.0.1:9"  # MLflow behind it is down, DagsHub is not
    assert "error 500" in error_of(lambda: dagshub_api.probe_and_check_access(backend_of("ana"))).what


@pytest.mark.parametrize("ask", thin([dagshub_api.probe_and_check_access, dagshub_api.check_access, probe], 2))
def test_a_slow_answer_is_given_up_within_five_seconds(dagshub, backend_of, ask):
    dagshub.slow = 30
    error = error_of(lambda: ask(backend_of("ana")))
    assert "did not answer within" in error.what
    assert "token may still be valid and was kept" in error.means


def test_a_dead_host_and_a_setting_that_breaks_the_client_are_survived(dagshub, backend_of, monkeypatch):
    monkeypatch.setattr("dagshub.common.config.http_timeout", "5")  # as DAGSHUB_HTTP_TIMEOUT leaves it
    assert dagshub_api.check_access(backend_of("ana")).user_name == "ana"
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "http://127.0.0.1:9")
    backend = Backend(f"http://127.0.0.1:9/{REPOSITORY}.mlflow", "server")
    credential = create_credential(backend, "ana", token("ana"))
    assert (
        "nothing is listening at this address"
        in error_of(lambda: dagshub_api.check_access(backend.with_principal(credential.principal))).what
    )


def test_a_redirect_takes_no_token_to_another_host(dagshub, monkeypatch):
    requests_seen = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            requests_seen.append((self.path, "authorization" in self.headers))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        with scripted_server(
            http_response(302, extra=f"location: http://localhost:{elsewhere.server_port}/api/v1/user\r\n")
        ) as port:
            monkeypatch.setenv("DAGSHUB_CLIENT_HOST", f"http://127.0.0.1:{port}")
            backend = Backend(f"http://127.0.0.1:{port}/{REPOSITORY}.mlflow", "server")
            credential = create_credential(backend, "ana", token("ana"))
            assert (
                "not as DagsHub does"
                in error_of(lambda: dagshub_api.check_access(backend.with_principal(credential.principal))).what
            )
        elsewhere.shutdown()
    assert requests_seen == [("/api/v1/user", False)]


def test_an_answer_in_another_form_does_not_crash(dagshub, backend_of, monkeypatch):
    monkeypatch.setattr("tests.support.dagshub_server.repository_card", lambda *_: {"id": "not a number"})
    assert dagshub_api.check_access(backend_of("ana")) == dagshub_api.RepositoryAccess(REPOSITORY, "ana", can_push=None)
    monkeypatch.setattr("tests.support.dagshub_server.user_card", lambda _: {"hello": 1})
    assert "not as DagsHub does" in error_of(lambda: dagshub_api.check_access(backend_of("ana"))).what


def test_the_token_of_the_environment_leaves_it_and_goes_to_dagshub_only(dagshub):
    environment = {"DAGSHUB_USER_TOKEN": token("ana"), "PATH": "/bin"}
    dagshub_tokens.hide_token_variable(environment)
    assert environment == {"PATH": "/bin"}
    backend = resolve_backend(dagshub.backend(REPOSITORY)).backend
    assert (find_credential(backend).user, find_credential(backend).source, find_credential(backend).is_token) == (
        "ana",
        "environment",
        False,
    )
    probe(backend)
    assert resolve_backend(dagshub.backend(REPOSITORY)).backend == backend
    assert len(dagshub.asked("/api")) == 2, "asked once whose it is"
    for other in ("https://dagshub.com/ana/wine.mlflow", "https://example.org/ana/wine.mlflow"):
        assert resolve_backend(Backend(other, "server")).credential is None


def test_while_dagshub_is_down_the_token_is_kept_and_known_again_later(dagshub, monkeypatch):
    dagshub_tokens.hide_token_variable({"DAGSHUB_USER_TOKEN": token("ana")})
    dagshub.fault = 502
    backend = resolve_backend(dagshub.backend(REPOSITORY)).backend
    assert find_credential(backend).is_token
    assert resolve_backend(dagshub.backend(REPOSITORY)).backend == backend
    assert len(dagshub.log) == 1, "a page that asks ten times waits once"
    dagshub.fault = 0
    monkeypatch.setattr(dagshub_api, "RETRY_SECONDS", 0)
    assert find_credential(resolve_backend(dagshub.backend(REPOSITORY)).backend).user == "ana"


def test_user_and_password_of_the_environment_come_before_the_token(dagshub):
    environment = {
        "MLFLOW_TRACKING_USERNAME": "ben",
        "MLFLOW_TRACKING_PASSWORD": token("ben"),
        "DAGSHUB_USER_TOKEN": token("ana"),
    }
    dagshub_tokens.hide_token_variable(environment)
    assert resolve_backend(dagshub.backend(REPOSITORY), environment).credential.user == "ben"
    assert environment == {}


def test_the_token_that_the_client_keeps_is_read_and_never_changed(dagshub, tmp_path):
    token_file = tmp_path / "tokens"
    token_file.write_text(TOKENS.format(host=dagshub.host, token=token("ana")))
    before = (token_file.read_bytes(), token_file.stat().st_mtime_ns)
    environment = {"DAGSHUB_CLIENT_HOST": dagshub.host, "DAGSHUB_CLIENT_TOKENS_CACHE": str(token_file)}
    cached_token = dagshub_tokens.read_cached_token(NOW, environment)
    assert cached_token == token("ana")
    dagshub.fault = 502
    credential = create_credential(dagshub.backend(REPOSITORY), "", cached_token)
    error_of(lambda: dagshub_api.check_access(dagshub.backend(REPOSITORY).with_principal(credential.principal)))
    assert (token_file.read_bytes(), token_file.stat().st_mtime_ns) == before
    token_file.write_text(token_file.read_text().replace("app-token", "of-another-kind"))
    assert dagshub_tokens.read_cached_token(NOW, environment) == "browser-token"
    assert not dagshub.made()


@pytest.mark.parametrize("text", ["", "version: '1'\n", "- a\n", "[", "\x00", "{host}: 5\n", "{host}:\n- access_token: x\n"])
def test_a_file_without_a_token_for_this_host_is_reported(dagshub, tmp_path, text):
    (tmp_path / "tokens").write_text(text.replace("{host}", dagshub.host))
    environment = {"DAGSHUB_CLIENT_HOST": dagshub.host, "DAGSHUB_CLIENT_TOKENS_CACHE": str(tmp_path / "tokens")}
    assert isinstance(error_of(lambda: dagshub_tokens.read_cached_token(NOW, environment)), NotFound | BadInput)


def test_two_people_on_one_repository_are_never_mixed(dagshub, backend_of, tmp_path):
    """One user writes and one reads, alternately, concurrently, and in MLflow's own threads; every request is checked in the log."""
    ana, rae = backend_of("ana"), backend_of("rae")
    experiment = client(ana).create_experiment(f"two-people-{time.time_ns()}")
    run = client(ana).create_run(experiment).info.run_id  # one run for both: MLflow caches the repository of a run's files
    (tmp_path / "many").mkdir()
    for number in range(12):
        (tmp_path / "many" / f"{number} ö%.txt").write_text(str(number))
    refused = []

    def log_as(user, backend):
        mlflow_client = client(backend)
        for step in range(5):
            metric = partial(mlflow_client.log_metric, run, "m", step)
            for action in (metric, partial(mlflow_client.log_artifacts, run, str(tmp_path / "many"), user)):
                try:
                    action()
                except (MlflowException, requests.HTTPError) as error:
                    refused.append((user, "403" in str(error)))

    threads = [threading.Thread(target=log_as, args=arguments) for arguments in (("ana", ana), ("rae", rae))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [("rae", True)] * 10
    assert client(rae).get_run(run).data.metrics == {"m": 4.0}
    assert [item.path for item in client(rae).list_artifacts(run)] == ["ana"]
    with ThreadPoolExecutor(6) as pool:
        folders = list(pool.map(lambda n: client((ana, rae)[n % 2]).download_artifacts(run, "ana"), range(6)))
    assert {len(list(Path(folder).iterdir())) for folder in folders} == {12}
    writes = [
        line for line in dagshub.asked(f"/{REPOSITORY}.mlflow") if line.method in ("PUT", "POST") and "search" not in line.path
    ]
    assert {line.user for line in writes if line.status < 300} == {"ana"}
    assert {line.user for line in writes if line.status == 403} == {"rae"}
    fetched = [line for line in dagshub.log if "/mlflow-artifacts/" in line.path and line.method == "GET"]
    assert {line.status for line in fetched} == {200}
    assert Counter(line.user for line in fetched if " ö%.txt" in line.path) == {"ana": 36, "rae": 36}


def test_what_a_repository_can_do_is_asked_of_both(dagshub, backend_of):
    capabilities = refresh_capabilities(backend_of("ana"))
    assert (
        capabilities.user_name,
        capabilities.write_access.is_available,
        capabilities.ledger_access.is_available,
        capabilities.logged_models.is_available,
    ) == (
        "ana",
        True,
        True,
        True,
    )
    capabilities = refresh_capabilities(backend_of("rae"))
    assert (capabilities.user_name, capabilities.write_access.is_available, capabilities.ledger_access.is_available) == (
        "rae",
        False,
        False,
    )
    assert "rae may read ana/wine but not write" in capabilities.write_access.explanation
    assert "push rights" in capabilities.ledger_access.summary
    dagshub.unsupported = re.compile("logged-models")
    assert refresh_capabilities(backend_of("ana")).logged_models.is_available is False


def test_rights_that_dagshub_does_not_tell_are_asked_of_mlflow(dagshub, backend_of, monkeypatch):
    monkeypatch.setattr("tests.support.dagshub_server.repository_card", lambda *_: {"id": "not a number"})
    assert refresh_capabilities(backend_of("rae")).write_access.is_available is False
    assert refresh_capabilities(backend_of("ana")).write_access.is_available is True


def test_the_command_line_signs_in_by_the_token_alone(dagshub, tmp_path):
    environment = {"PATH": os.environ["PATH"], "PODIUM_HOME": str(tmp_path), "DAGSHUB_CLIENT_HOST": dagshub.host}
    (tmp_path / "backends.toml").write_text(f'[backends.wine]\nkind = "dagshub"\nrepository = "{REPOSITORY}"\n')
    command = [sys.executable, "-m", "lib", "models", "--json", "--backend", "wine"]
    result = subprocess.run(
        command,
        cwd=PROJECT_FOLDER,
        env={**environment, "DAGSHUB_USER_TOKEN": token("ana")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert {line.user for line in dagshub.asked(f"/{REPOSITORY}.mlflow")} == {"ana"}
    result = subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "asks for a sign-in" in result.stderr
    assert not dagshub.made()


def test_a_temporary_failure_differs_from_a_refusal():
    assert not issubclass(SignInRejected, Unreachable)
    assert not issubclass(NotFound, Unreachable)
