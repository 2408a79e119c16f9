"""The Models page under AppTest: empty state, registration, moves with a reason, refusals, drift, and foreign text."""

import sqlite3
from contextlib import closing

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.entry.vocabulary import make_reason
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.ui.components.dialog import OPEN_KEY
from tests.support.ledger_stores import (
    DECISION,
    REASON,
    make_promoted_model,
    make_registered_model,
    make_trained_run,
    make_writer,
)
from tests.support.page_driver import confirm_move, find_button, page_text


def test_without_a_model_the_page_names_the_next_step(app, fresh_store):
    page = app("models", fresh_store)
    assert page.title[0].value == "Models"
    assert find_button(page, "Compare runs")


def test_a_link_with_a_run_opens_the_register_dialog_and_registers(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    page = app("models", fresh_store, register=run_id)
    page.text_input(key="models.register.name").set_value("wine-forest")
    page.text_input(key="session.name").set_value("ana")
    page.button(key="models.register.confirm").click().run()
    assert not page.exception
    assert "Entry 2 recorded" in page_text(page)
    assert read_snapshot(fresh_store, "wine-forest").versions["1"].run_id == run_id
    body = read_book_state(fresh_store, "wine-forest").book.entries[-1].body
    assert (body.type, body.by.name, body.lineage.metrics) == ("REGISTERED", "ana", {"accuracy": 0.9444})


def test_moving_to_production_needs_a_reason_and_the_version_typed(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    find_button(page, "Move to Production").click().run()
    confirm_move(page, version="v2")
    assert "does not match the one being moved" in page_text(page)
    page.text_area(key="models.reason").set_value("short").run()
    assert "15 more characters needed" in page_text(page).replace("\u00a0", " ")
    assert page.button(key="models.confirm").disabled
    assert read_book_state(fresh_store, "wine").intents == ()
    page.text_area(key="models.reason").set_value(REASON.text).run()
    confirm_move(page)
    assert not page.exception
    assert "v1 is now in Production" in page_text(page)
    assert OPEN_KEY not in page.session_state
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "1"}
    decided = read_book_state(fresh_store, "wine").intents[0].body
    assert (decided.by.name, decided.by.how, decided.expected) == ("ana", "declared", "none")


def test_the_name_is_asked_once_per_browser_session(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    find_button(page, "Move to Staging").click().run()
    confirm_move(page, version=None)
    find_button(page, "Move to Production").click().run()
    assert not any(field.key == "session.name" for field in page.text_input)
    confirm_move(page)
    assert [entry.body.by.name for entry in read_book_state(fresh_store, "wine").intents] == ["ana", "ana"]


def test_the_dialog_of_one_model_does_not_open_on_another(app, fresh_store):
    make_registered_model(fresh_store)
    make_registered_model(fresh_store, "tea")
    page = app("models", fresh_store, model="wine", version="1")
    find_button(page, "Move to Production").click().run()
    assert any(button.key == "models.confirm" for button in page.button)
    for model in ("tea", "wine"):
        page.query_params["model"] = model
        page.run()
        assert not page.exception
        assert not any(button.key == "models.confirm" for button in page.button)


def test_a_decision_is_refused_when_the_champion_changed_since_the_dialog_opened(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="wine", version="1")
    find_button(page, "Move to Production").click().run()
    move_version(make_writer(fresh_store, "bo"), MoveRequest("wine", "2", "Production"), DECISION)
    confirm_move(page)
    assert "You expected no version" in page_text(page).replace("&#45;", "-")
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "2"}


def test_the_dialog_says_which_version_is_displaced_and_which_alias_stays(app, fresh_store):
    make_registered_model(fresh_store, aliases={"champion": "1"})
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    page = app("models", fresh_store, model="wine", version="2")
    find_button(page, "Move to Production").click().run()
    steps = page.table[-1].value.iloc[:, 1].tolist()
    assert steps[1] == "Alias `production`: v1 → **v2**"
    assert "v1: :blue-badge[:material/trophy: Production] → :gray-badge[:material/inventory_2: Archived]" in steps
    assert "stays on v1; move it to v2 as well" in page.checkbox[0].label
    page.checkbox[0].check()
    confirm_move(page, version="2")
    assert read_snapshot(fresh_store, "wine").aliases == {"champion": "2", "production": "2"}


def test_an_external_change_is_shown_and_can_be_reverted(app, fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).set_registered_model_alias("wine", "production", "3")
    client(fresh_store).transition_model_version_stage("wine", "3", "Production")
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    page = app("models", fresh_store, model="wine")
    assert "The registry shows v3, the ledger says v1" in page_text(page)
    find_button(page, "Restore v1").click().run()
    confirm_move(page, version="v1")
    assert read_snapshot(fresh_store, "wine").aliases == {"production": "1"}
    assert read_book_state(fresh_store, "wine").intents[-1].body.kind == "revert"
    assert "The registry shows" not in page_text(page)


def test_an_external_change_can_be_accepted_with_a_reason(app, fresh_store):
    make_promoted_model(fresh_store)
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    client(fresh_store).delete_registered_model_alias("wine", "production")
    page = app("models", fresh_store, model="wine")
    find_button(page, "Accept the empty stage, with a reason").click().run()
    confirm_move(page, version=None)
    assert read_book_state(fresh_store, "wine").desired_holders()["production"].holders_text == "none"
    assert "The registry shows" not in page_text(page)


def test_a_roll_back_is_offered_for_an_earlier_champion(app, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        move_version(make_writer(fresh_store), MoveRequest("wine", version, "Production"), DECISION)
    page = app("models", fresh_store, model="wine", version="1")
    assert "rollback target: v1" in page_text(page)
    find_button(page, "Roll back to v1").click().run()
    confirm_move(page)
    assert [entry.body.kind for entry in read_book_state(fresh_store, "wine").intents] == ["promote", "promote", "roll_back"]


def test_the_history_shows_actor_time_reason_and_both_stages(app, fresh_store):
    make_registered_model(fresh_store)
    reason = make_reason("better", "Better by <b>two</b> of :red[eighteen] rows, ![x](http://evil.example/x).")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(reason))
    page = app("models", fresh_store, model="wine", version="1")
    rows = next(table.value for table in page.table if "Entry" in table.value)
    approved_row = rows[rows["Entry"].str.contains("Approved")].iloc[0]
    assert approved_row["By"] == "ana"
    move_text = approved_row[next(name for name in rows.columns if name.startswith("From"))]
    assert "circle" in move_text
    assert "trophy" in move_text
    assert not any(mark in approved_row["Why"] for mark in ("<b>", "![", ":red["))


def test_an_unknown_model_in_the_url_is_reported_and_another_is_shown(app, fresh_store):
    make_registered_model(fresh_store)
    page = app("models", fresh_store, model="no ![x](http://evil.example) such")
    assert "No registered model is called" in page_text(page)
    assert "![" not in page_text(page)
    assert page.title[0].value == "wine"


@pytest.mark.parametrize(
    ("status", "message"), [("RUNNING", "is still running"), ("deleted", "was deleted"), ("none", "has no model")]
)
def test_a_run_that_cannot_be_registered_is_refused_with_the_reason(app, fresh_store, status, message):
    run_id = make_trained_run(fresh_store, status="RUNNING" if status == "RUNNING" else "FINISHED")
    if status == "deleted":
        client(fresh_store).delete_run(run_id)
    if status == "none":
        run_id = client(fresh_store).create_run("0").info.run_id
        client(fresh_store).set_terminated(run_id)
    page = app("models", fresh_store, register=run_id)
    assert message in page_text(page)
    assert not any(element.key == "models.register.confirm" for element in page.button)


def test_the_page_opens_on_the_holder_of_production_and_its_history_is_its_own(app, fresh_store):
    make_registered_model(fresh_store)
    for version in "12":
        move_version(make_writer(fresh_store), MoveRequest("wine", version, "Production"), DECISION)
    page = app("models", fresh_store, model="wine")
    assert page.query_params["version"] == "2"
    page = app("models", fresh_store, model="wine", version="1")
    rows = next(table.value for table in page.table if "Entry" in table.value)
    replaced = rows[rows["Entry"].str.contains("Replaced")]
    assert replaced["Why"].tolist() == ["Replaced by v2 in Production"]
    assert not rows["Why"].str.contains("In place of").any()


def test_two_versions_in_production_at_the_first_look_are_named(app, fresh_store):
    make_registered_model(fresh_store, stages={"1": "Production", "3": "Production"})
    page = app("models", fresh_store, model="wine")
    assert "v1 and v3] have been in Production together" in page_text(page)
    assert "v1 and v3 in Production since" in page.get("vega_lite_chart")[0].proto.alt
    assert "before the record" not in page_text(app("overview", fresh_store))


def test_registering_preselects_only_what_the_run_suggests(app, fresh_store):
    make_registered_model(fresh_store, "aardvark")
    run_id = make_trained_run(fresh_store)
    page = app("models", fresh_store, register=run_id)
    model_choice = page.selectbox(key=f"models.register.model.{run_id}")
    assert model_choice.value is None
    assert page.button(key="models.register.confirm").disabled
    model_choice.set_value("aardvark").run()
    page.text_input(key="session.name").set_value("ana")
    page.button(key="models.register.confirm").click().run()
    assert not page.exception
    other_id = make_trained_run(fresh_store, "forest-9-trees")
    page = app("models", fresh_store, register=run_id)
    assert "This run is already v4 of aardvark" in " ".join(str(table.value.to_numpy()) for table in page.table)
    assert page.selectbox(key=f"models.register.model.{run_id}").value == "aardvark"
    page = app("models", fresh_store, register=other_id)
    assert page.selectbox(key=f"models.register.model.{other_id}").value == "aardvark", "the model of its experiment"


def test_a_description_is_markdown_without_pictures_and_html(app, fresh_store):
    make_registered_model(fresh_store)
    client(fresh_store).update_registered_model("wine", "# Wine\n\nSorts **wine**. ![x](https://evil.example/p.png) <b>x</b>")
    client(fresh_store).update_model_version("wine", "3", "- deep\n- [docs](https://docs.example/a)")
    page = app("models", fresh_store, model="wine")
    texts = [element.value for element in page.markdown]
    assert any(text.startswith("**Wine**") and "**wine**" in text and "![" not in text and "<b>" not in text for text in texts)
    assert any("- deep" in text and "(<https://docs.example/a>)" in text and "docs&#46;example" in text for text in texts)
    assert not any("evil.example/p.png)" in text for text in texts)
    assert page.caption[0].value.startswith("Wine ·")


def test_a_version_still_being_registered_is_refused_inside_the_dialog(app, fresh_store):
    make_registered_model(fresh_store)
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update model_versions set status = 'PENDING_REGISTRATION' where version = 2")
    page = app("models", fresh_store, model="wine", version="2")
    find_button(page, "Move to Production").click().run()
    assert not page.exception
    confirm_move(page, version="2")
    assert "Version 2 of wine is still being registered" in page_text(page)
    assert read_book_state(fresh_store, "wine").intents == ()
