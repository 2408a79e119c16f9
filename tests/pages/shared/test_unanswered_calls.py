"""A server that stops responding, seen in the browser: each page finishes, shows the error, and shows no partial data."""

import pytest
import streamlit as st
from ulid import ULID

from lib.backends import capabilities
from lib.backends.mlflow_client import client
from lib.errors import NoAnswer
from lib.registry import lineage
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.ui.app.navigation import MENU_PAGES
from tests.support.faulty_proxy import serve_faulty_proxy
from tests.support.ledger_stores import DECISION, make_trained_run, make_writer
from tests.support.page_driver import browser_content, click_button, confirm_move, find_button, page_text
from tests.support.registry_factories import check_at_rest, finish_open_decisions

SILENCE = (
    "gave no answer",
    "not answer",
    "stopped answering",
    "could not be downloaded",
    "gives no answer",
    "check failed",
    "not respond",
    "No response",
)
OPTIONAL = {"GET /version", "GET server-info"}
"""What a page can do without."""
PROBED_BY_DOCTOR = "GET mlflow-artifacts/artifacts"
"""Asked by the Doctor whether the server hands files on; without an answer it judges no location by that."""


@pytest.fixture
def proxy_of(mlflow_server, monkeypatch):
    """A server behind a proxy that can make it fail: (backend, proxy)."""
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "1")
    monkeypatch.setattr(lineage, "_UNANSWERED_AT", {})
    with serve_faulty_proxy(mlflow_server) as (backend, proxy):
        capabilities.read_capabilities(backend)
        yield backend, proxy


@pytest.fixture(scope="module")
def model(mlflow_server):
    """A model of two versions on the real server, the first in Production."""
    name = f"silent-{ULID()}"
    registry = client(mlflow_server)
    registry.create_registered_model(name)
    for n in (1, 2):
        registry.create_model_version(name, f"s3://nowhere/{n}")
    move_version(make_writer(mlflow_server), MoveRequest(name, "1", "Production"), DECISION)
    return name


@pytest.fixture
def clear_pages(monkeypatch):
    """Return a function that clears the caches, so that the next page run reads everything again."""

    def clear():
        st.cache_data.clear()
        st.cache_resource.clear()
        monkeypatch.setattr(lineage, "_UNANSWERED_AT", {})

    return clear


def silence_in(page):
    text = page_text(page).replace("&#45;", "-").replace("&#46;", ".")  # a dialog is not part of any of the page's blocks
    text += browser_content(page)  # and checks that Doctor could not run are one table row on Overview
    return any(words in text for words in SILENCE)


def test_a_page_whose_model_does_not_come_in_shows_a_box_and_nothing_of_the_model(app, proxy_of, model):
    backend, proxy = proxy_of
    proxy.fail("hang", "GET model-versions/search")
    page = app("models", backend, model=model)
    assert [box.title for box in page.error] == ["The backend does not answer"]
    assert "Nothing was changed by this call" in page.error[0].value
    assert not page.table
    assert not page.dataframe
    assert proxy.requests.count("GET model-versions/search") == 2, "for the place above the page, and for the page itself"


@pytest.mark.slow
def test_a_decision_that_gets_no_answer_is_told_in_its_dialog_and_can_be_settled(app, mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    page = app("models", backend, model=model, version="2")
    find_button(page, "Move to Production").click().run()
    proxy.fail("hang", "POST registered-models/alias")
    confirm_move(page, version="v2")
    assert not page.exception
    assert "The decision is in the ledger" in page_text(page)
    assert [entry.body.version for entry in read_book_state(mlflow_server, model).open_intents] == ["2"]
    finish_open_decisions(make_writer(mlflow_server), model)
    assert read_snapshot(mlflow_server, model).slot_states["production"].holders == ("2",)
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
@pytest.mark.parametrize("label", ["Finish", "Give up"])
def test_an_open_decision_that_cannot_be_settled_now_is_told_in_its_dialog(
    app, mlflow_server, proxy_of, model, label, clear_pages
):
    backend, proxy = proxy_of
    snapshot = read_snapshot(mlflow_server, model)
    (version,) = set(snapshot.versions) - set(snapshot.slot_states["production"].holders)
    proxy.fail("drop", "POST model-versions/transition-stage")
    with pytest.raises(NoAnswer):
        move_version(make_writer(backend), MoveRequest(model, version, "Production"), DECISION)
    proxy.heal()
    clear_pages()
    page = app("models", backend, model=model)
    find_button(page, f"{label}…").click().run()
    page.text_area(key="unfinished.reason").set_value("Its writer was cut off; the team looked at it together.")
    proxy.fail("hang", "POST registered-models/alias" if label == "Give up" else "POST model-versions/transition-stage")
    click_button(page, "unfinished.confirm")
    assert silence_in(page)
    assert "Decisions that were not closed are still open" in page_text(page)
    assert [entry.body.version for entry in read_book_state(mlflow_server, model).open_intents] == [version]
    finish_open_decisions(make_writer(mlflow_server), model)
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hang", "drop"])
@pytest.mark.parametrize("name", [*(page.name for page in MENU_PAGES), "run"])
def test_a_page_ends_whatever_fails_and_says_so(app, mlflow_server, proxy_of, model, name, kind, clear_pages):
    backend, proxy = proxy_of
    query = {"run": make_trained_run(mlflow_server)} if name == "run" else {"model": model} if name in ("models", "audit") else {}
    clear_pages()
    proxy.requests.clear()
    healthy_page = app(name, backend, **query)
    assert not silence_in(healthy_page)
    endpoints = set(proxy.requests)
    assert endpoints - OPTIONAL
    for endpoint in sorted(endpoints):
        clear_pages()
        proxy.fail(kind, endpoint)
        page = app(name, backend, **query)
        assert silence_in(page) or endpoint in OPTIONAL or (name, endpoint) == ("doctor", PROBED_BY_DOCTOR), endpoint
        assert proxy.requests.count(endpoint) < 12, endpoint  # each part of a page queries once, and retries once
