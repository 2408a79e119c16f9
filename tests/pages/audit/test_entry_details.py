"""The Audit page under AppTest: imported decisions, corrections beside what they supersede, and every kind of entry."""

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.storage.book import append
from lib.registry.import_history import ImportFile, import_history
from lib.registry.promote import MoveRequest, move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.ui.app.routes import PROJECT_ROOT
from tests.support.ledger_entries import make_unusual_bodies
from tests.support.ledger_stores import REASON, book_id_of, make_registered_model, make_writer

FRAUD = PROJECT_ROOT / "docs" / "examples" / "fraud-history.csv"
MISTAKEN = "The minutes of the board say something else."


def texts(page):
    found = [getattr(page, kind) for kind in ("markdown", "caption", "success", "error", "code", "header")]
    return " ".join(str(one.value) for kind in found for one in kind).replace("\N{NO-BREAK SPACE}", " ")


def facts(page):
    return {row[0]: row[1] for table in page.table for row in table.value.to_numpy().tolist() if len(row) == 2}


@pytest.fixture
def bank(fresh_store):
    """The bank's model with its history imported by ines."""
    make_registered_model(
        fresh_store, "card-fraud", 3, {"1": "Archived", "2": "Archived", "3": "Production"}, {"production": "3"}
    )
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    return fresh_store


def test_the_page_answers_the_banks_question_in_words_that_can_be_sent_on(app, bank):
    page = app("audit", bank, **{"audit.of": "card-fraud", "audit.on": "2023-03-14"})
    assert page.header[0].value == "v2 was in Production, all day"
    sent = next(one.value for one in page.code if one.value.startswith("On 14 March"))
    assert sent.startswith("On 14 March 2023 (UTC), all day, version 2 of card-fraud was in Production.")
    assert "marta.k decided this and gave the reason: “8.3 points more AUC" in sent
    assert "imported from fraud&#45;history&#46;csv" in texts(page)


def test_before_the_record_the_page_names_the_command_that_imports(app, fresh_store):
    make_registered_model(fresh_store, "it's wine")
    sync_model_status(make_writer(fresh_store), "it's wine")
    page = app("audit", fresh_store, **{"audit.on": "2023-03-14"})
    assert "before the record begins" in texts(page)
    assert "python -m lib import 'it'\"'\"'s wine' history.csv" in [one.value for one in page.code]


def test_an_imported_entry_says_who_imported_it_from_what(app, bank):
    decided = next(
        e for e in read_book_state(bank, "card-fraud").book.entries if e.body.type == "IMPORTED" and e.body.of == "DECIDED"
    )
    page = app("audit", bank, entry=decided.id)
    told = facts(page)
    assert told[":gray[By]"].startswith("marta&#46;k :gray-badge[typed, not verified]")
    assert told[":gray[Imported by]"].startswith("ines on ")
    assert "fraud&#45;history&#46;csv, line 7" in told[":gray[From]"]


def test_a_correction_is_previewed_recorded_and_shown_beside_what_is_struck_through(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    decided = next(e for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "DECIDED")
    page = app("audit", fresh_store, entry=decided.id)
    page.button(key="audit.correct").click().run()
    assert page.button(key="audit.correct.confirm").disabled
    page.text_area(key="audit.correct.reason.text").set_value("Seventeen of eighteen wines are right.").run()
    assert "Seventeen of eighteen" in facts(page)[":gray[Reason now]"]
    page.text_area(key="audit.correct.why").set_value("too short").run()
    page.text_input(key="session.name").set_value("ben").run()
    page.button(key="audit.correct.confirm").click().run()
    assert "The reason has 9 characters" in texts(page).replace("&#46;", ".")
    page.text_area(key="audit.correct.why").set_value(MISTAKEN).run()
    page.button(key="audit.correct.confirm").click().run()
    assert not page.exception
    assert "is corrected" in page.success[0].value
    page = app("audit", fresh_store, entry=decided.id)
    shown = texts(page)
    assert "~~Measured better on the same rows" in shown
    assert "**Seventeen of eighteen wines are right&#46;**" in shown
    assert "Superseded by entry 5" in shown
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.by.name == "ben"


def test_every_kind_of_entry_has_its_badge_and_its_line(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    sync_model_status(make_writer(fresh_store), "wine")
    stamp = make_writer(fresh_store).common_fields("wine")
    book = book_id_of(fresh_store, "wine")
    for body in make_unusual_bodies(stamp):
        append(fresh_store, book, lambda _, body=body: body)
    page = app("audit", fresh_store)
    table = page.dataframe[0].value
    said = {one[0] for one in table["entry"]}
    assert {
        "Imported",
        "Requested",
        "Withdrawn",
        "Rejected",
        "Changes asked",
        "Frozen",
        "Corrected",
        "Was right",
        "Was wrong",
    } <= said
    assert "Other" not in said
    assert all(table["what"].str.len() > 5)
    for entry in read_book_state(fresh_store, "wine").book.entries:
        assert app("audit", fresh_store, entry=entry.id).code[-1].value.startswith(f"{entry.position:06d}")


def test_a_book_of_a_newer_schema_is_shown_as_far_as_it_is_known(app, fresh_store):
    from tests.support.ledger_entries import make_newer_entry

    make_registered_model(fresh_store, "wine")
    sync_model_status(make_writer(fresh_store), "wine")
    key, value = make_newer_entry(read_book_state(fresh_store, "wine"))
    client(fresh_store).log_param(book_id_of(fresh_store, "wine"), key, value)
    page = app("audit", fresh_store)
    assert page.dataframe[0].value["what"].iloc[0] == "Something that schema 2 can say."
    assert page.dataframe[0].value["who"].iloc[0] == "zoe"
    page.button(key="audit.correct").click().run()
    page.text_area(key="audit.correct.note.text").set_value("A note from the past.").run()
    page.text_area(key="audit.correct.why").set_value(MISTAKEN).run()
    page.text_input(key="session.name").set_value("ben").run()
    page.button(key="audit.correct.confirm").click().run()
    assert "newer schema" in texts(page)
    assert read_book_state(fresh_store, "wine").book.head == 2


def test_hostile_text_of_a_file_stays_text(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    evil = (
        b'when,version,to,by,reason\n2022-02-07T09:00Z,1,Production,[ana](http://evil),"![x](http://evil/x) ~~:red[no]~~ <b>"\n'
    )
    import_history(make_writer(fresh_store), "wine", ImportFile("<b>![x](y).csv", evil))
    page = app("audit", fresh_store, **{"audit.kind": "Imported", "audit.on": "2022-03-01"})
    shown = " ".join(str(one.value) for kind in (page.markdown, page.caption, page.table, page.header) for one in kind)
    assert "![" not in shown
    assert "](http" not in shown
    assert ":red[" not in shown
