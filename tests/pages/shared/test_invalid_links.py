"""Invalid input and links on the Audit and Models pages: a clear message each time, and nothing is lost."""

from datetime import date, time, timedelta

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.chain.hash_chain import encode_entry, param_key
from lib.registry.import_history import ImportFile, import_history
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.app.session import now
from tests.support.ledger_stores import book_id_of, make_promoted_model, make_registered_model, make_writer
from tests.support.page_driver import find_button
from tests.support.variants import thin

FRAUD = PROJECT_ROOT / "docs" / "examples" / "fraud-history.csv"
LONG_TEXT = "It measured better. " * 500


@pytest.fixture
def bank_store(fresh_store):
    make_registered_model(fresh_store, "card-fraud", 3, {"3": "Production"}, {"production": "3"})
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    return fresh_store


@pytest.fixture
def wine_store(fresh_store):
    make_promoted_model(fresh_store)
    return fresh_store


def page_text(page):
    kinds = ("title", "header", "markdown", "caption", "success", "error", "warning", "info", "code")
    text = " ".join(str(element.value) for kind in kinds for element in getattr(page, kind))
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("&#46;", ".").replace("&#45;", "-").replace("&#47;", "/")


def test_a_day_to_come_is_said_to_be_one(app, bank_store):
    page = app("audit", bank_store)
    page.date_input(key="audit.on").set_value(now().date() + timedelta(days=2)).run()
    assert "is in the future" in page_text(page)
    assert page.subheader[0].value == "Entries"


def test_the_zone_of_the_person_decides_what_a_day_is_and_stands_in_the_address(app, bank_store):
    query = {"audit.of": "card-fraud", "audit.on": "2023-01-16", "audit.at": "09:30", "audit.zone": "Europe/Berlin"}
    page = app("audit", bank_store, **query)
    assert "v1 was in Production" in page_text(page)
    page.selectbox(key="audit.zone").set_value("UTC").run()
    assert "v2 was in Production" in page_text(page)


def test_a_time_that_came_twice_is_asked_back_and_either_is_answered(app, bank_store):
    page = app("audit", bank_store, **{"audit.of": "card-fraud", "audit.on": "2023-10-29", "audit.zone": "Europe/Berlin"})
    page.time_input(key="audit.at").set_value(time(2, 30)).run()
    assert "29 Oct 2023, 02:30 Europe/Berlin" in page_text(page)
    offset_control = page.segmented_control(key="audit.which")
    assert offset_control.options == ["first occurrence", "second, after the clocks went back"]
    offset_control.set_value("+01:00").run()
    assert not page.error
    page.time_input(key="audit.at").set_value(time(3, 30)).run()
    assert not [control for control in page.segmented_control if control.key == "audit.which"]


def test_a_time_that_never_came_is_said_to_be_one(app, bank_store):
    page = app("audit", bank_store, **{"audit.of": "card-fraud", "audit.on": "2023-03-26", "audit.zone": "Europe/Berlin"})
    page.time_input(key="audit.at").set_value(time(2, 30)).run()
    assert "did not exist that day in Europe/Berlin" in page_text(page)
    assert not page.exception


def test_a_day_before_the_record_is_an_answer_of_its_own(app, bank_store):
    page = app("audit", bank_store, **{"audit.of": "card-fraud"})
    page.date_input(key="audit.on").set_value(date(2009, 1, 1)).run()
    assert "The record does not begin until 7 Feb 2022" in page_text(page)


def test_a_link_to_a_model_that_never_existed_does_not_seem_to_be_answered(app, bank_store):
    page = app("audit", bank_store, **{"audit.of": "nope![x](y)"})
    assert "There is no record of a model nope" in page_text(page)
    assert "![x]" not in page_text(page)
    assert "No registered model is called nope" in page_text(app("models", bank_store, model="nope"))


def test_a_link_to_an_entry_that_never_existed_says_so_and_shows_the_newest(app, bank_store):
    page = app("audit", bank_store, entry="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert "No book here contains entry 01ARZ3NDEKTSV4RRFFQ69G5FAV" in page_text(page)
    assert "No book here" not in page_text(app("audit", bank_store))


def test_ten_thousand_characters_of_reason_are_refused_and_stay_in_the_box(app, wine_store):
    page = app("models", wine_store, model="wine", version="2")
    find_button(page, "Move to Production").click().run()
    page.text_area(key="models.reason").set_value(LONG_TEXT)
    page.text_input(key="models.typed").set_value("v2")
    page.text_input(key="session.name").set_value("ana")
    page.button(key="models.confirm").click().run()
    assert "9,999 characters; the limit is 2,000" in page_text(page)
    assert page.text_area(key="models.reason").value == LONG_TEXT
    assert page.text_area(key="models.reason").proto.max_chars == 0
    assert read_book_state(wine_store, "wine").observed_slots["production"].holders == ("1",)


def test_ten_thousand_characters_in_a_correction_are_refused_and_stay_in_the_box(app, wine_store):
    decided = next(e for e in read_book_state(wine_store, "wine").book.entries if e.body.type == "DECIDED")
    page = app("audit", wine_store, entry=decided.id)
    page.button(key="audit.correct").click().run()
    for part in ("reason", "note"):
        page.selectbox(key="audit.correct.part").set_value(part).run()
        page.text_area(key=f"audit.correct.{part}.text").set_value(LONG_TEXT).run()
        assert f"The {part} has 9,999 characters; the limit is 2,000" in page_text(page)
        assert page.button(key="audit.correct.confirm").disabled
        assert page.text_area(key=f"audit.correct.{part}.text").value == LONG_TEXT
    page.text_area(key="audit.correct.note.text").set_value("A note that fits.").run()
    page.text_area(key="audit.correct.why").set_value(LONG_TEXT)
    page.text_input(key="session.name").set_value("ben")
    page.button(key="audit.correct.confirm").click().run()
    assert "The reason has 9,999 characters; the limit is 2,000" in page_text(page)
    assert page.text_area(key="audit.correct.why").value == LONG_TEXT


@pytest.mark.parametrize("name", ["audit", "models", "overview"])
@pytest.mark.parametrize("text", thin(["hello", "[1, 2]", '{"type": "DECIDED"', "null", '{"schema": "x", "type": 3}'], 4))
def test_an_entry_whose_body_is_no_json_breaks_no_page(app, wine_store, name, text):
    state = read_book_state(wine_store, "wine")
    value, _ = encode_entry("01ARZ3NDEKTSV4RRFFQ69G5FAV", text, state.book.chain)
    client(wine_store).log_param(book_id_of(wine_store), param_key(state.book.head + 1), value)
    page = app(name, wine_store, **({"entry": "01ARZ3NDEKTSV4RRFFQ69G5FAV"} if name == "audit" else {}))
    assert page.title
    assert not page.exception
    if name == "audit":
        assert page.code[-1].value.startswith(f"{state.book.head + 1:06d}")
        page.button(key="audit.verify").click().run()
        assert not page.exception
    sync_model_status(make_writer(wine_store), "wine")
