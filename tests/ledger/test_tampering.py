"""Deliberate tampering with a book through the API and directly in the database, reported with its place.

What the chain alone cannot reveal is revealed by a head stored elsewhere; both are checked each time.
"""

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.anchor_text import ModelAnchor, parse_anchor
from lib.ledger.chain.hash_chain import Anchor, chain_seed, encode_entry, param_key
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.registry.reconcile import sync_model_status
from lib.registry.verify import verify, verify_all
from tests.support.ledger_stores import DECISION, book_id_of, make_promoted_model, make_registered_model, make_writer
from tests.support.ledger_tampering import (
    delete_the_index_experiment,
    delete_the_index_run,
    delete_the_ledger,
    execute,
    point_the_index_at_another_run,
    rename_the_index,
    rename_the_ledger,
    repoint_the_index,
)
from tests.support.variants import thin, thin_rows

PLACES = 9
"""A book with three promotions: OPENED, then for v1 and v2 REGISTERED, DECIDED, APPLIED, then DECIDED and APPLIED of v1 again."""


@pytest.fixture
def book(fresh_store):
    """A store with one book of nine places and no head tag on any version, so that only the chain counts."""
    make_promoted_model(fresh_store, *"121")
    execute(fresh_store, "delete from model_version_tags")
    return TamperedBook(fresh_store, book_id_of(fresh_store))


class TamperedBook:
    """A book whose values are changed directly in the database."""

    def __init__(self, backend, run_id):
        self.backend, self.run_id = backend, run_id
        decoded_book = read_book_state(backend, "wine").book
        assert decoded_book.head == PLACES
        self.anchor = Anchor(decoded_book.head, decoded_book.chain)

    @property
    def params(self):
        return dict(execute(self.backend, "select key, value from params where run_uuid = ?", self.run_id))

    def put(self, position, value):
        self.remove(position)
        execute(
            self.backend, "insert into params (run_uuid, key, value) values (?, ?, ?)", self.run_id, param_key(position), value
        )

    def remove(self, position):
        execute(self.backend, "delete from params where run_uuid = ? and key = ?", self.run_id, param_key(position))

    def find_problems(self, *anchors):
        return [(finding.position, finding.what) for finding in verify(self.backend, "wine", anchors).findings]


def edit_a_body(book):
    book.put(6, book.params[param_key(6)].replace("Measured better on", "Measured worse on"))


def cut_the_text_of_an_entry(book):
    book.put(5, book.params[param_key(5)][:-40])


def delete_a_place(book):
    book.remove(4)


def delete_the_place_before_the_last(book):
    book.remove(PLACES - 1)


def swap_two(book):
    first, second = book.params[param_key(4)], book.params[param_key(6)]
    book.put(4, second)
    book.put(6, first)


def swap_the_last_two(book):
    first, second = book.params[param_key(8)], book.params[param_key(9)]
    book.put(8, second)
    book.put(9, first)


def copy_from_another_book(book):
    make_registered_model(book.backend, "beer")
    for version in "121":
        move_version(make_writer(book.backend), MoveRequest("beer", version, "Production"), DECISION)
    for position, value in execute(
        book.backend, "select key, value from params where run_uuid = ? and key < ?", book_id_of(book.backend, "beer"), "1"
    ):
        book.put(int(position), value)


def copy_one_entry_from_another_book(book):
    params = book.params
    copy_from_another_book(book)
    copied_value = book.params[param_key(5)]
    for position in range(1, PLACES + 1):
        book.put(position, copied_value if position == 5 else params[param_key(position)])


def cut_the_tail(book):
    for position in (7, 8, 9):
        book.remove(position)


def rewrite_the_last(book):
    chain = book.params[param_key(PLACES - 1)].split(" ", 3)[2]
    body = book.params[param_key(PLACES)].split(" ", 3)[3].replace("ana", "eve")
    book.put(PLACES, encode_entry(str(ULID()), body, chain)[0])


def rewrite_the_whole_book(book):
    chain = chain_seed(book.run_id)
    for position, value in sorted(book.params.items()):
        body = value.split(" ", 3)[3].replace("Measured better on", "Measured worse on")
        new_value = encode_entry(value[:26], body, chain)[0]
        book.put(int(position), new_value)
        chain = new_value.split(" ", 3)[2]


def put_an_entry_in_the_middle(book):
    values = book.params
    for position in range(PLACES, 4, -1):
        book.put(position + 1, values[param_key(position)])
    book.put(5, encode_entry(str(ULID()), '{"type":"LIE"}', values[param_key(4)].split(" ", 3)[2])[0])


IN_THE_DATABASE = [
    (edit_a_body, [(6, "edited")], []),
    (cut_the_text_of_an_entry, [(5, "missing")], []),
    (delete_a_place, [(4, "gap")], [(9, "head behind its anchor")]),
    (delete_the_place_before_the_last, [(9, "beyond the end")], [(9, "head behind its anchor")]),
    (swap_two, [(4, "reordered"), (7, "chain broken")], [(9, "differs from its anchor")]),
    (swap_the_last_two, [(8, "reordered")], [(9, "differs from its anchor")]),
    (
        copy_from_another_book,
        [(1, "void"), *((place, "chain broken") for place in range(2, 10))],
        [(9, "differs from its anchor")],
    ),
    (copy_one_entry_from_another_book, [(5, "void"), (7, "chain broken")], [(9, "differs from its anchor")]),
    (cut_the_tail, [], [(9, "head behind its anchor")]),
    (rewrite_the_last, [], [(9, "differs from its anchor")]),
    (rewrite_the_whole_book, [], [(9, "differs from its anchor")]),
    (put_an_entry_in_the_middle, [(6, "void"), (7, "chain broken")], [(9, "differs from its anchor")]),
]


@pytest.mark.parametrize(
    ("tamper", "alone", "anchored"), thin_rows(IN_THE_DATABASE, 3), ids=lambda problem: getattr(problem, "__name__", "")
)
def test_what_is_done_to_the_database_is_named_alone_or_with_a_noted_head(book, tamper, alone, anchored):
    tamper(book)
    problems = book.find_problems()
    assert [one for one in alone if one not in problems] == []
    assert bool(problems) == bool(alone)
    assert book.find_problems(book.anchor) == [*problems, *anchored]


@pytest.mark.parametrize("tamper", thin([swap_two, copy_one_entry_from_another_book, put_an_entry_in_the_middle], 3))
def test_a_broken_chain_stops_the_writing(book, tamper):
    tamper(book)
    with pytest.raises(LedgerBroken, match="chain broken"):
        move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION)


@pytest.mark.slow
@pytest.mark.parametrize("tamper", [delete_a_place, cut_the_tail, rewrite_the_last, rewrite_the_whole_book])
def test_a_head_on_a_version_stops_the_writing_where_the_chain_alone_would_not(fresh_store, tamper):
    make_registered_model(fresh_store)
    for version in "121":
        move_version(make_writer(fresh_store), MoveRequest("wine", version, "Production"), DECISION)
    tamper(TamperedBook(fresh_store, book_id_of(fresh_store)))
    with pytest.raises(LedgerBroken, match="anchor"):
        move_version(make_writer(fresh_store), MoveRequest("wine", "3", "Production"), DECISION)


def test_through_the_api_no_entry_can_be_edited_overwritten_or_deleted(book):
    mlflow = client(book.backend)
    params = book.params
    for position in range(1, PLACES + 1):
        with suppress(MlflowException):
            mlflow.log_param(book.run_id, param_key(position), "changed")
    mlflow.set_tag(book.run_id, param_key(3), "changed")
    mlflow.delete_tag(book.run_id, param_key(3))
    mlflow.log_metric(book.run_id, param_key(3), 1.0)
    mlflow.set_terminated(book.run_id, "FAILED")
    assert book.params == params
    assert book.find_problems(book.anchor) == []


def test_strays_planted_through_the_api_are_named_at_their_places_and_never_block(book):
    mlflow = client(book.backend)
    planted_value = encode_entry(str(ULID()), '{"type":"LIE"}', "f" * 64)[0]
    mlflow.log_param(book.run_id, param_key(PLACES + 1), "hello")
    mlflow.log_param(book.run_id, param_key(PLACES + 30), "hello")
    mlflow.log_param(book.run_id, param_key(PLACES + 40), planted_value)
    assert book.find_problems(book.anchor) == [(10, "void"), (39, "beyond the end"), (49, "beyond the end")]
    assert move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"


def test_two_entries_planted_beyond_the_end_that_go_on_from_one_another_are_a_gap_and_do_not_block_at_once(book):
    first_value = encode_entry(str(ULID()), '{"type":"LIE"}', "f" * 64)[0]
    second_value = encode_entry(str(ULID()), '{"type":"LIE"}', first_value.split(" ", 3)[2])[0]
    client(book.backend).log_param(book.run_id, param_key(PLACES + 30), first_value)
    client(book.backend).log_param(book.run_id, param_key(PLACES + 31), second_value)
    assert book.find_problems(book.anchor) == [(10, "gap")]
    assert move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION).outcome == "applied"


def test_a_well_formed_entry_under_a_false_name_shows_nowhere_and_that_is_said(book):
    """By design: anyone who may append may lie about their name; only `by.how` says how reliable it is."""
    decoded_book = read_book_state(book.backend, "wine").book
    recorded_at, chain = decoded_book.entries[4].body.recorded_at, decoded_book.chain
    body = (
        book.params[param_key(5)]
        .split(" ", 3)[3]
        .replace('"ana"', '"eve"')
        .replace(recorded_at, decoded_book.entries[-1].body.recorded_at)
    )
    client(book.backend).log_param(book.run_id, param_key(PLACES + 1), encode_entry(str(ULID()), body, chain)[0])
    assert book.find_problems(book.anchor) == []


def test_a_deleted_book_is_named_and_a_restored_one_is_whole_again(book):
    mlflow = client(book.backend)
    mlflow.delete_run(book.run_id)
    assert book.find_problems(book.anchor) == [(0, "book deleted")]
    with pytest.raises(LedgerBroken, match="was deleted"):
        move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION)
    mlflow.restore_run(book.run_id)
    assert book.find_problems(book.anchor) == []


def test_a_book_that_was_removed_for_good_is_missing(book):
    for table in ("params", "tags", "latest_metrics", "metrics", "runs"):
        execute(book.backend, f"delete from {table} where run_uuid = ?", book.run_id)
    assert [(v.model, [f.what for f in v.findings]) for v in verify_all(book.backend)] == [("wine", ["book missing"])]
    assert book.find_problems() == [(0, "book missing")]
    with pytest.raises((NotFound, LedgerBroken)):
        move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION)


@pytest.mark.parametrize(
    ("tamper", "fix"),
    thin_rows(
        [
            (rename_the_index, "Rename the experiment with tag podium.index"),
            (repoint_the_index, "Set its tag podium.index back to"),
            (delete_the_index_experiment, "Restore it in MLflow"),
            (delete_the_index_run, "Restore run"),
            (rename_the_ledger, "back to podium-ledger"),
            (delete_the_ledger, "Restore it in MLflow"),
        ],
        4,
    ),
)
def test_an_index_that_was_changed_is_named_with_its_cure_and_the_books_are_judged_all_the_same(book, tamper, fix):
    tamper(client(book.backend))
    index, wine = verify_all(book.backend)
    assert (index.model, [f.what for f in index.findings]) == (INDEX_EXPERIMENT, ["index changed"])
    assert fix in index.findings[0].means
    assert (wine.model, wine.book.head) == ("wine", PLACES)
    assert {f.what for f in wine.findings} <= {"book deleted"}
    with pytest.raises(LedgerBroken):
        move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION)


def test_an_index_pointed_at_another_run_everywhere_is_a_replaced_book(book):
    point_the_index_at_another_run(client(book.backend))
    with pytest.raises(LedgerBroken, match="does not name"):
        move_version(make_writer(book.backend), MoveRequest("wine", "3", "Production"), DECISION)
    with pytest.raises(LedgerBroken, match="does not name"):
        sync_model_status(make_writer(book.backend), "wine")


def test_a_book_replaced_by_another_of_the_same_index_differs_from_the_noted_head(book):
    anchor = ModelAnchor("wine", book.anchor)
    assert [v.findings for v in verify_all(book.backend, [anchor])] == [()]
    assert [f.what for f in verify_all(book.backend, [ModelAnchor("beer", book.anchor)])[1].findings] == ["book missing"]
    wrong_anchor = ModelAnchor("wine", Anchor(3, hashlib.sha256(b"x").hexdigest()))
    assert [f.what for v in verify_all(book.backend, [wrong_anchor]) for f in v.findings] == ["differs from its anchor"]


def test_the_head_as_a_line_is_what_verify_compares_with(book):
    (verdict,) = verify_all(book.backend)
    assert parse_anchor(verdict.anchor_line) == ModelAnchor("wine", book.anchor)


def test_a_head_noted_under_a_name_that_another_model_took_over_belongs_to_the_renamed_one(book):
    anchor = ModelAnchor("wine", book.anchor)
    client(book.backend).rename_registered_model("wine", "wine-old")
    make_registered_model(book.backend)
    for name in ("wine", "wine-old"):
        sync_model_status(make_writer(book.backend), name)
    assert [v.findings for v in verify_all(book.backend, [anchor])] == [(), ()]
    cut_the_tail(book)
    assert [f.what for v in verify_all(book.backend, [anchor]) for f in v.findings]


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_a_clock_that_is_a_day_off_changes_no_order_and_is_told(fresh_store, ahead):
    make_registered_model(fresh_store)
    skewed_writer = Writer(fresh_store, Actor(name="bo"), lambda: datetime.now(UTC) + ahead)
    for book_writer, version in (
        (make_writer(fresh_store), "1"),
        (skewed_writer, "2"),
        (make_writer(fresh_store), "3"),
        (skewed_writer, "1"),
    ):
        assert move_version(book_writer, MoveRequest("wine", version, "Production"), DECISION).outcome == "applied"
    state = read_book_state(fresh_store, "wine")
    assert [(e.body.version, e.body.by.name) for e in state.intents] == [("1", "ana"), ("2", "bo"), ("3", "ana"), ("1", "bo")]
    assert state.open_intents == ()
    assert [f.what for f in verify(fresh_store, "wine").findings] == ["clock ran backwards"]
    assert "by up to 86," in verify(fresh_store, "wine").findings[0].means
