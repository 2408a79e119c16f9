"""Pages and Doctor with a hidden or replaced record: they never claim that there is none."""

import pytest

from lib.backends.mlflow_client import client
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.ledger import LEDGER_CHECK
from lib.ui.app.session import now
from tests.support.ledger_stores import book_id_of, make_promoted_model, make_registered_model
from tests.support.ledger_tampering import drop_the_tags, rename_both, replace_the_record

NEVER = ("no record yet", "No entries yet", "Chain intact")


@pytest.fixture
def hidden(fresh_store):
    """A store with its record in renamed experiments and no link from the model to it."""
    make_promoted_model(fresh_store)
    rename_both(client(fresh_store))
    drop_the_tags(client(fresh_store))
    return fresh_store


def page_text(page):
    kinds = ("title", "markdown", "caption", "success", "error", "warning", "info")
    text = " ".join(f"{element.proto} {element.value}" for kind in kinds for element in getattr(page, kind))
    tables = " ".join(table.value.to_string() for table in [*page.table, *page.dataframe])
    return f"{text} {tables}".replace("\N{NO-BREAK SPACE}", " ").replace("&#46;", ".").replace("&#45;", "-").replace("&#39;", "'")


def link_labels(page):
    return [link.proto.label for link in page.get("page_link")]


@pytest.mark.parametrize("name", ["audit", "overview", "models"])
def test_a_hidden_record_is_told_on_every_page_with_the_way_to_the_check(app, hidden, name):
    page = app(name, hidden)
    text = page_text(page)
    assert "A record needs attention" in text or "The ledger needs attention" in text
    assert "Verify on the Audit page" in link_labels(page)
    assert [words for words in NEVER if words in text] == []


def test_the_overview_calls_the_record_unclear_in_its_table(app, hidden):
    assert "record unclear" in page_text(app("overview", hidden))


def test_verify_on_the_audit_page_finds_the_hidden_record(app, hidden):
    page = app("audit", hidden)
    page.button(key="audit.verify").click().run()
    text = page_text(page)
    assert "An index exists" in text
    assert "4 entries in 1 book" in text


def test_a_model_without_a_record_beside_a_replaced_one_is_called_unclear(app, fresh_store):
    make_promoted_model(fresh_store)
    replace_the_record(client(fresh_store), book_id_of(fresh_store))
    make_registered_model(fresh_store, "beer", stages={"1": "Production"})
    page = app("audit", fresh_store, **{"audit.view": "Now"})
    states = page.dataframe[0].value.set_index("model")["state"].to_dict()
    assert states == {"beer": "record unclear", "wine": ""}


def test_on_an_empty_store_the_audit_page_says_that_there_is_no_record(app, fresh_store):
    page = app("audit", fresh_store)
    assert "No entries yet" in page_text(page)
    page.button(key="audit.verify").click().run()
    assert "No record yet." in page_text(page)
    assert "Chain intact" not in page_text(page)


def test_the_doctor_names_a_hidden_and_a_replaced_record(hidden):
    finding = ledger_finding(hidden)
    assert (finding.level, finding.title, finding.summary) == (
        "problem",
        "The ledger contains records missing from its index",
        "1 finding",
    )
    assert finding.evidence[0][2] == "index changed"


def test_the_doctor_counts_a_model_with_a_forged_tag_apart_from_the_index(fresh_store):
    make_registered_model(fresh_store)
    assert ledger_finding(fresh_store).summary == "none yet"
    client(fresh_store).set_registered_model_tag("wine", "podium.book", "f" * 32)
    finding = ledger_finding(fresh_store)
    assert (finding.level, finding.summary) == ("problem", "1 of 1 books")


def ledger_finding(backend):
    (finding,) = run_checks(backend, now, checks=(LEDGER_CHECK,)).findings
    return finding
