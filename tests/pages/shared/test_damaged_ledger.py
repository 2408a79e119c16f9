"""Pages with a damaged record: a changed index, a deleted book, a permanently deleted book, a deleted model."""

from datetime import UTC, datetime

import pytest

from lib.backends.mlflow_client import client
from lib.registry.model_survey import survey_models
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots
from lib.registry.verify import verify_all
from lib.ui.queries.registry import clear_cache
from tests.support.ledger_stores import DECISION, book_id_of, make_promoted_model, make_registered_model, make_writer
from tests.support.ledger_tampering import (
    delete_the_index_experiment,
    delete_the_index_run,
    execute,
    rename_the_index,
    repoint_the_index,
)


def register_two_models(backend):
    for name in ("beer", "wine"):
        make_registered_model(backend, name)
        move_version(make_writer(backend), MoveRequest(name, "1", "Production"), DECISION)
    return client(backend)


def purge_run(backend, run_id):
    """Remove a deleted run permanently, like MLflow's gc."""
    for table in ("params", "tags", "latest_metrics", "metrics", "runs"):
        execute(backend, f"delete from {table} where run_uuid = ?", run_id)


def page_text(page):
    kinds = ("title", "markdown", "caption", "success", "error", "warning", "info")
    text = " ".join(f"{element.proto} {element.value}" for kind in kinds for element in getattr(page, kind))
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("&#46;", ".").replace("&#45;", "-").replace("&#39;", "'")


def link_labels(page):
    return [link.proto.label for link in page.get("page_link")]


def table_text(page):
    return " ".join(table.value.to_string() for table in page.table)


@pytest.mark.parametrize("tamper", [rename_the_index, repoint_the_index, delete_the_index_experiment, delete_the_index_run])
def test_with_a_changed_index_verify_is_reachable_and_judges_every_book(app, fresh_store, tamper):
    tamper(register_two_models(fresh_store))
    page = app("audit", fresh_store)
    assert page.title[0].value == "Audit"
    assert {error.proto.title for error in page.error} == {page.error[0].proto.title}
    page.button(key="audit.verify").click().run()
    assert not page.exception
    assert "index changed" in table_text(page)
    assert "8 entries in 2 books" in page_text(page)


def test_with_a_changed_index_a_noted_head_can_still_be_compared(app, fresh_store):
    mlflow_client = register_two_models(fresh_store)
    head = next(verification.anchor_line for verification in verify_all(fresh_store) if verification.model == "wine")
    rename_the_index(mlflow_client)
    page = app("audit", fresh_store)
    page.text_area(key="audit.heads.text").set_value(f"{head}\n9:{'a' * 64} beer")
    next(button for button in page.button if button.key == "audit.heads.compare").click().run()
    assert "compared with 2 noted heads" in page_text(page)
    assert "head behind its anchor" in table_text(page)


@pytest.mark.parametrize("name", ["overview", "models"])
def test_with_a_changed_index_the_other_pages_lead_to_verify(app, fresh_store, name):
    rename_the_index(register_two_models(fresh_store))
    page = app(name, fresh_store)
    assert len({error.proto.body for error in page.error}) == 1
    assert "Verify on the Audit page" in link_labels(page)


def test_a_deleted_book_leaves_the_other_models_within_reach(app, fresh_store):
    register_two_models(fresh_store).delete_run(book_id_of(fresh_store, "wine"))
    page = app("models", fresh_store, model="wine")
    assert page.title[0].value == "wine"
    assert "The book of this model was deleted" in page_text(page)
    assert len(page.get("menu_button")) == 1
    assert "Verify on the Audit page" in link_labels(page)


def test_a_book_that_is_gone_for_good_is_told_everywhere_with_what_to_do(app, fresh_store):
    register_two_models(fresh_store)
    book = book_id_of(fresh_store, "wine")
    purge_run(fresh_store, book)
    assert survey_models(fresh_store, datetime.now(UTC)).missing_books == {"wine": book}
    for name in ("audit", "overview"):
        page = app(name, fresh_store)
        assert "The book is gone" in page_text(page), name
        assert f"Restore run {book} from a backup" in page_text(page), name
    assert "its book is gone" in table_text(page)
    page = app("models", fresh_store, model="wine")
    assert page.title[0].value == "wine"
    assert "The book is gone" in page_text(page)
    page = app("audit", fresh_store, **{"audit.view": "Now"})
    assert "book missing" in page.dataframe[0].value["state"].tolist()


def test_when_every_book_is_gone_the_page_says_so_and_verify_names_them(app, fresh_store):
    make_promoted_model(fresh_store)
    purge_run(fresh_store, book_id_of(fresh_store))
    page = app("audit", fresh_store)
    assert "The book is gone" in page_text(page)
    page.button(key="audit.verify").click().run()
    assert "book missing" in table_text(page)


def test_without_a_backup_a_renamed_model_begins_a_new_record_and_verify_goes_on_naming_the_loss(app, fresh_store):
    mlflow_client = register_two_models(fresh_store)
    purge_run(fresh_store, book_id_of(fresh_store, "wine"))
    mlflow_client.rename_registered_model("wine", "red-wine")
    assert move_version(make_writer(fresh_store), MoveRequest("red-wine", "2", "Production"), DECISION).outcome == "applied"
    findings_by_model = {
        verification.model: [finding.what for finding in verification.findings] for verification in verify_all(fresh_store)
    }
    assert findings_by_model["beer"] == []
    assert "book missing" in [finding for findings in findings_by_model.values() for finding in findings]
    assert survey_models(fresh_store, datetime.now(UTC)).missing_books == {}


def test_a_deleted_model_is_told_with_what_stays_and_its_record_is_a_click_away(app, fresh_store):
    register_two_models(fresh_store).delete_registered_model("wine")
    page = app("audit", fresh_store)
    assert "A model was deleted" in page_text(page)
    assert "**wine**: seen on" in page_text(page)
    assert "continues the same book" in page_text(page)
    assert "This model was deleted from the registry" not in page_text(page)
    page = app("audit", fresh_store, **{"audit.of": "wine"})
    assert "This model was deleted from the registry" in page_text(page)
    page = app("models", fresh_store, model="wine")
    assert "No registered model is called wine" in page_text(page)
    assert "Open the record of wine on the Audit page" in link_labels(page)


def test_a_model_that_was_deleted_long_ago_is_told_only_to_whoever_asks(app, fresh_store, monkeypatch):
    from datetime import timedelta

    from lib.ui.components import drift_banner

    register_two_models(fresh_store).delete_registered_model("wine")
    monkeypatch.setattr(drift_banner, "RECENT_DELETION_PERIOD", timedelta(0))
    assert "A model was deleted" not in page_text(app("audit", fresh_store))
    clear_cache()
    assert "This model was deleted" in page_text(app("audit", fresh_store, **{"audit.of": "wine"}))


def test_a_model_without_a_record_yet_is_not_taken_for_one_whose_book_is_gone(fresh_store):
    register_two_models(fresh_store)
    make_registered_model(fresh_store, "new")
    assert [snapshot.model for snapshot in read_all_snapshots(fresh_store)] == ["beer", "new", "wine"]
    assert survey_models(fresh_store, datetime.now(UTC)).missing_books == {}
