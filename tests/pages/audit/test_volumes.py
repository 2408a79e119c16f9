"""The Audit page over a book of several volumes: one list, one answer, one check, and a volume that is gone is said in place."""

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.state import volumes
from lib.ledger.storage import book_cache
from lib.registry.reader import read_book_state
from lib.ui.queries.registry import clear_cache
from tests.conftest import copy_store
from tests.pages.audit.test_page import listed, noted, texts
from tests.support.ledger_stores import promote_in_turn

SMALL = 12


@pytest.fixture(scope="module")
def long_store(empty_database, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", SMALL)
        backend = copy_store(empty_database, tmp_path_factory.mktemp("audit-volumes") / "store")
        promote_in_turn(backend, 14)
    book_cache.clear_cache()
    return backend


@pytest.fixture
def store(long_store, tmp_path):
    return copy_store(long_store.path, tmp_path / "store")


@pytest.fixture
def reading(store):
    found = read_book_state(store, "wine").book
    assert len(found.volumes) == 3
    return found


def plain(page):
    return texts(page).replace("\N{NO-BREAK SPACE}", " ")


def test_the_entries_of_all_volumes_are_one_list_of_one_book(app, store, reading):
    page = app("audit", store)
    assert not page.exception
    assert f"{reading.head} entries in 1 book" in plain(page)
    assert len(listed(page)) == reading.head
    page = app("audit", store, **{"audit.kind": "Approved"})
    assert f"showing 14 of {reading.head}" in plain(page)


@pytest.mark.parametrize("which", range(3))
def test_an_entry_of_any_volume_opens_by_its_id_with_its_place_in_the_book(app, store, reading, which):
    first = reading.volumes[which].first_position
    decided = next(e for e in reading.entries if e.position >= first and e.body.type == "DECIDED")
    page = app("audit", store, entry=decided.id)
    assert page.code[-1].value.startswith(f"{decided.position:06d} {decided.id}")


def test_the_end_of_a_volume_is_an_entry_like_others(app, store, reading):
    ends = next(e for e in reading.entries if e.body.type == "VOLUME")
    page = app("audit", store, entry=ends.id)
    assert not page.exception
    assert page.code[-1].value.startswith(f"{ends.position:06d} {ends.id}")
    assert "The book goes on in another run" in listed(page)["what"].tolist()


def answer(page) -> str:
    """The sentence of the as-of card: large when it is short."""
    return " ".join(one.value for one in (*page.header, *page.subheader))


def test_the_answer_of_a_time_in_the_first_volume_and_of_today_are_both_known(app, store, reading):
    page = app("audit", store, **{"audit.of": "wine"})
    assert "v2" in answer(page)
    assert "put there by **ana**" in texts(page)
    early = next(e.body.effective_at for e in reading.entries if e.body.type == "APPLIED")
    page = app("audit", store, **{"audit.of": "wine", "audit.on": early[:10]})
    assert not page.exception
    assert "nothing until" in answer(page)
    assert "more moves" in answer(page), answer(page)


def test_verify_and_noted_heads_go_through_all_volumes(app, store, reading):
    page = app("audit", store)
    assert page.code[0].value == f"{reading.head}:{reading.chain} wine"
    page.button(key="audit.verify").click().run()
    assert "Chain intact" in page.success[0].value
    noted(page, f"5:{reading.chains[5]} wine")
    assert "compared with 1 noted head" in page.success[0].value.replace("\N{NO-BREAK SPACE}", " ")
    noted(page, f"5:{'a' * 64} wine")
    assert not page.success
    assert any("differs from its anchor" in one.value.to_string() for one in page.table)


def test_a_volume_that_was_deleted_is_said_with_what_to_do_and_what_is_left_is_checked(app, store, reading):
    client(store).delete_run(reading.volumes[1].run_id)
    book_cache.clear_cache()
    page = app("audit", store)
    assert not page.exception
    assert f"The book was deleted. Restore run {reading.volumes[1].run_id}" in plain(page)
    assert "No entry yet" not in plain(page)
    page.button(key="audit.verify").click().run()
    assert not page.success
    assert any("book deleted" in one.value.to_string() for one in page.table)
    assert any(f"Restore run {reading.volumes[1].run_id}" in str(one.value.to_numpy().tolist()) for one in page.table)
    client(store).restore_run(reading.volumes[1].run_id)
    clear_cache()
    page = app("audit", store)
    assert f"{reading.head + 1} entries in 1 book" in plain(page)
    assert "The book itself was deleted, and restored" in plain(page)
