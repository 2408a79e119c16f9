"""The Audit page under AppTest: searching and reading the entries of all books, and verification."""

from lib.backends.mlflow_client import client
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from tests.support.ledger_stores import DECISION, REASON, book_id_of, make_registered_model, make_trained_run, make_writer
from tests.support.page_driver import compare_anchors, entries_table, page_text


def write_two_books(backend):
    for name, actor_name in (("wine", "ana"), ("beer", "bo")):
        make_registered_model(backend, name)
        move_version(make_writer(backend, actor_name), MoveRequest(name, "1", "Production"), DECISION)


def test_without_an_entry_the_page_names_the_next_step(app, fresh_store):
    page = app("audit", fresh_store)
    assert "No entries yet" in page_text(page)
    assert page.button(key="audit.models")


def test_the_entries_of_all_books_are_listed_newest_first(app, fresh_store):
    write_two_books(fresh_store)
    table = entries_table(app("audit", fresh_store))
    assert len(table) == 8
    assert table["at"].is_monotonic_decreasing
    assert set(table["who"]) == {"ana", "bo", "Podium", "unknown"}


def test_filters_from_the_address_leave_what_was_asked_for_and_say_how_many(app, fresh_store):
    write_two_books(fresh_store)
    page = app("audit", fresh_store, **{"audit.model": "wine", "audit.kind": "Approved"})
    assert entries_table(page)["model"].tolist() == ["wine v1"]
    assert "showing 1 of 8" in page_text(page).replace("\N{NO-BREAK SPACE}", " ")
    page.text_input(key="audit.text").set_value("no such text").run()
    assert "No matching entries" in page_text(page)


def test_an_entry_named_in_the_address_is_shown_in_full_with_its_evidence(app, fresh_store):
    write_two_books(fresh_store)
    from lib.registry.reader import read_book_state

    decided = next(e for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "DECIDED")
    page = app("audit", fresh_store, entry=decided.id)
    rows = dict(page.table[0].value.to_numpy().tolist())
    assert rows[":gray[By]"] == "ana :gray-badge[typed, not verified]"
    assert rows[":gray[Reason]"] == "Measured better"
    assert "Production" in rows[":gray[Move]"]
    assert page.code[-1].value.startswith(f"{decided.position:06d} {decided.id}")


def test_verify_reports_an_intact_chain_or_the_mismatches(app, fresh_store):
    write_two_books(fresh_store)
    page = app("audit", fresh_store)
    page.button(key="audit.verify").click().run()
    assert "Chain intact" in page.success[0].value
    client(fresh_store).log_param(book_id_of(fresh_store), "000042", "hello")
    page.button(key="audit.verify").click().run()
    assert not page.success
    assert any("beyond" in str(table.value) for table in page.table)


def test_foreign_text_stays_text(app, fresh_store):
    make_registered_model(fresh_store)
    reason = REASON.model_copy(update={"text": "![x](http://evil.example/x) :red[fake] <b>bold</b> and more"})
    move_version(make_writer(fresh_store, "[ana](http://evil)"), MoveRequest("wine", "1", "Production"), Decision(reason))
    page = app("audit", fresh_store, **{"audit.kind": "Approved"})
    assert "![" not in page_text(page)
    assert ":red[" not in page_text(page)
    assert not any("](http" in str(table.value) for table in page.table)


def test_the_page_answers_which_version_held_a_stage_that_day_who_put_it_there_and_why(app, fresh_store):
    write_two_books(fresh_store)
    page = app("audit", fresh_store, **{"audit.of": "wine"})
    assert page.header[0].value.startswith("v1 was in Production") or "until" in page.header[0].value
    assert "moved there by **ana**" in page_text(page)
    page = app("audit", fresh_store, **{"audit.of": "wine", "audit.on": "2023-03-14"})
    assert "The record does not begin until" in page.header[0].value


def test_the_entries_of_a_deleted_model_are_still_shown(app, fresh_store):
    write_two_books(fresh_store)
    client(fresh_store).delete_registered_model("beer")
    page = app("audit", fresh_store, **{"audit.model": "beer"})
    assert len(entries_table(page)) == 5
    assert entries_table(page)["what"].tolist()[0] == "The model was deleted"
    assert {name.split()[0] for name in entries_table(page)["model"]} == {"beer"}


def test_heads_can_be_copied_and_a_noted_one_is_compared(app, fresh_store):
    write_two_books(fresh_store)
    page = app("audit", fresh_store)
    lines = page.code[0].value.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["beer", "wine"]
    compare_anchors(page, lines[1])
    assert "compared with 1 noted head" in page.success[0].value.replace("\N{NO-BREAK SPACE}", " ")
    compare_anchors(page, f"9:{'a' * 64} wine")
    assert not page.success
    assert any("head behind its anchor" in table.value.to_string() for table in page.table)
    assert "could still truncate entries not covered by such a head" in page_text(page).replace("\N{NO-BREAK SPACE}", " ")


def test_an_unreadable_head_or_one_without_a_book_is_reported_in_place(app, fresh_store):
    write_two_books(fresh_store)
    page = app("audit", fresh_store)
    compare_anchors(page, "hello ![x](http://evil.example)")
    assert "is not a valid head" in page_text(page)
    assert "![" not in page_text(page)
    compare_anchors(page, f"9:{'a' * 64}")
    assert "could belong to any book" in page_text(page)


def test_the_answer_shows_the_two_main_metrics_the_usual_ones_first_and_never_a_bound(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    for name, value in {"aaa_loss": 0.5, "auc": 0.91, "auc_low": 0.88, "auc_high": 0.94, "n_rows": 1200.0, "f1": 0.7}.items():
        client(fresh_store).log_metric(run_id, name, value)
    register(make_writer(fresh_store), run_id, "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    text = page_text(app("audit", fresh_store, **{"audit.of": "wine"})).replace("&#95;", "_").replace("&#46;", ".")
    assert "accuracy 0.9444 · auc 0.9100  \n" in text
