"""A record that differs from the one seen before: a box on every page, with a link to resolve it."""

import sqlite3
from contextlib import closing

import pytest

from lib.backends.mlflow_client import client
from lib.errors import Unreachable
from lib.registry import head_watch
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.ui.components.head_alarms import NOT_COMPARED, TITLE
from lib.ui.queries import registry
from lib.ui.queries.registry import clear_cache
from tests.support.ledger_stores import (
    DECISION,
    book_id_of,
    clear_book_cache,
    make_promoted_model,
    make_registered_model,
    make_writer,
)
from tests.support.ledger_tampering import drop_the_tags, execute
from tests.support.page_driver import click_button

PAGES = ("overview", "launch", "compare", "models", "audit", "doctor", "settings")


@pytest.fixture
def recorded(app, fresh_store, monkeypatch):
    """A store with one record that this Podium has seen."""
    monkeypatch.setattr(head_watch, "_SECOND_LOOK_SECONDS", 0.0)
    clear_book_cache()
    make_promoted_model(fresh_store)
    assert alarm_boxes(app("launch", fresh_store)) == []
    return fresh_store


def alarm_boxes(page):
    return [box.value for box in page.error if box.proto.title == TITLE]


def cut_last_entry(backend, model="wine"):
    book_id = book_id_of(backend, model)
    execute(
        backend,
        "delete from params where run_uuid = ? and key = (select max(key) from params where run_uuid = ?)",
        book_id,
        book_id,
    )
    drop_the_tags(client(backend), model)
    client(backend).set_registered_model_tag(model, "podium.book", book_id)
    clear_book_cache()
    clear_cache()


def not_compared_notes(page):
    return [caption.value for caption in page.caption if NOT_COMPARED in caption.value]


def exchange_store(backend, empty_database):
    with closing(sqlite3.connect(empty_database)) as template, closing(sqlite3.connect(backend.path)) as database:
        template.backup(database)
    clear_book_cache()
    clear_cache()


def test_every_page_says_it_and_leads_to_where_it_is_settled(app, recorded):
    cut_last_entry(recorded)
    for name in PAGES:
        page = app(name, recorded)
        assert ["book is shorter" in text and "wine" in text for text in alarm_boxes(page)] == [True], name
        assert any(
            link.proto.label == "Settle wine" and "audit.model=wine" in str(link.proto) for link in page.get("page_link")
        ), name


def test_where_all_is_as_it_was_no_page_has_the_box_or_asks_again_within_a_minute(app, recorded, monkeypatch):
    page = app("settings", recorded)
    assert alarm_boxes(page) == []

    def fail(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(registry, "find_head_alarms", fail)
    page.run()
    assert not page.exception


def test_of_many_records_five_are_named_and_the_others_counted(app, recorded):
    names = [f"model-{n}" for n in range(6)]
    for name in names:
        make_registered_model(recorded, name, versions=1)
        move_version(make_writer(recorded), MoveRequest(name, "1", "Production"), DECISION)
    clear_cache()
    app("settings", recorded)
    for name in [*names, "wine"]:
        cut_last_entry(recorded, name)
    (text,) = alarm_boxes(app("settings", recorded))
    assert text.count("\n- ") + 1 == 6
    assert "and 2\u00a0more records" in text


def test_a_name_with_markdown_is_shown_as_it_is(app, recorded):
    name = "a *b* [c](mailto) `d`"
    make_registered_model(recorded, name, versions=1)
    move_version(make_writer(recorded), MoveRequest(name, "1", "Production"), DECISION)
    clear_cache()
    app("settings", recorded)
    cut_last_entry(recorded, name)
    (text,) = alarm_boxes(app("settings", recorded))
    assert "](mailto" not in text
    assert "*b*" not in text


def test_another_store_is_asked_about_once_with_a_name_and_a_reason(app, recorded, empty_database):
    exchange_store(recorded, empty_database)
    page = app("settings", recorded)
    (text,) = alarm_boxes(page)
    assert "another store" in text
    click_button(page, "shell.alarms.accept")
    page.text_area(key="shell.alarms.reason").input("too short")
    page.text_input(key="session.name").input("ana").run()
    assert page.button(key="shell.alarms.confirm").disabled
    page.text_area(key="shell.alarms.reason").input("We started over with an empty database.").run()
    click_button(page, "shell.alarms.confirm")
    assert alarm_boxes(page) == []
    assert alarm_boxes(app("overview", recorded)) == []


def test_where_the_records_cannot_be_read_every_page_says_that_they_were_not_compared(app, recorded, monkeypatch):
    def fail(*_):
        raise Unreachable("No answer.")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "find_head_alarms", fail)
        clear_cache()
        for name in PAGES:
            page = app(name, recorded)
            assert alarm_boxes(page) == []
            assert not page.exception
            (note,) = not_compared_notes(page)
            assert "No answer" in note
    page = app("settings", recorded)
    assert not_compared_notes(page) == []


def test_an_alarm_stays_while_the_backend_does_not_answer(app, recorded, monkeypatch):
    cut_last_entry(recorded)
    assert len(alarm_boxes(app("settings", recorded))) == 1

    def fail(*_):
        raise Unreachable("No answer.")

    monkeypatch.setattr(registry, "find_head_alarms", fail)
    registry.head_alarms.clear()
    page = app("settings", recorded)
    assert len(alarm_boxes(page)) == 1
    assert len(not_compared_notes(page)) == 1


def test_a_page_that_ends_early_has_the_box_too(app, recorded):
    cut_last_entry(recorded)
    page = app("compare", recorded)
    assert "experiment" in str(page.main)
    assert len(alarm_boxes(page)) == 1


def test_a_model_in_doubt_can_be_read_and_not_decided_about(app, recorded):
    cut_last_entry(recorded)
    status = registry.load_model_status(recorded, "wine")
    assert not status.can_write
    assert "not the one seen before" in status.disabled_reason
    assert status.status.state.book.head == 3


def test_a_memory_that_cannot_be_read_is_said_on_every_page(app, recorded, tmp_path):
    (tmp_path / "podium" / "known-heads.json").write_text("{")
    clear_cache()
    for name in ("settings", "launch"):
        assert any("cannot be read" in box.value for box in app(name, recorded).error)
