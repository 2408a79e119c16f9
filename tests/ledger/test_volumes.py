"""Books with several volumes: transparent for readers, always continued by exactly one volume, and damage is reported."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.errors import LedgerBroken
from lib.ledger.chain.hash_chain import Anchor, chain_seed, encode_entry, param_key
from lib.ledger.entry.types import Volume, canonical_json
from lib.ledger.queries.history import entry_to_json, history_rows
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state import volumes
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.state.replay import replay, replay_from
from lib.ledger.state.volumes import VolumeParams, carry_findings, read_volumes
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import append, read_book
from lib.ledger.storage.book_index import ensure_book
from lib.ledger.storage.inventory_reader import read_inventory
from lib.registry.audit_queries import AsOfQuery, query_as_of, read_audit_log
from lib.registry.ledger_search import read_indexed_books
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_all_books, read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.verify import verify, verify_all
from tests.support.ledger_factories import COMMON_FIELDS, EMPTY_CARRY, make_opened, make_volumes
from tests.support.ledger_stores import (
    DECISION,
    book_id_of,
    clear_book_cache,
    make_registered_model,
    make_writer,
    promote_in_turn,
)
from tests.support.ledger_workers import (
    append_and_die,
    append_often_in_small_volumes,
    processes,
    promote_often_in_small_volumes,
    run_together,
)
from tests.support.registry_factories import check_at_rest, finish_open_decisions
from tests.support.variants import thin

SMALL_CAPACITY = 12


@pytest.fixture(autouse=True)
def small_volumes(monkeypatch):
    monkeypatch.setattr(volumes, "VOLUME_CAPACITY", SMALL_CAPACITY)
    clear_book_cache()


@pytest.fixture
def book_run_id(fresh_store):
    return ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id


def bodies_of(book):
    return [entry.body for entry in book.entries if entry.body.type != "VOLUME"]


def make_numbered_body(n):
    return make_opened(why="re-created").model_copy(update={"note": f"entry {n}"})


def append_bodies(backend, book_run_id, n):
    for number in range(n):
        append(make_writer(backend), book_run_id, lambda _, number=number: make_numbered_body(number))


def book_runs(backend):
    """The runs of the ledger except the index, with their tags."""
    experiment_id = client(backend).get_experiment_by_name("podium-ledger").experiment_id
    return [run for run in client(backend).search_runs([experiment_id], "") if run.data.tags["podium.kind"] != "index"]


LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@settings(deadline=None)
@given(LENGTHS)
def test_a_book_says_the_same_however_it_is_divided(lengths):
    bodies = [make_numbered_body(n) for n in range(sum(lengths))]
    volumes_by_run, _ = make_volumes(lengths, bodies)
    book = read_volumes(volumes_by_run.get, f"{0:032x}").book
    assert bodies_of(book) == bodies
    assert book.findings == ()
    assert [entry.position for entry in book.entries] == list(range(1, book.head + 1))
    assert len(book.volumes) == len(lengths)


@settings(deadline=None)
@given(LENGTHS, st.data())
def test_what_was_remembered_of_a_book_changes_no_reading_of_it_whatever_was_done_to_the_open_volume(lengths, data):
    volumes_by_run, _ = make_volumes(lengths, [make_numbered_body(n) for n in range(sum(lengths))])
    first_reading = read_volumes(volumes_by_run.get, f"{0:032x}", None, book_cache.decode_volume_cached)
    state, last_params = replay(first_reading.book), dict(volumes_by_run[f"{len(lengths) - 1:032x}"].params)
    for _ in range(data.draw(st.integers(0, 3))):
        name = data.draw(
            st.sampled_from([*last_params, param_key(first_reading.book.head + 1), param_key(first_reading.book.head + 2)])
        )
        last_params[name] = data.draw(
            st.sampled_from(
                [
                    *last_params.values(),
                    "stray",
                    last_params.get(name, "")[:-3] + "x",
                    last_params.get(name, "").replace("entry", "other"),
                ]
            )
        )
    changed_volumes = {**volumes_by_run, f"{len(lengths) - 1:032x}": VolumeParams(last_params)}
    fresh_reading, cached_reading = (
        read_volumes(changed_volumes.get, f"{0:032x}"),
        read_volumes(changed_volumes.get, f"{0:032x}", first_reading.finished_volumes, book_cache.decode_volume_cached),
    )
    assert cached_reading.book == fresh_reading.book
    assert replay_from(replay(fresh_reading.book), cached_reading.book).holdings == replay(fresh_reading.book).holdings
    assert replay_from(state, cached_reading.book) == replay(fresh_reading.book)


@settings(deadline=None)
@given(LENGTHS.filter(lambda lengths: sum(lengths[:-1])))
def test_the_next_volume_does_not_continue_a_book_whose_end_was_rewritten(lengths):
    last_run_id = f"{len(lengths) - 1:032x}"
    volumes_by_run, _ = make_volumes(lengths, [make_numbered_body(n) for n in range(sum(lengths))])
    other_volumes, _ = make_volumes(lengths, [make_numbered_body(n + 100) for n in range(sum(lengths))])
    forged_book = read_volumes({**other_volumes, last_run_id: volumes_by_run[last_run_id]}.get, f"{0:032x}").book
    assert [finding.what for finding in forged_book.findings] == ["void", *["chain broken"] * (lengths[-1] - 1)][: lengths[-1]]


def test_a_full_volume_is_followed_by_another_and_places_go_on_counting(fresh_store, book_run_id):
    append_bodies(fresh_store, book_run_id, 30)
    state = read_book(fresh_store, book_run_id)
    assert [(volume.first_position, volume.run_id == book_run_id) for volume in state.book.volumes] == [
        (1, True),
        (14, False),
        (27, False),
    ]
    assert [entry.position for entry in state.book.entries] == list(range(1, 33))
    assert [body.note for body in bodies_of(state.book)] == [f"entry {n}" for n in range(30)]
    assert state.findings() == carry_findings(state.book) == ()
    first_run_id, second_volume = state.book.volumes[0].run_id, state.book.volumes[1]
    volume_end = next(entry for entry in state.book.entries if entry.body.type == "VOLUME")
    assert (volume_end.body.next, second_volume.chain_before) == (
        second_volume.run_id,
        chain_seed(second_volume.run_id, volume_end.chain),
    )
    assert client(fresh_store).get_run(second_volume.run_id).info.status == "FINISHED"
    assert client(fresh_store).get_run(first_run_id).data.tags["podium.kind"] == "volume"


def test_a_guard_that_refuses_at_a_full_volume_begins_no_other(fresh_store, book_run_id):
    append_bodies(fresh_store, book_run_id, SMALL_CAPACITY)
    assert append(make_writer(fresh_store), book_run_id, lambda _: None) is None
    assert len(book_runs(fresh_store)) == 1


def test_a_look_at_a_long_book_fetches_only_its_last_volume(fresh_store, monkeypatch, book_run_id):
    append_bodies(fresh_store, book_run_id, 30)
    read_book(fresh_store, book_run_id)
    get_run, asked_ids = client(fresh_store).get_run, []
    monkeypatch.setattr(client(fresh_store), "get_run", lambda run_id: asked_ids.append(run_id) or get_run(run_id))
    state = read_book(fresh_store, book_run_id)
    assert asked_ids == [state.book.volumes[-1].run_id]
    assert len(bodies_of(state.book)) == 30


def test_a_look_understands_only_what_is_new(fresh_store, monkeypatch, book_run_id):
    append_bodies(fresh_store, book_run_id, 5)
    clear_book_cache()
    parse_body, texts = book_cache.parse_body, []
    monkeypatch.setattr(book_cache, "parse_body", lambda text: texts.append(text) or parse_body(text))
    read_book(fresh_store, book_run_id)
    read_book(fresh_store, book_run_id)
    append(make_writer(fresh_store), book_run_id, lambda _: make_numbered_body(99))
    read_book(fresh_store, book_run_id)
    assert len(texts) == 6


def test_a_process_that_remembers_a_later_day_follows_a_database_that_was_put_back(fresh_store, book_run_id):
    append_bodies(fresh_store, book_run_id, SMALL_CAPACITY)
    path, earlier_bytes = fresh_store.path, fresh_store.path.read_bytes()
    append_bodies(fresh_store, book_run_id, 3)
    assert read_book(fresh_store, book_run_id).book.head == 16
    path.write_bytes(earlier_bytes)
    assert read_book(fresh_store, book_run_id).book.head == SMALL_CAPACITY
    append_bodies(fresh_store, book_run_id, 2)
    assert read_book(fresh_store, book_run_id).book.head == 15


def make_two_volume_book(backend):
    """Nine promotions of a model in turn: a book of two volumes."""
    return promote_in_turn(backend, 9)


def test_history_log_as_of_and_the_strip_go_through_all_volumes(fresh_store):
    state = make_two_volume_book(fresh_store)
    assert len(state.book.volumes) == 2
    assert len(state.intents) == 9
    assert len([holding for holding in recorded_holdings(state.current_life_entries) if holding.slot == "production"]) == 9
    assert [row.position for row in history_rows(state)] == list(range(state.book.head, 0, -1))
    assert [entry_to_json(entry)["place"] for entry in state.book.entries] == list(range(1, state.book.head + 1))
    assert [row.entry.position for row in read_audit_log(fresh_store)] == list(range(state.book.head, 0, -1))
    for entry in state.book.entries:
        if entry.body.type == "APPLIED":
            at = entry.body.effective_at
            query = AsOfQuery("production", parse_time_query(at, datetime.now(UTC)), datetime.now(UTC))
            (holder,) = query_as_of(fresh_store, "wine", query).answer.holders
            assert holder.version == entry.body.version
            assert entry.position in holder.entry_positions


def test_the_line_of_a_volume_says_so_in_words(fresh_store):
    state = make_two_volume_book(fresh_store)
    (row,) = [row for row in history_rows(state) if row.badge == "VOLUME"]
    assert row.summary == "The book continues in another run"


def test_verify_goes_through_all_volumes_and_takes_anchors_of_every_place(fresh_store):
    state = make_two_volume_book(fresh_store)
    anchors = [Anchor(position, chain) for position, chain in enumerate(state.book.chains) if position]
    verdict = verify(fresh_store, "wine", anchors)
    assert (verdict.findings, verdict.book.head) == ((), state.book.head)
    assert [verification.findings for verification in verify_all(fresh_store)] == [()]
    beyond_end = verify(fresh_store, "wine", [Anchor(state.book.head + 1, "0" * 64)])
    assert [f.what for f in beyond_end.findings] == ["head behind its anchor"]
    assert [f.position for f in verify(fresh_store, "wine", [Anchor(5, "0" * 64)]).findings] == [5]


def test_every_book_is_the_same_with_and_without_what_is_remembered(fresh_store):
    make_two_volume_book(fresh_store)
    uncached_books = read_indexed_books(fresh_store, read_inventory(fresh_store, ())).books
    assert read_all_books(fresh_store) == uncached_books
    clear_book_cache()
    assert read_all_books(fresh_store) == uncached_books
    first_run_id = book_id_of(fresh_store)
    client(fresh_store).set_tag(first_run_id, "podium.kind", "hidden")
    clear_book_cache()
    (book_reading,) = read_all_books(fresh_store).values()
    assert book_reading.is_active
    assert book_reading.state.book == read_book_state(fresh_store, "wine").book


def test_a_renamed_model_keeps_its_volumes(fresh_store):
    head = make_two_volume_book(fresh_store).book.head
    client(fresh_store).rename_registered_model("wine", "wine-old")
    assert move_version(make_writer(fresh_store), MoveRequest("wine-old", "1", "Production"), DECISION).outcome == "applied"
    added_types = [entry.body.type for entry in read_book_state(fresh_store, "wine-old").book.entries if entry.position > head]
    assert [entry_type for entry_type in added_types if entry_type != "VOLUME"] == ["OBSERVED", "DECIDED", "APPLIED"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_deleted_volume_stops_the_writing_and_is_named_by_verify(fresh_store, index):
    run_id = make_two_volume_book(fresh_store).book.volumes[index].run_id
    client(fresh_store).delete_run(run_id)
    assert "book deleted" in [f.what for f in verify(fresh_store, "wine").findings]
    clear_book_cache()
    with pytest.raises(LedgerBroken, match="deleted"):
        move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    client(fresh_store).restore_run(run_id)
    assert verify(fresh_store, "wine").findings == ()
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION).outcome == "applied"


def plant_volume_end(backend, book_run_id, next_run_id):
    state = read_book(backend, book_run_id)
    value, _ = encode_entry(
        str(ULID()), canonical_json(Volume(**COMMON_FIELDS, next=next_run_id, carry=EMPTY_CARRY)), state.book.tip
    )
    client(backend).log_param(state.book.volumes[-1].run_id, param_key(state.book.head + 1), value)


@pytest.mark.parametrize(("next_", "what"), [("f" * 32, "volume missing"), ("", "volume named twice")])
def test_a_volume_that_leads_nowhere_or_back_is_named_and_stops_the_writing(fresh_store, book_run_id, next_, what):
    append_bodies(fresh_store, book_run_id, 3)
    plant_volume_end(fresh_store, book_run_id, next_ or book_run_id)
    state = read_book(fresh_store, book_run_id)
    assert [(f.position, f.what) for f in state.findings()] == [(4, what)]
    assert len(bodies_of(state.book)) == 3
    with pytest.raises(LedgerBroken, match=what):
        append_bodies(fresh_store, book_run_id, 1)


def test_a_carry_that_its_entries_do_not_add_up_to_is_named_by_verify(fresh_store):
    make_registered_model(fresh_store)
    book_run_id = sync_model_status(make_writer(fresh_store), "wine").book_id
    other_run_id = client(fresh_store).create_run(client(fresh_store).get_run(book_run_id).info.experiment_id).info.run_id
    plant_volume_end(fresh_store, book_run_id, other_run_id)
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION).outcome == "applied"
    assert [(f.position, f.what, f.blocks_writing) for f in verify(fresh_store, "wine").findings] == [
        (2, "carry differs", False),
        (2, "clock ran backwards", False),  # the planted value is from an earlier day
    ]


def test_a_value_planted_beyond_the_end_of_a_finished_volume_is_named_and_blocks_nothing(fresh_store, book_run_id):
    append_bodies(fresh_store, book_run_id, 20)
    client(fresh_store).log_param(book_run_id, param_key(14), "stray")
    clear_book_cache()
    append_bodies(fresh_store, book_run_id, 1)
    assert [(f.position, f.what) for f in read_book(fresh_store, book_run_id).findings()] == [(14, "beyond the end")]


@pytest.mark.parametrize("write_limit", thin(range(6), 3))
def test_death_at_every_step_of_beginning_another_volume_leaves_one_that_others_go_on_in(fresh_store, book_run_id, write_limit):
    append_bodies(fresh_store, book_run_id, SMALL_CAPACITY)
    child = processes.Process(target=append_and_die, args=(fresh_store, book_run_id, SMALL_CAPACITY, write_limit))
    child.start()
    child.join()
    assert child.exitcode == -9
    append_bodies(fresh_store, book_run_id, 2)
    state = read_book(fresh_store, book_run_id)
    assert [body.note for body in bodies_of(state.book)] == [
        *(f"entry {n}" for n in range(SMALL_CAPACITY)),
        *(["mine"] if write_limit == 5 else []),
        "entry 0",
        "entry 1",
    ]
    assert len(state.book.volumes) == 2
    assert state.findings() == carry_findings(state.book) == ()


@pytest.mark.slow
def test_four_processes_at_the_end_of_a_volume_agree_on_the_next_and_lose_nothing(fresh_store, book_run_id):
    append_bodies(fresh_store, book_run_id, SMALL_CAPACITY - 1)
    run_together(append_often_in_small_volumes, [(fresh_store, book_run_id, SMALL_CAPACITY, f"p{n}", 8) for n in range(4)])
    decoded_book = read_book(fresh_store, book_run_id).book
    notes = [body.note for body in bodies_of(decoded_book)][SMALL_CAPACITY - 1 :]
    assert sorted(notes) == sorted(f"p{n} {number}" for n in range(4) for number in range(8))
    assert [[note for note in notes if note.startswith(f"p{n}")] for n in range(4)] == [
        [f"p{n} {number}" for number in range(8)] for n in range(4)
    ]
    assert [entry.position for entry in decoded_book.entries] == list(range(1, decoded_book.head + 1))
    assert [volume.first_position for volume in decoded_book.volumes] == [1, 14, 27, 40]
    assert len({volume.run_id for volume in decoded_book.volumes}) == 4
    assert decoded_book.findings == carry_findings(decoded_book) == ()


@pytest.mark.slow
def test_processes_promoting_across_the_ends_of_volumes_leave_one_production(fresh_store):
    make_registered_model(fresh_store, versions=3)
    run_together(promote_often_in_small_volumes, [(fresh_store, SMALL_CAPACITY, n, 5) for n in (1, 2, 3)])
    finish_open_decisions(make_writer(fresh_store), "wine")
    types = check_at_rest(fresh_store)
    assert types["VOLUME"] >= 1, "how many promotions found something to change differs from run to run"
    assert types["OBSERVED"] == 0
    assert types["DECIDED"] == types["APPLIED"] + types["OVERTAKEN"]
    assert verify(fresh_store, "wine").findings == ()
    assert len(read_snapshot(fresh_store, "wine").slot_states["production"].stage) == 1


def test_an_open_volume_is_hashed_again_as_soon_as_one_letter_differs(fresh_store, monkeypatch, book_run_id):
    append_bodies(fresh_store, book_run_id, 4)
    clear_book_cache()
    decode_volume, hashed_ids = book_cache.decode_volume, []
    monkeypatch.setattr(book_cache, "decode_volume", lambda *args: hashed_ids.append(args[1]) or decode_volume(*args))
    state = read_book(fresh_store, book_run_id)
    assert read_book(fresh_store, book_run_id).book is state.book
    assert hashed_ids == [book_run_id]
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update params set value = replace(value, '}', ' }') where run_uuid = ? and key = '000003'", (book_run_id,))
    assert [finding.what for finding in read_book(fresh_store, book_run_id).book.findings] == ["edited"]
    assert hashed_ids == [book_run_id, book_run_id]
