"""Two users on one server in one process: each request uses its own user's sign-in, in every thread, whatever else is set."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from mlflow.exceptions import MlflowException

from lib.backends import request_auth
from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.credentials import client_uri, create_credential
from lib.backends.mlflow_client import client, probe
from lib.errors import BackendError, Unreachable
from tests.support.auth_server import PEOPLE, password
from tests.support.limited_server import narrowed


@pytest.fixture
def people(signed_server, monkeypatch):
    """Both users' backends, and the credentials that keep them alive."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    credentials = {name: create_credential(signed_server.backend, name, password(name)) for name in PEOPLE}
    return {
        name: (signed_server.backend.with_principal(credential.principal), credential) for name, credential in credentials.items()
    }


def create_run(backend, name):
    experiment_id = client(backend).create_experiment(name)
    return client(backend).create_run(experiment_id).info.run_id


def test_each_may_write_only_their_own_in_turns_and_at_once(people, request):
    (ana, _), (ben, _) = people["ana"], people["ben"]
    assert ana != ben
    assert client(ana) is not client(ben)
    hers, his = create_run(ana, "hers"), create_run(ben, "his")
    refused = []

    def write(backend, own, others):
        for step in range(8):
            client(backend).log_metric(own, "m", step)
            try:
                client(backend).log_metric(others, "m", step)
            except MlflowException as error:
                refused.append(str(error))

    threads = [threading.Thread(target=write, args=arguments) for arguments in ((ana, hers, his), (ben, his, hers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 16
    assert client(ana).get_run(his).data.metrics == {"m": 7.0}  # everyone can read by default


def test_files_are_fetched_and_sent_as_oneself_in_mlflows_own_threads(people, tmp_path):
    (ana, _), (ben, _) = people["ana"], people["ben"]
    hers = create_run(ana, "her files")
    (tmp_path / "many").mkdir()
    for number in range(12):
        (tmp_path / "many" / f"{number}.txt").write_text(str(number))
    client(ana).log_artifacts(hers, str(tmp_path / "many"), "many")
    with pytest.raises((MlflowException, requests.HTTPError), match=r"403|PERMISSION"):
        client(ben).log_artifacts(hers, str(tmp_path / "many"), "his")
    with ThreadPoolExecutor(8) as pool:
        folders = list(
            pool.map(
                lambda n: client((ana, ben)[n % 2]).download_artifacts(hers, "many", dst_path=_download_folder(tmp_path, n)),
                range(8),
            )
        )
    assert {len([*_folder(folder).iterdir()]) for folder in folders} == {12}
    assert [item.path for item in client(ben).list_artifacts(hers)] == ["many"]


def _download_folder(folder, number):
    download = folder / f"down{number}"
    download.mkdir()
    return str(download)


def _folder(place):
    from pathlib import Path

    return Path(place)


def test_requests_without_a_sign_in_stay_anonymous_next_to_signed_in_users(people, signed_server):
    with pytest.raises(MlflowException):
        client(signed_server.backend).search_experiments()
    with pytest.raises(Unreachable, match="asks for a sign-in"):
        probe(signed_server.backend)


def test_a_sign_in_ends_with_the_session_that_gave_it(signed_server):
    backend = signed_server.backend.with_principal(
        create_credential(signed_server.backend, "ana", password("ana") + "x").principal
    )
    with pytest.raises(MlflowException):
        client(backend).search_experiments()


def test_a_netrc_file_signs_in_nobody(people, signed_server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login ben password {password('ben')}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ana = people["ana"][0]
    run = create_run(ana, "not by netrc")
    client(ana).log_metric(run, "m", 1)
    with pytest.raises(MlflowException):
        client(signed_server.backend).search_experiments()


def test_a_wrong_password_is_reported_with_the_user_and_without_the_password(signed_server):
    credential = create_credential(signed_server.backend, "ana", "wrong-password")
    with pytest.raises(Unreachable, match="does not accept the sign-in of ana") as error:
        probe(signed_server.backend.with_principal(credential.principal))
    assert "wrong-password" not in str(error.value)


def test_a_bearer_token_opens_tracking_registry_and_files(mlflow_server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with narrowed(mlflow_server) as (backend, proxy):
        proxy.token = "a-token-of-4711"
        with pytest.raises(Unreachable, match="asks for a sign-in"):
            probe(backend)
        wrong_credential = create_credential(backend, "", "another-token")
        with pytest.raises(Unreachable, match="does not accept the sign-in"):
            probe(backend.with_principal(wrong_credential.principal))
        credential = create_credential(backend, "", proxy.token)
        signed_backend = backend.with_principal(credential.principal)
        probe(signed_backend)
        run = create_run(signed_backend, f"by token {tmp_path.name}")
        client(signed_backend).log_text(run, "a note", "note.txt")
        assert [item.path for item in client(signed_backend).list_artifacts(run)] == ["note.txt"]
        assert read_capabilities(signed_backend).ledger_access.is_available
        assert credential.environment_variables()["MLFLOW_TRACKING_TOKEN"] == proxy.token
        assert proxy.token not in repr(credential) + client_uri(signed_backend) + client(signed_backend).tracking_uri


def test_an_address_for_mlflow_names_a_principal_and_no_secret(people):
    backend, credential = people["ana"]
    assert client_uri(backend) == backend.uri.replace("//", f"//{credential.principal}@")
    assert client(backend).tracking_uri == client_uri(backend)


def test_an_mlflow_without_auth_providers_signs_in_nobody(monkeypatch):
    monkeypatch.setattr(request_auth, "_IS_INSTALLED", threading.Event())
    monkeypatch.setattr("mlflow.tracking.request_auth.registry._request_auth_provider_registry", None)
    client.cache_clear()
    with pytest.raises(BackendError, match="does not support per-user sign-in"):
        client(Backend("http://127.0.0.1:9", "server"))
