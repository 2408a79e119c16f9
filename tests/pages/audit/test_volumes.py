"""The Audit page with a book of several volumes: one list, one answer, one verification, and a report of missing volumes."""

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.state import volumes
from lib.registry.reader import read_book_state
from lib.ui.queries.registry import clear_cache
from tests.conftest import copy_store
from tests.support.ledger_stores import clear_book_cache, promote_in_turn
from tests.support.page_driver import compare_anchors, entries_table, page_text

SMALL = 12


@pytest.fixture(scope="module")
def long_store(empty_database, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", SMALL)
        backend = copy_store(empty_database, tmp_path_factory.mktemp("audit-volumes") / "store")
        promote_in_turn(backend, 14)
    clear_book_cache()
    return backend


@pytest.fixture
def store(long_store, tmp_path):
    return copy_store(long_store.path, tmp_path / "store")


@pytest.fixture
def book(store):
    book = read_book_state(store, "wine").book
    assert len(book.volumes) == 3
    return book


def plain_text(page):
    return page_text(page).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.slow
def test_the_entries_of_all_volumes_are_one_list_of_one_book(app, store, book):
    page = app("audit", store)
    assert not page.exception
    assert f"{book.head} entries in 1 book" in plain_text(page)
    assert len(entries_table(page)) == book.head
    page = app("audit", store, **{"audit.kind": "Approved"})
    assert f"showing 14 of {book.head}" in plain_text(page)


@pytest.mark.parametrize("volume_index", range(3))
def test_an_entry_of_any_volume_opens_by_its_id_with_its_place_in_the_book(app, store, book, volume_index):
    first_position = book.volumes[volume_index].first_position
    decided = next(e for e in book.entries if e.position >= first_position and e.body.type == "DECIDED")
    page = app("audit", store, entry=decided.id)
    assert page.code[-1].value.startswith(f"{decided.position:06d} {decided.id}")


def test_the_end_of_a_volume_is_an_entry_like_others(app, store, book):
    volume_entry = next(e for e in book.entries if e.body.type == "VOLUME")
    page = app("audit", store, entry=volume_entry.id)
    assert not page.exception
    assert page.code[-1].value.startswith(f"{volume_entry.position:06d} {volume_entry.id}")
    assert "The book continues in another run" in entries_table(page)["what"].tolist()


def answer_text(page) -> str:
    """Return the sentence of the as-of card; a header if short, else a subheader."""
    return " ".join(element.value for element in (*page.header, *page.subheader))


def test_the_answer_of_a_time_in_the_first_volume_and_of_today_are_both_known(app, store, book):
    page = app("audit", store, **{"audit.of": "wine"})
    assert "v2" in answer_text(page)
    assert "moved there by **ana**" in page_text(page)
    first_applied_at = next(e.body.effective_at for e in book.entries if e.body.type == "APPLIED")
    page = app("audit", store, **{"audit.of": "wine", "audit.on": first_applied_at[:10]})
    assert not page.exception
    assert "nothing until" in answer_text(page)
    assert "more moves" in answer_text(page), answer_text(page)


def test_verify_and_noted_heads_go_through_all_volumes(app, store, book):
    page = app("audit", store)
    assert page.code[0].value == f"{book.head}:{book.chain} wine"
    page.button(key="audit.verify").click().run()
    assert "Chain intact" in page.success[0].value
    compare_anchors(page, f"5:{book.chains[5]} wine")
    assert "compared with 1 noted head" in page.success[0].value.replace("\N{NO-BREAK SPACE}", " ")
    compare_anchors(page, f"5:{'a' * 64} wine")
    assert not page.success
    assert any("differs from its anchor" in table.value.to_string() for table in page.table)


def test_a_deleted_volume_is_reported_with_advice_and_the_rest_is_verified(app, store, book):
    client(store).delete_run(book.volumes[1].run_id)
    clear_book_cache()
    page = app("audit", store)
    assert not page.exception
    assert f"The book was deleted. Restore run {book.volumes[1].run_id}" in plain_text(page)
    assert "No entries yet" not in plain_text(page)
    page.button(key="audit.verify").click().run()
    assert not page.success
    assert any("book deleted" in table.value.to_string() for table in page.table)
    assert any(f"Restore run {book.volumes[1].run_id}" in str(table.value.to_numpy().tolist()) for table in page.table)
    client(store).restore_run(book.volumes[1].run_id)
    clear_cache()
    page = app("audit", store)
    assert f"{book.head + 1} entries in 1 book" in plain_text(page)
    assert "The book itself was deleted, and restored" in plain_text(page)
