"""The Audit page under AppTest: imported decisions, corrections with the entries they supersede, and every kind of entry."""

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.storage.book import append
from lib.registry.import_history import ImportFile, import_history
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.ledger_entries import make_unusual_bodies
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_writer

FRAUD = PROJECT_ROOT / "docs" / "examples" / "fraud-history.csv"
CORRECTION_REASON = "The minutes of the board say something else."


def page_text(page):
    element_lists = [getattr(page, kind) for kind in ("markdown", "caption", "success", "error", "code", "header")]
    return " ".join(str(element.value) for elements in element_lists for element in elements).replace("\N{NO-BREAK SPACE}", " ")


def table_facts(page):
    return {row[0]: row[1] for table in page.table for row in table.value.to_numpy().tolist() if len(row) == 2}


@pytest.fixture
def bank_store(fresh_store):
    """The bank's model with its history imported by ines."""
    make_registered_model(
        fresh_store, "card-fraud", 3, {"1": "Archived", "2": "Archived", "3": "Production"}, {"production": "3"}
    )
    import_history(make_writer(fresh_store, "ines"), "card-fraud", ImportFile(FRAUD.name, FRAUD.read_bytes()))
    return fresh_store


def test_the_page_answers_the_banks_question_in_words_that_can_be_sent_on(app, bank_store):
    page = app("audit", bank_store, **{"audit.of": "card-fraud", "audit.on": "2023-03-14"})
    assert page.header[0].value == "v2 was in Production, all day"
    answer_text = next(code.value for code in page.code if code.value.startswith("On 14 March"))
    assert answer_text.startswith("On 14 March 2023 (UTC), all day, version 2 of card-fraud was in Production.")
    assert "marta.k decided this and gave the reason: “8.3 points more AUC" in answer_text
    assert "imported from fraud&#45;history&#46;csv" in page_text(page)


def test_before_the_record_the_page_names_the_command_that_imports(app, fresh_store):
    make_registered_model(fresh_store, "it's wine")
    sync_model_status(make_writer(fresh_store), "it's wine")
    page = app("audit", fresh_store, **{"audit.on": "2023-03-14"})
    assert "before the record begins" in page_text(page)
    assert "python -m lib import 'it'\"'\"'s wine' history.csv" in [code.value for code in page.code]


def test_an_imported_entry_says_who_imported_it_from_what(app, bank_store):
    decided = next(
        e for e in read_book_state(bank_store, "card-fraud").book.entries if e.body.type == "IMPORTED" and e.body.of == "DECIDED"
    )
    page = app("audit", bank_store, entry=decided.id)
    facts = table_facts(page)
    assert facts[":gray[By]"].startswith("marta&#46;k :gray-badge[typed, not verified]")
    assert facts[":gray[Imported by]"].startswith("ines on ")
    assert "fraud&#45;history&#46;csv, line 7" in facts[":gray[Source]"]


def test_a_correction_is_previewed_recorded_and_shown_beside_what_is_struck_through(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    decided = next(e for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "DECIDED")
    page = app("audit", fresh_store, entry=decided.id)
    page.button(key="audit.correct").click().run()
    assert page.button(key="audit.correct.confirm").disabled
    page.text_area(key="audit.correct.reason.text").set_value("Seventeen of eighteen wines are right.").run()
    assert "Seventeen of eighteen" in table_facts(page)[":gray[Corrected reason]"]
    page.text_area(key="audit.correct.why").set_value("too short").run()
    page.text_input(key="session.name").set_value("ben").run()
    assert page.button(key="audit.correct.confirm").disabled
    assert "11 more characters needed" in page_text(page).replace("\u00a0", " ")
    page.text_area(key="audit.correct.why").set_value(CORRECTION_REASON).run()
    page.button(key="audit.correct.confirm").click().run()
    assert not page.exception
    assert "was corrected" in page.success[0].value
    page = app("audit", fresh_store, entry=decided.id)
    text = page_text(page)
    assert "~~Measured better on the same rows" in text
    assert "**Seventeen of eighteen wines are right&#46;**" in text
    assert "Superseded by entry 5" in text
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.by.name == "ben"


def test_every_kind_of_entry_has_its_badge_and_its_line(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    sync_model_status(make_writer(fresh_store), "wine")
    common_fields = make_writer(fresh_store).common_fields("wine")
    book = book_id_of(fresh_store, "wine")
    for body in make_unusual_bodies(common_fields):
        append(make_writer(fresh_store), book, lambda _, body=body: body)
    page = app("audit", fresh_store)
    table = page.dataframe[0].value
    kinds = {cell[0] for cell in table["entry"]}
    assert {
        "Imported",
        "Requested",
        "Withdrawn",
        "Rejected",
        "Changes requested",
        "Frozen",
        "Corrected",
        "Was right",
        "Was wrong",
    } <= kinds
    assert "Other" not in kinds
    assert all(table["what"].str.len() >= 5)
    for entry in read_book_state(fresh_store, "wine").book.entries:
        assert app("audit", fresh_store, entry=entry.id).code[-1].value.startswith(f"{entry.position:06d}")


def test_a_book_of_a_newer_schema_is_shown_as_far_as_it_is_known(app, fresh_store):
    from tests.support.entry_signing import make_private_key
    from tests.support.ledger_entries import make_newer_entry

    make_registered_model(fresh_store, "wine")
    sync_model_status(make_writer(fresh_store), "wine")
    key, value = make_newer_entry(read_book_state(fresh_store, "wine"), make_private_key("a newer Podium"))
    client(fresh_store).log_param(book_id_of(fresh_store, "wine"), key, value)
    page = app("audit", fresh_store)
    assert page.dataframe[0].value["what"].iloc[0] == "Something that schema 3 can say."
    assert page.dataframe[0].value["who"].iloc[0] == "zoe"
    page.button(key="audit.correct").click().run()
    page.text_area(key="audit.correct.note.text").set_value("A note from the past.").run()
    page.text_area(key="audit.correct.why").set_value(CORRECTION_REASON).run()
    page.text_input(key="session.name").set_value("ben").run()
    page.button(key="audit.correct.confirm").click().run()
    assert "newer schema" in page_text(page)
    assert read_book_state(fresh_store, "wine").book.head == 2


def test_hostile_text_of_a_file_stays_text(app, fresh_store):
    make_registered_model(fresh_store, "wine")
    hostile_file = (
        b'when,version,to,by,reason\n2022-02-07T09:00Z,1,Production,[ana](http://evil),"![x](http://evil/x) ~~:red[no]~~ <b>"\n'
    )
    import_history(make_writer(fresh_store), "wine", ImportFile("<b>![x](y).csv", hostile_file))
    page = app("audit", fresh_store, **{"audit.kind": "Imported", "audit.on": "2022-03-01"})
    text = " ".join(str(element.value) for kind in (page.markdown, page.caption, page.table, page.header) for element in kind)
    assert "![" not in text
    assert "](http" not in text
    assert ":red[" not in text
