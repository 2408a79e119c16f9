"""The browser session: credentials are hidden, and the user's name is asked once."""

import os

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.backend import Backend, parse_backend
from lib.backends.backend_resolution import resolve_backend
from lib.backends.credentials import find_credential
from lib.backends.httpx_auth import httpx_auth
from lib.ui.app.backend_selection import configure_mlflow_client
from lib.ui.app.session import normalize_name

SERVER = Backend("https://example.org/mlflow", "server")


def authorization_header(backend):
    request = httpx.Request("GET", f"{backend.uri}/api")
    return next(httpx_auth(backend).auth_flow(request)).headers["authorization"] if httpx_auth(backend) else None


def test_credentials_leave_the_address_and_belong_to_it():
    environment = {"MLFLOW_TRACKING_URI": "https://anna:p%40ss@example.org/mlflow"}
    backend = resolve_backend(SERVER, environment).backend
    assert environment == {"MLFLOW_TRACKING_URI": "https://example.org/mlflow"}
    assert authorization_header(backend) == "Basic YW5uYTpwQHNz"
    assert authorization_header(SERVER) is None


def test_variables_win_over_the_address_and_leave_the_environment():
    environment = {
        "MLFLOW_TRACKING_URI": "https://anna:x@example.org/mlflow",
        "MLFLOW_TRACKING_USERNAME": "ben",
        "MLFLOW_TRACKING_PASSWORD": "y",
        "PATH": "/bin",
    }
    backend = resolve_backend(SERVER, environment).backend
    assert environment == {"MLFLOW_TRACKING_URI": "https://example.org/mlflow", "PATH": "/bin"}
    assert find_credential(backend).user == "ben"


@pytest.mark.parametrize("address", ["", "sqlite:////tmp/a@b.db"])
def test_an_address_without_credentials_stays_as_it_is(address, tmp_path):
    environment = {"MLFLOW_TRACKING_URI": address}
    resolve_backend(parse_backend(address, tmp_path) if address else SERVER, environment)
    assert environment == {"MLFLOW_TRACKING_URI": address}


def test_mlflows_client_retries_once_unless_someone_decided_otherwise(monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    configure_mlflow_client()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    configure_mlflow_client()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"


@pytest.mark.parametrize(
    ("typed_name", "name"),
    [("  Marta   K. ", "Marta K."), ("a\x00b\u202ec", "a b c"), ("", ""), ("x" * 99, "x" * 60), ("\u200b\n\t", "")],
)
def test_a_name_loses_what_cannot_be_seen(typed_name, name):
    assert normalize_name(typed_name) == name


def _ask_page():
    import streamlit as st

    from lib.ui.app.session import ask_user_name, remember_user_name, user_name

    name = ask_user_name()
    if st.button("Go"):
        remember_user_name(name)
        st.rerun()
    st.caption(f"kept: {user_name()}")


def test_the_name_is_asked_once_per_browser_session(clean_session):
    page = AppTest.from_function(_ask_page, default_timeout=30).run()
    page.text_input[0].set_value("  Marta\u202e K. ").run()
    page.button[0].click().run()
    assert not page.text_input
    assert page.caption[0].value == "kept: Marta K."


def test_the_login_of_this_machine_is_offered_on_this_machine_only(clean_session, monkeypatch):
    monkeypatch.setenv("PODIUM_USER", "marta")
    monkeypatch.setattr("lib.ui.app.session.LOOPBACK_HOSTS", ("localhost",))
    page = AppTest.from_function(_ask_page, default_timeout=30).run()
    assert page.text_input[0].value == ""
