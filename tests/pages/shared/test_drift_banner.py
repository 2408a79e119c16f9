"""What was done outside, and decisions that are not finished, as people meet them on Models, Audit and Overview."""

from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.mlflow_client import client
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer, append
from lib.registry.model_status import GRACE_PERIOD
from lib.registry.pending_decisions import list_pending_decisions
from lib.registry.promote import MoveRequest, _decision, move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.register import register
from lib.ui.app.page_links import SHELL_SCRIPT, page_path
from lib.ui.queries.registry import clear_cache
from tests.support.ledger_stores import REASON, book_id_of, make_registered_model, make_trained_run, make_writer
from tests.support.page_driver import confirm_move, find_button


def page_text(page):
    kinds = ("markdown", "caption", "success", "error", "warning", "info")
    return " ".join(f"{getattr(element, 'title', '')} {element.value}" for kind in kinds for element in getattr(page, kind))


def box_texts(page):
    return " ".join(str(box.proto) for kind in ("error", "warning", "info") for box in getattr(page, kind))


def promote_first(backend, name="wine"):
    make_registered_model(backend, name)
    move_version(make_writer(backend), MoveRequest(name, "1", "Production", REASON))
    return client(backend)


def leave_decision_open(backend, seconds=0, version="2"):
    """Ana decides and her machine dies before the registry is touched, so many seconds ago."""
    ana_writer = Writer(backend, Actor(name="ana"), lambda: datetime.now(UTC) - timedelta(seconds=seconds))
    status = sync_model_status(make_writer(backend), "wine")
    return append(ana_writer, status.book_id, _decision(ana_writer, status, MoveRequest("wine", version, "Production", REASON)))


@pytest.mark.parametrize("name", ["models", "audit", "overview"])
def test_every_page_that_shows_a_champion_says_that_it_was_moved_outside_and_records_it(app, fresh_store, name):
    promote_first(fresh_store).set_registered_model_alias("wine", "production", "2")
    page = app(name, fresh_store)
    assert "Production was moved outside" in box_texts(page) + page_text(page)
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.type == "OBSERVED"


@pytest.mark.parametrize("name", ["models", "audit", "overview"])
def test_a_page_where_all_is_as_decided_shows_no_banner(app, fresh_store, name):
    promote_first(fresh_store)
    page = app(name, fresh_store)
    assert not page.warning
    assert not page.error
    assert not page.info


def test_a_deleted_champion_can_be_let_stand_on_the_page(app, fresh_store):
    mlflow_client = promote_first(fresh_store)
    mlflow_client.delete_registered_model_alias("wine", "production")
    mlflow_client.delete_model_version("wine", "1")
    page = app("models", fresh_store, model="wine")
    assert "v1 was deleted" in box_texts(page)
    find_button(page, "Adopt nobody, with a reason").click().run()
    confirm_move(page, version=None)
    assert not page.exception
    assert read_book_state(fresh_store, "wine").intents[-1].body.kind == "adopt"
    assert "v1 was deleted" not in box_texts(page)


def test_a_renamed_model_a_deleted_book_and_a_deleted_run_are_told(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    mlflow_client = client(fresh_store)
    mlflow_client.rename_registered_model("wine", "beer")
    mlflow_client.delete_run(run_id)
    page = app("models", fresh_store, model="beer")
    assert "renamed from wine to beer" in box_texts(page)
    assert "The run of v1 was deleted" in box_texts(page)
    assert "The run of v1 was deleted" in page_text(app("overview", fresh_store))
    mlflow_client.delete_run(book_id_of(fresh_store, "beer"))
    clear_cache()
    for name in ("audit", "overview"):
        page = app(name, fresh_store)
        if name == "overview":
            assert "The book was deleted" in page_text(page)
            assert any("its book was deleted" in table.value.to_string() for table in page.table)


def test_an_open_decision_is_shown_to_others_with_the_time_it_finishes_by_itself(app, fresh_store):
    promote_first(fresh_store)
    leave_decision_open(fresh_store, seconds=20)
    for name in ("models", "audit"):
        text = page_text(app(name, fresh_store)).replace("\N{NO-BREAK SPACE}", " ")
        assert "decided by ana 2" in text
        assert "not finished; finishing by itself in" in text
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"


@pytest.mark.parametrize("name", ["models", "audit"])
def test_whoever_sees_an_open_decision_can_finish_it_at_once(app, fresh_store, name):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store)
    page = app(name, fresh_store)
    page.button(key="unfinished.finish.wine").click().run()
    assert not page.exception
    assert "wine: moved" in page_text(page)
    assert read_book_state(fresh_store, "wine").outcomes[intent] == "APPLIED"
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "2"
    assert not any(button.key == "unfinished.finish.wine" for button in page.button)


def test_two_browsers_that_finish_the_same_decision_close_it_once(app, fresh_store):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store)
    first = app("models", fresh_store, model="wine")
    second = AppTest.from_file(str(SHELL_SCRIPT), default_timeout=60)
    second.switch_page(str(page_path("models")))
    second.run()
    first.button(key="unfinished.finish.wine").click().run()
    second.button(key="unfinished.finish.wine").click().run()
    assert not first.exception
    assert not second.exception
    state = read_book_state(fresh_store, "wine")
    assert [entry.body.type for entry in state.book.entries if getattr(entry.body, "intent", "") == intent] == ["APPLIED"]
    assert read_snapshot(fresh_store, "wine").slot_states["production"].holders == ("2",)


@pytest.mark.parametrize("name", ["models", "audit", "overview"])
def test_a_decision_older_than_the_grace_time_is_finished_by_the_look_of_any_page(app, fresh_store, name):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store, seconds=GRACE_PERIOD.total_seconds() + 5)
    page = app(name, fresh_store)
    assert read_book_state(fresh_store, "wine").outcomes[intent] == "APPLIED"
    assert not any(button.key == "unfinished.finish.wine" for button in page.button)


def test_what_is_pending_says_when_it_is_due(fresh_store):
    promote_first(fresh_store)
    leave_decision_open(fresh_store)
    (decision,) = list_pending_decisions("wine", read_book_state(fresh_store, "wine"))
    assert (decision.version, decision.to_stage, decision.actor_name) == ("2", "Production", "ana")
    assert decision.time_left(decision.at + timedelta(seconds=20)) == timedelta(seconds=100)
    assert decision.time_left(decision.at + timedelta(days=1)) == timedelta()
