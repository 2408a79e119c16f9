"""Changes outside Podium and unfinished decisions on the Models, Audit and Overview pages."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.mlflow_client import client
from lib.errors import NotWritable
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer, append
from lib.registry.model_status import GRACE_PERIOD
from lib.registry.move_plan import MoveRequest, entry_factory, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.register import register
from lib.ui.app.page_links import SHELL_SCRIPT, page_path
from lib.ui.queries import registry
from lib.ui.queries.registry import clear_cache
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_trained_run, make_writer
from tests.support.page_driver import confirm_move, find_button


def page_text(page):
    kinds = ("markdown", "caption", "success", "error", "warning", "info")
    return " ".join(f"{getattr(element, 'title', '')} {element.value}" for kind in kinds for element in getattr(page, kind))


def box_texts(page):
    return " ".join(str(box.proto) for kind in ("error", "warning", "info") for box in getattr(page, kind))


def promote_first(backend, name="wine"):
    make_registered_model(backend, name)
    move_version(make_writer(backend), MoveRequest(name, "1", "Production"), DECISION)
    return client(backend)


def leave_decision_open(backend, seconds=0, version="2"):
    """Record a decision by Ana, `seconds` ago, whose machine crashed before the registry changed."""
    ana_writer = Writer(backend, Actor(name="ana"), lambda: datetime.now(UTC) - timedelta(seconds=seconds))
    status = sync_model_status(make_writer(backend), "wine")
    plan = plan_move(status, MoveRequest("wine", version, "Production"))
    return append(ana_writer, status.book_id, entry_factory(plan, DECISION, lambda: ana_writer.common_fields("wine")))


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
    champion = {"models": "Production", "audit": "v1 since", "overview": "v1"}[name]
    assert champion in page_text(page) + "".join(str(table.value.values) for table in page.table)
    assert not page.warning
    assert not page.error
    assert not page.info


def test_a_deleted_champion_can_be_let_stand_on_the_page(app, fresh_store):
    mlflow_client = promote_first(fresh_store)
    mlflow_client.delete_registered_model_alias("wine", "production")
    mlflow_client.delete_model_version("wine", "1")
    page = app("models", fresh_store, model="wine")
    assert "v1 was deleted" in box_texts(page)
    find_button(page, "Accept the empty stage, with a reason").click().run()
    confirm_move(page, version=None)
    assert not page.exception
    assert read_book_state(fresh_store, "wine").intents[-1].body.kind == "adopt"
    assert "v1 was deleted" not in box_texts(page)


def test_a_renamed_model_a_deleted_book_and_a_deleted_run_are_told(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
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


def close_decision(page, intent_id, choice, name="bo"):
    """Finish or give up an open decision in its dialog."""
    page.button(key=f"unfinished.{choice}.{intent_id}").click().run()
    page.text_area(key="unfinished.reason").set_value("Ana's machine went down; she meant it.")
    if [field for field in page.text_input if field.key == "session.name"]:
        page.text_input(key="session.name").set_value(name)
    page.button(key="unfinished.confirm").click().run()


def test_an_open_decision_is_shown_to_others_with_how_far_it_got(app, fresh_store):
    promote_first(fresh_store)
    leave_decision_open(fresh_store, seconds=20)
    for name in ("models", "audit"):
        text = page_text(app(name, fresh_store)).replace("\N{NO-BREAK SPACE}", " ")
        assert "decided by ana 2" in text
        assert "Nothing has been moved yet: 3 moves left. It is probably still in progress." in text
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"


@pytest.mark.parametrize("name", ["models", "audit"])
@pytest.mark.parametrize("choice", ["finish", "give_up"])
def test_whoever_sees_an_open_decision_can_finish_it_or_give_it_up_with_a_reason(app, fresh_store, name, choice):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store)
    page = app(name, fresh_store)
    close_decision(page, intent, choice)
    assert not page.exception
    assert ("wine: v2 is now in Production" if choice == "finish" else "was given up") in page_text(page)
    state, snapshot = read_book_state(fresh_store, "wine"), read_snapshot(fresh_store, "wine")
    closing = state.book.entries[-1].body
    assert (closing.by.name, closing.reason.text) == ("bo", "Ana's machine went down; she meant it.")
    assert (closing.type, snapshot.aliases["production"]) == (("APPLIED", "2") if choice == "finish" else ("FAILED", "1"))
    assert not any(str(button.key).startswith("unfinished.") for button in page.button)


def test_the_dialog_shows_every_move_before_anything_is_moved(app, fresh_store):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store)
    page = app("models", fresh_store)
    page.button(key=f"unfinished.finish.{intent}").click().run()
    (steps,) = [table.value for table in page.table if "Record the outcome" in table.value.to_string()]
    assert list(steps.iloc[:, 1])[:1] == ["Alias `production`: v1 → **v2**"]
    assert len(steps) == 4
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"
    page.button(key="unfinished.confirm").click().run()
    assert "The reason has 0 characters" in box_texts(page)
    page.button(key="unfinished.cancel").click().run()
    assert not any(button.key == "unfinished.confirm" for button in page.button)
    assert [entry.id for entry in read_book_state(fresh_store, "wine").open_intents] == [intent]


def test_two_browsers_that_finish_the_same_decision_close_it_once_and_the_second_is_told(app, fresh_store):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store)
    first = app("models", fresh_store, model="wine")
    second = AppTest.from_file(str(SHELL_SCRIPT), default_timeout=60)
    second.switch_page(str(page_path("models")))
    second.run()
    second.button(key=f"unfinished.finish.{intent}").click().run()
    close_decision(first, intent, "finish")
    second.text_area(key="unfinished.reason").set_value("Ana's machine went down; she meant it.")
    second.text_input(key="session.name").set_value("cy")
    second.button(key="unfinished.confirm").click().run()
    assert not first.exception
    assert not second.exception
    assert "bo closed this decision first" in box_texts(second)
    state = read_book_state(fresh_store, "wine")
    assert [entry.body.type for entry in state.book.entries if getattr(entry.body, "intent", "") == intent] == ["APPLIED"]
    assert read_snapshot(fresh_store, "wine").slot_states["production"].holders == ("2",)


@pytest.mark.parametrize("name", ["models", "audit", "overview"])
def test_a_decision_of_any_age_is_carried_out_by_the_look_of_no_page(app, fresh_store, name):
    promote_first(fresh_store)
    intent = leave_decision_open(fresh_store, seconds=GRACE_PERIOD.total_seconds() + 5)
    page = app(name, fresh_store)
    assert [entry.id for entry in read_book_state(fresh_store, "wine").open_intents] == [intent]
    assert read_snapshot(fresh_store, "wine").aliases["production"] == "1"
    if name == "overview":
        assert any("decision unfinished" in table.value.to_string() for table in page.table)
    else:
        assert "It will not continue on its own: finish it or give it up." in page_text(page)


def test_a_reader_sees_an_open_decision_and_no_button(app, fresh_store, monkeypatch):
    promote_first(fresh_store)
    leave_decision_open(fresh_store)
    monkeypatch.setattr(registry, "find_decision_blocker", lambda *_: NotWritable("You may only read here."))
    page = app("models", fresh_store)
    assert "decided by ana" in page_text(page)
    assert not any(str(button.key).startswith("unfinished.") for button in page.button)


def read_states(page):
    """Overview's table of champions: model → its versions and its state, without icons and the marks of the escaping."""
    table = next(table.value for table in page.table if len(table.value.columns) == 5)
    rows = [
        [re.sub(r":[a-z]+(?:-badge)?\[(?::material/\w+:)? ?(.*?)\]", r"\1", str(cell)) for cell in row]
        for row in table.to_numpy()
    ]
    return {row[0].strip("*"): (row[1], row[4].strip()) for row in rows}


def test_overviews_state_column_says_of_each_champion_whether_it_is_the_decided_one(app, fresh_store, monkeypatch):
    for name in ("decided", "moved", "several", "wine", "deleted"):
        promote_first(fresh_store, name)
    mlflow_client = make_registered_model(fresh_store, "plain", stages={"1": "Production"}) and client(fresh_store)
    mlflow_client.transition_model_version_stage("moved", "2", "Production", archive_existing_versions=True)
    mlflow_client.set_registered_model_alias("moved", "production", "2")
    mlflow_client.transition_model_version_stage("several", "2", "Production")
    mlflow_client.delete_run(book_id_of(fresh_store, "deleted"))
    leave_decision_open(fresh_store, seconds=1000)

    def refuse(*_):
        raise NotWritable("You may only read here.")

    monkeypatch.setattr(registry, "record_changes", refuse)
    assert read_states(app("overview", fresh_store)) == {
        "decided": ("v1", "as decided"),
        "deleted": ("v1", "its book was deleted"),
        "moved": ("v2", "changed outside"),
        "plain": ("v1", "no record yet"),
        "several": ("v1 v2", "several in Production"),
        "wine": ("v1", "decision unfinished"),
    }


def test_a_move_by_another_process_is_called_in_progress_until_its_time_is_over(app, fresh_store):
    promote_first(fresh_store)
    leave_decision_open(fresh_store)
    assert read_states(app("overview", fresh_store)) == {"wine": ("v1", "move in progress")}
