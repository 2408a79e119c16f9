"""The memory file: intact, private, only growing, shared by processes, and never overwritten if unreadable."""

import json
import stat
from datetime import UTC, datetime

import pytest

from lib.backends.backend import Backend
from lib.errors import LedgerBroken
from lib.ledger.chain.hash_chain import DecodedBook, hash_text
from lib.ledger.chain.signatures import NO_KEYS
from lib.ledger.state.known_heads import KnownHead, KnownStore
from lib.ledger.storage.head_memory import MEMORY_FILE, HeadMemory, create_head_memory
from tests.support.ledger_workers import remember_growing_books, run_together

STORE, OTHER_STORE = Backend("sqlite:////a/mlflow.db", "sqlite"), Backend("http://ledger.example", "server", "principal-of-ana")
AT = "2026-11-24T10:00:00.000Z"


@pytest.fixture
def memory(tmp_path):
    """The memory of a Podium that has seen nothing yet; its folder does not exist."""
    return HeadMemory(tmp_path / "home", lambda: NO_KEYS)


def make_head(length, book_id="b" * 32, model="wine"):
    book = DecodedBook((), tuple(hash_text(f"{book_id} {n}") for n in range(length + 1)), ())
    return KnownHead(model, book_id, book.head, book.chain, AT), book


def document_of(memory):
    return json.loads(memory.file.read_text())


def test_what_was_remembered_of_a_store_is_read_again_and_of_no_other(memory):
    assert memory.read(STORE) == KnownStore()
    assert memory.remember(STORE, "i" * 32, [make_head(3)], {})
    assert memory.read(STORE) == KnownStore("i" * 32, {"b" * 32: make_head(3)[0]})
    assert memory.read(OTHER_STORE) == KnownStore()
    assert memory.read(STORE.with_principal("somebody")) == memory.read(STORE)


def test_each_workspace_of_a_server_is_remembered_apart(tmp_path):
    default, risk = (
        create_head_memory({"PODIUM_HOME": str(tmp_path), "MLFLOW_WORKSPACE": name}, tmp_path) for name in ("", " risk ")
    )
    default.remember(OTHER_STORE, "i" * 32, [make_head(3)], {})
    assert risk.read(OTHER_STORE) == KnownStore()
    risk.remember(OTHER_STORE, "r" * 32, [make_head(2)], {})
    assert (default.read(OTHER_STORE).index_id, risk.read(OTHER_STORE).index_id) == ("i" * 32, "r" * 32)
    default.remember(STORE, "l" * 32, [make_head(3)], {})
    assert risk.read(STORE) == default.read(STORE)


def test_the_file_is_for_this_login_alone_and_holds_no_credential(memory):
    memory.remember(OTHER_STORE, "", [make_head(3)], {})
    assert stat.S_IMODE(memory.file.stat().st_mode) == 0o600
    assert "principal" not in memory.file.read_text()
    assert [file.name for file in memory.home.iterdir() if not file.name.endswith(".lock")] == [MEMORY_FILE]


def test_nothing_is_written_where_nothing_is_new(memory):
    memory.remember(STORE, "i", [make_head(3)], {})
    written_at = memory.file.stat().st_mtime_ns
    for length in (3, 2, 1):
        assert memory.remember(STORE, "", [make_head(length)], {})
    assert memory.file.stat().st_mtime_ns == written_at


def test_a_head_that_a_person_replaced_is_kept_with_the_entry_that_says_so(memory):
    book_id = "b" * 32
    memory.remember(STORE, "i", [make_head(3)], {})
    memory.remember(STORE, "i", [make_head(2)], {book_id: frozenset({"e1"})})
    assert (memory.read(STORE).heads[book_id].position, memory.read(STORE).heads[book_id].settlement_ids) == (2, {"e1"})
    (replaced,) = document_of(memory)["backends"][STORE.uri]["replaced"]
    assert (replaced["book"], replaced["place"], replaced["by"]) == (book_id, 3, ["e1"])
    memory.remember(STORE, "i", [make_head(1)], {book_id: frozenset({"e1"})})
    assert memory.read(STORE).heads[book_id].position == 2


def test_another_store_is_accepted_once_and_the_earlier_one_stays_written_down(memory):
    memory.remember(STORE, "i1", [make_head(3)], {})
    assert memory.accept_store(STORE, "i2", datetime(2026, 11, 30, tzinfo=UTC), "ana", "We started over with an empty database.")
    assert memory.read(STORE) == KnownStore("i2", {})
    (earlier,) = document_of(memory)["backends"][STORE.uri]["earlier"]
    assert (earlier["index"], earlier["by"], earlier["heads"]["b" * 32]["place"]) == ("i1", "ana", 3)
    memory.remember(STORE, "i2", [make_head(1)], {})
    assert len(document_of(memory)["backends"][STORE.uri]["earlier"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "backends": {}}',
        '{"format": 1, "backends": {"u": {"heads": {"b": {"place": 0}}}}}',
        '{"more": 1}',
    ],
)
def test_a_file_that_cannot_be_read_stops_everything_and_is_left_as_it_is(memory, text):
    memory.home.mkdir()
    memory.file.write_text(text)
    for call in (
        lambda: memory.read(STORE),
        lambda: memory.remember(STORE, "i", [make_head(3)], {}),
        lambda: memory.accept_store(STORE, "i", datetime.now(UTC), "ana", "r"),
    ):
        with pytest.raises(LedgerBroken, match="cannot be read"):
            call()
    assert memory.file.read_text() == text


def test_a_file_that_is_damaged_after_it_was_read_is_noticed(memory):
    memory.remember(STORE, "i", [make_head(3)], {})
    memory.file.write_text("damaged")
    with pytest.raises(LedgerBroken):
        memory.read(STORE)


def test_where_the_folder_cannot_be_made_nothing_is_remembered_and_reading_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    memory = HeadMemory(tmp_path / "file" / "home", lambda: NO_KEYS)
    assert not memory.remember(STORE, "i", [make_head(3)], {})
    assert not memory.accept_store(STORE, "i", datetime.now(UTC), "ana", "r")
    assert memory.read(STORE) == KnownStore()


def test_processes_that_remember_at_once_lose_nothing_of_each_other(memory):
    results = run_together(remember_growing_books, [(str(memory.home), name * 32) for name in "abc"])
    assert results == [True] * 3
    heads = memory.read(STORE).heads
    assert {head.book_id[0]: head.position for head in heads.values()} == {"a": 15, "b": 15, "c": 15, "d": 15}
