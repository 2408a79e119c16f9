"""The browser session: credentials put away, the person's name asked once."""

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.uri import Backend
from lib.ui.session import put_away_credentials, tidy_name, wait_briefly

SERVER = Backend("https://example.org/mlflow", "server")


def test_credentials_leave_the_address_and_reach_mlflows_variables():
    environment = {"MLFLOW_TRACKING_URI": "https://anna:p%40ss@example.org/mlflow"}
    put_away_credentials(environment, SERVER)
    assert environment == {
        "MLFLOW_TRACKING_URI": "https://example.org/mlflow",
        "MLFLOW_TRACKING_USERNAME": "anna",
        "MLFLOW_TRACKING_PASSWORD": "p@ss",
    }


def test_credentials_that_are_set_already_win():
    environment = {
        "MLFLOW_TRACKING_URI": "https://anna:x@example.org/mlflow",
        "MLFLOW_TRACKING_USERNAME": "ben",
        "MLFLOW_TRACKING_PASSWORD": "y",
    }
    put_away_credentials(environment, SERVER)
    assert environment["MLFLOW_TRACKING_USERNAME"] == "ben"
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "y"
    assert "anna" not in environment["MLFLOW_TRACKING_URI"]


@pytest.mark.parametrize("address", ["", "https://example.org/mlflow", "sqlite:////tmp/a@b.db"])
def test_an_address_without_credentials_stays_as_it_is(address):
    environment = {"MLFLOW_TRACKING_URI": address}
    put_away_credentials(environment, SERVER)
    assert environment == {"MLFLOW_TRACKING_URI": address}


def test_mlflows_client_retries_once_unless_someone_decided_otherwise():
    environment = {}
    wait_briefly(environment)
    assert environment == {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    chosen = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5"}
    wait_briefly(chosen)
    assert chosen == {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5"}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("  Marta   K. ", "Marta K."), ("a\x00b\u202ec", "a b c"), ("", ""), ("x" * 99, "x" * 60), ("\u200b\n\t", "")],
)
def test_a_name_loses_what_cannot_be_seen(typed, kept):
    assert tidy_name(typed) == kept


def _asks():
    import streamlit as st

    from lib.ui.session import ask_person, keep_person, person

    name = ask_person()
    if st.button("Go"):
        keep_person(name)
        st.rerun()
    st.caption(f"kept: {person()}")


def test_the_name_is_asked_once_per_browser_session():
    page = AppTest.from_function(_asks, default_timeout=30).run()
    page.text_input[0].set_value("  Marta\u202e K. ").run()
    page.button[0].click().run()
    assert not page.text_input
    assert page.caption[0].value == "kept: Marta K."


def test_the_login_of_this_machine_is_offered_on_this_machine_only(monkeypatch):
    monkeypatch.setenv("PODIUM_USER", "marta")
    monkeypatch.setattr("lib.ui.session.LOOPBACK", ("localhost",))
    page = AppTest.from_function(_asks, default_timeout=30).run()
    assert page.text_input[0].value == ""
