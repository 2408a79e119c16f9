"""The Models page under AppTest: empty, registering, moving with a reason, refusing, drift, foreign text."""

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.promote import MoveRequest, move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.ui.pages.models.move_dialogs import DIALOG_KEY
from tests.support.ledger_stores import REASON, make_registered_model, make_trained_run, make_writer


def button(page, label):
    return next(one for one in page.button if one.label == label)


def texts(page):
    return " ".join(
        str(one.value) for kind in ("markdown", "caption", "success", "error", "warning") for one in getattr(page, kind)
    )


def decide(page, why="Five trees get seventeen of eighteen right.", typed="v1", name="ana"):
    page.text_area(key="models.reason").set_value(why)
    if typed is not None:
        page.text_input(key="models.typed").set_value(typed)
    if any(one.key == "session.name" for one in page.text_input):
        page.text_input(key="session.name").set_value(name)
    return page.button(key="models.confirm").click().run()


def test_without_a_model_the_page_names_the_next_step(app, fresh_store):
    page = app("models", fresh_store)
    assert page.title[0].value == "Models"
    assert button(page, "Compare runs")


def test_a_link_with_a_run_opens_the_register_dialog_and_registers(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    page = app("models", fresh_store, register=run_id)
    page.text_input(key="models.register.name").set_value("wine-forest")
    page.text_input(key="session.name").set_value("ana")
    page.button(key="models.register.confirm").click().run()
    assert not page.exception
    assert "Entry 2 recorded" in texts(page)
    assert read_snapshot(fresh_store, "wine-forest").versions["1"].run_id == run_id
    told = read_book_state(fresh_store, "wine-forest").book.entries[-1].body
    assert (told.type, told.by.name, told.lineage.metrics) == ("REGISTERED", "ana", {"accuracy": 0.9444})


def test_moving_to_production_needs_a_reason_and_the_version_typed(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    button(page, "Move to Production").click().run()
    decide(page, typed="v2")
    assert "not the one to be moved" in texts(page)
    decide(page, why="short")
    assert "characters" in texts(page)
    assert read_book_state(fresh_store, "wine").intents == ()
    decide(page)
    assert not page.exception
    assert "v1 is in Production" in texts(page)
    assert DIALOG_KEY not in page.session_state
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "1"}
    decided = read_book_state(fresh_store, "wine").intents[0].body
    assert (decided.by.name, decided.by.how, decided.expected) == ("ana", "declared", "none")


def test_the_name_is_asked_once_per_browser_session(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    button(page, "Move to Staging").click().run()
    decide(page, typed=None)
    button(page, "Move to Production").click().run()
    assert not any(one.key == "session.name" for one in page.text_input)
    decide(page)
    assert [entry.body.by.name for entry in read_book_state(fresh_store, "wine").intents] == ["ana", "ana"]


def test_a_decision_is_refused_when_the_champion_changed_since_the_dialog_opened(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    button(page, "Move to Production").click().run()
    move_version(make_writer(fresh_store, "bo"), MoveRequest("wine", "2", "Production", REASON))
    decide(page)
    assert "You decided against nobody" in texts(page).replace("&#45;", "-")
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "2"}


def test_the_dialog_says_which_version_is_displaced_and_which_alias_stays(app, fresh_store):
    make_registered_model(fresh_store, aliases={"champion": "1"})
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    page = app("models", fresh_store, model="wine", version="2")
    button(page, "Move to Production").click().run()
    steps = page.table[-1].value.iloc[:, 1].tolist()
    assert steps[1] == "Alias `production`: v1 → **v2**"
    assert "v1: :blue-badge[:material/trophy: Production] → :gray-badge[:material/inventory_2: Archived]" in steps
    assert "stays on v1; take it along to v2" in page.checkbox[0].label
    page.checkbox[0].check()
    decide(page, typed="2")
    assert read_snapshot(fresh_store, "wine").aliases == {"champion": "2", "production": "2"}


def test_a_move_seen_outside_is_shown_and_can_be_put_back(app, fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    client(fresh_store).set_registered_model_alias("wine", "production", "3")
    client(fresh_store).transition_model_version_stage("wine", "3", "Production")
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    page = app("models", fresh_store, model="wine")
    assert "The registry shows v3, the ledger says v1" in texts(page)
    button(page, "Put v1 back").click().run()
    decide(page, typed="v1")
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "1"}
    assert read_book_state(fresh_store, "wine").intents[-1].body.kind == "revert"
    assert "The registry shows" not in texts(page)


def test_a_move_seen_outside_can_be_adopted_with_a_reason(app, fresh_store):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    client(fresh_store).delete_registered_model_alias("wine", "production")
    page = app("models", fresh_store, model="wine")
    button(page, "Adopt nobody, with a reason").click().run()
    decide(page, typed=None)
    assert read_book_state(fresh_store, "wine").desired_holders()["production"].holders_text == "none"
    assert "The registry shows" not in texts(page)


def test_a_roll_back_is_offered_for_an_earlier_champion(app, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        move_version(make_writer(fresh_store), MoveRequest("wine", version, "Production", REASON))
    page = app("models", fresh_store, model="wine", version="1")
    assert "way back: v1" in texts(page)
    button(page, "Roll back to v1").click().run()
    decide(page)
    assert [entry.body.kind for entry in read_book_state(fresh_store, "wine").intents] == ["promote", "promote", "roll_back"]


def test_the_history_tells_who_when_why_from_where_to_where(app, fresh_store):
    make_registered_model(fresh_store)
    why = make_reason("better", "Better by <b>two</b> of :red[eighteen] rows, ![x](http://evil.example/x).")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", why))
    page = app("models", fresh_store, model="wine", version="1")
    rows = next(one.value for one in page.table if "Entry" in one.value)
    approved = rows[rows["Entry"].str.contains("Approved")].iloc[0]
    assert approved["By"] == "ana"
    moved = approved[next(name for name in rows.columns if name.startswith("From"))]
    assert "circle" in moved
    assert "trophy" in moved
    assert not any(mark in approved["Why"] for mark in ("<b>", "![", ":red["))


def test_an_unknown_model_in_the_address_is_said_and_another_is_shown(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="no ![x](http://evil.example) such")
    assert "There is no registered model" in texts(page)
    assert "![" not in texts(page)
    assert page.title[0].value == "wine"


@pytest.mark.parametrize(
    ("status", "said"), [("RUNNING", "is still running"), ("deleted", "was deleted"), ("none", "has no model")]
)
def test_a_run_that_cannot_be_registered_is_refused_with_the_reason(app, fresh_store, status, said):
    run_id = make_trained_run(fresh_store, status="RUNNING" if status == "RUNNING" else "FINISHED")
    if status == "deleted":
        client(fresh_store).delete_run(run_id)
    if status == "none":
        run_id = client(fresh_store).create_run("0").info.run_id
        client(fresh_store).set_terminated(run_id)
    page = app("models", fresh_store, register=run_id)
    assert said in texts(page)
    assert not any(one.key == "models.register.confirm" for one in page.button)
