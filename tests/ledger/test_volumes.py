"""A book that goes on in volumes: nothing changes for readers, one volume follows another whatever happens, and what was damaged is named."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.errors import LedgerBroken
from lib.ledger.chain.hash_chain import Anchor, chain_seed, decode_volume, encode_entry, param_key
from lib.ledger.entry.types import Carry, Volume, canonical_json
from lib.ledger.queries.history import entry_to_json, history_rows
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state import volumes
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.state.replay import replay, replay_from
from lib.ledger.state.volumes import VolumeParams, carry_findings, read_volumes
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import append, read_book
from lib.ledger.storage.book_index import ensure_book
from lib.ledger.storage.book_lookup import ModelIncarnation
from lib.registry.audit_queries import AsOfQuery, query_as_of, read_audit_log
from lib.registry.promote import MoveRequest, move_version
from lib.registry.reader import read_all_books, read_all_books_uncached, read_book_state, read_snapshot
from lib.registry.reconcile import recover, sync_model_status
from lib.registry.verify import verify, verify_all
from tests.ledger.test_replay import COMMON, now, opened
from tests.support.ledger_stores import REASON, book_id_of, make_registered_model, make_writer, promote_in_turn
from tests.support.ledger_workers import (
    append_and_die,
    append_often_in_small_volumes,
    processes,
    promote_often_in_small_volumes,
    run_together,
)
from tests.support.registry_factories import check_at_rest as at_rest

SMALL = 12
NOTHING = Carry(now=now(), wanted={})


@pytest.fixture(autouse=True)
def small_volumes(monkeypatch):
    monkeypatch.setattr(volumes, "VOLUME_CAPACITY", SMALL)
    book_cache.clear_cache()


@pytest.fixture
def book(fresh_store):
    return ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id


def bodies(reading):
    return [entry.body for entry in reading.entries if entry.body.type != "VOLUME"]


def said(n):
    return opened(why="re-created").model_copy(update={"note": f"entry {n}"})


def fill(backend, book, n):
    for one in range(n):
        append(backend, book, lambda _, one=one: said(one))


def runs(backend):
    """The runs of the ledger that are no index, with their tags."""
    home = client(backend).get_experiment_by_name("podium-ledger").experiment_id
    return [run for run in client(backend).search_runs([home], "") if run.data.tags["podium.kind"] != "index"]


def paper(lengths, notes):
    """The sheets of a book on paper whose volumes have these lengths, written as `append` does."""
    sheets, before, left = {}, None, list(notes)
    for n, length in enumerate(lengths):
        run_id, params = f"{n:032x}", {}
        reading = decode_volume(params, run_id, before)
        for body in [*left[:length], *([Volume(**COMMON, next=f"{n + 1:032x}", carry=NOTHING)] if n + 1 < len(lengths) else [])]:
            value, more = encode_entry(str(ULID()), canonical_json(body), reading.tip)
            params |= {param_key(reading.head + 1): value, **more}
            reading = decode_volume(params, run_id, before)
        left, before = left[length:], reading
        sheets[run_id] = VolumeParams(params)
    return sheets, reading


LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@settings(deadline=None)
@given(LENGTHS)
def test_a_book_says_the_same_however_it_is_divided(lengths):
    notes = [said(n) for n in range(sum(lengths))]
    sheets, _ = paper(lengths, notes)
    reading = read_volumes(sheets.get, f"{0:032x}").book
    assert bodies(reading) == notes
    assert reading.findings == ()
    assert [entry.position for entry in reading.entries] == list(range(1, reading.head + 1))
    assert len(reading.volumes) == len(lengths)


@settings(deadline=None)
@given(LENGTHS, st.data())
def test_what_was_remembered_of_a_book_changes_no_reading_of_it_whatever_was_done_to_the_open_volume(lengths, data):
    sheets, _ = paper(lengths, [said(n) for n in range(sum(lengths))])
    first = read_volumes(sheets.get, f"{0:032x}", None, book_cache.decode_volume_cached)
    state, last = replay(first.book), dict(sheets[f"{len(lengths) - 1:032x}"].params)
    for _ in range(data.draw(st.integers(0, 3))):
        name = data.draw(st.sampled_from([*last, param_key(first.book.head + 1), param_key(first.book.head + 2)]))
        last[name] = data.draw(
            st.sampled_from(
                [*last.values(), "stray", last.get(name, "")[:-3] + "x", last.get(name, "").replace("entry", "other")]
            )
        )
    after = {**sheets, f"{len(lengths) - 1:032x}": VolumeParams(last)}
    anew, quick = (
        read_volumes(after.get, f"{0:032x}"),
        read_volumes(after.get, f"{0:032x}", first.finished_volumes, book_cache.decode_volume_cached),
    )
    assert quick.book == anew.book
    assert replay_from(replay(anew.book), quick.book).holdings == replay(anew.book).holdings
    assert replay_from(state, quick.book) == replay(anew.book)


@settings(deadline=None)
@given(LENGTHS.filter(lambda lengths: sum(lengths[:-1])))
def test_the_next_volume_does_not_continue_a_book_whose_end_was_rewritten(lengths):
    last = f"{len(lengths) - 1:032x}"
    sheets, _ = paper(lengths, [said(n) for n in range(sum(lengths))])
    other, _ = paper(lengths, [said(n + 100) for n in range(sum(lengths))])
    forged = read_volumes({**other, last: sheets[last]}.get, f"{0:032x}").book
    assert [f.what for f in forged.findings] == ["void", *["chain broken"] * (lengths[-1] - 1)][: lengths[-1]]


def test_a_full_volume_is_followed_by_another_and_places_go_on_counting(fresh_store, book):
    fill(fresh_store, book, 30)
    state = read_book(fresh_store, book)
    assert [(part.first_position, part.run_id == book) for part in state.book.volumes] == [(1, True), (14, False), (27, False)]
    assert [entry.position for entry in state.book.entries] == list(range(1, 33))
    assert [body.note for body in bodies(state.book)] == [f"entry {n}" for n in range(30)]
    assert state.findings() == carry_findings(state.book) == ()
    one, two = state.book.volumes[0].run_id, state.book.volumes[1]
    ends = next(entry for entry in state.book.entries if entry.body.type == "VOLUME")
    assert (ends.body.next, two.chain_before) == (two.run_id, chain_seed(two.run_id, ends.chain))
    assert client(fresh_store).get_run(two.run_id).info.status == "FINISHED"
    assert client(fresh_store).get_run(one).data.tags["podium.kind"] == "volume"


def test_a_guard_that_refuses_at_a_full_volume_begins_no_other(fresh_store, book):
    fill(fresh_store, book, SMALL)
    assert append(fresh_store, book, lambda _: None) is None
    assert len(runs(fresh_store)) == 1


def test_a_look_at_a_long_book_fetches_only_its_last_volume(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 30)
    read_book(fresh_store, book)
    real, asked = client(fresh_store).get_run, []
    monkeypatch.setattr(client(fresh_store), "get_run", lambda run_id: asked.append(run_id) or real(run_id))
    state = read_book(fresh_store, book)
    assert asked == [state.book.volumes[-1].run_id]
    assert len(bodies(state.book)) == 30


def test_a_look_understands_only_what_is_new(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 5)
    book_cache.clear_cache()
    real, texts = book_cache.parse_body, []
    monkeypatch.setattr(book_cache, "parse_body", lambda text: texts.append(text) or real(text))
    read_book(fresh_store, book)
    read_book(fresh_store, book)
    append(fresh_store, book, lambda _: said(99))
    read_book(fresh_store, book)
    assert len(texts) == 6


def test_a_process_that_remembers_a_later_day_follows_a_database_that_was_put_back(fresh_store, book):
    fill(fresh_store, book, SMALL)
    path, earlier = fresh_store.path, fresh_store.path.read_bytes()
    fill(fresh_store, book, 3)
    assert read_book(fresh_store, book).book.head == 16
    path.write_bytes(earlier)
    assert read_book(fresh_store, book).book.head == SMALL
    fill(fresh_store, book, 2)
    assert read_book(fresh_store, book).book.head == 15


def long_story(backend):
    """Nine promotions of a model in turn: a book of two volumes."""
    return promote_in_turn(backend, 9)


def test_history_log_as_of_and_the_strip_go_through_all_volumes(fresh_store):
    state = long_story(fresh_store)
    assert len(state.book.volumes) == 2
    assert len(state.intents) == 9
    assert len([one for one in recorded_holdings(state.current_life_entries) if one.slot == "production"]) == 9
    assert [line.position for line in history_rows(state)] == list(range(state.book.head, 0, -1))
    assert [entry_to_json(entry)["place"] for entry in state.book.entries] == list(range(1, state.book.head + 1))
    assert [line.entry.position for line in read_audit_log(fresh_store)] == list(range(state.book.head, 0, -1))
    for entry in state.book.entries:
        if entry.body.type == "APPLIED":
            at = entry.body.effective_at
            question = AsOfQuery("production", parse_time_query(at, datetime.now(UTC)), datetime.now(UTC))
            (holder,) = query_as_of(fresh_store, "wine", question).answer.holders
            assert holder.version == entry.body.version
            assert entry.position in holder.entry_positions


def test_the_line_of_a_volume_says_so_in_words(fresh_store):
    state = long_story(fresh_store)
    (line,) = [line for line in history_rows(state) if line.badge == "VOLUME"]
    assert line.summary == "The book goes on in another run"


def test_verify_goes_through_all_volumes_and_takes_anchors_of_every_place(fresh_store):
    state = long_story(fresh_store)
    anchors = [Anchor(place, chain) for place, chain in enumerate(state.book.chains) if place]
    verdict = verify(fresh_store, "wine", anchors)
    assert (verdict.findings, verdict.book.head) == ((), state.book.head)
    assert [one.findings for one in verify_all(fresh_store)] == [()]
    beyond = verify(fresh_store, "wine", [Anchor(state.book.head + 1, "0" * 64)])
    assert [f.what for f in beyond.findings] == ["head behind its anchor"]
    assert [f.position for f in verify(fresh_store, "wine", [Anchor(5, "0" * 64)]).findings] == [5]


def test_every_book_is_the_same_with_and_without_what_is_remembered(fresh_store):
    long_story(fresh_store)
    assert read_all_books(fresh_store) == read_all_books_uncached(fresh_store)
    book_cache.clear_cache()
    assert read_all_books(fresh_store) == read_all_books_uncached(fresh_store)
    first = book_id_of(fresh_store)
    client(fresh_store).set_tag(first, "podium.kind", "hidden")
    book_cache.clear_cache()
    (told,) = read_all_books(fresh_store).values()
    assert told.is_active
    assert told.state.book == read_book_state(fresh_store, "wine").book


def test_a_renamed_model_keeps_its_volumes(fresh_store):
    head = long_story(fresh_store).book.head
    client(fresh_store).rename_registered_model("wine", "wine-old")
    assert move_version(make_writer(fresh_store), MoveRequest("wine-old", "1", "Production", REASON)).outcome == "applied"
    added = [e.body.type for e in read_book_state(fresh_store, "wine-old").book.entries if e.position > head]
    assert [one for one in added if one != "VOLUME"] == ["OBSERVED", "DECIDED", "APPLIED"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_deleted_volume_stops_the_writing_and_is_named_by_verify(fresh_store, which):
    volume = long_story(fresh_store).book.volumes[which].run_id
    client(fresh_store).delete_run(volume)
    assert "book deleted" in [f.what for f in verify(fresh_store, "wine").findings]
    book_cache.clear_cache()
    with pytest.raises(LedgerBroken, match="deleted"):
        move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    client(fresh_store).restore_run(volume)
    assert verify(fresh_store, "wine").findings == ()
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON)).outcome == "applied"


def planted(backend, book, next_):
    state = read_book(backend, book)
    value, _ = encode_entry(str(ULID()), canonical_json(Volume(**COMMON, next=next_, carry=NOTHING)), state.book.tip)
    client(backend).log_param(state.book.volumes[-1].run_id, param_key(state.book.head + 1), value)


@pytest.mark.parametrize(("next_", "what"), [("f" * 32, "volume missing"), ("", "volume named twice")])
def test_a_volume_that_leads_nowhere_or_back_is_named_and_stops_the_writing(fresh_store, book, next_, what):
    fill(fresh_store, book, 3)
    planted(fresh_store, book, next_ or book)
    state = read_book(fresh_store, book)
    assert [(f.position, f.what) for f in state.findings()] == [(4, what)]
    assert len(bodies(state.book)) == 3
    with pytest.raises(LedgerBroken, match=what):
        fill(fresh_store, book, 1)


def test_a_carry_that_its_entries_do_not_add_up_to_is_named_by_verify(fresh_store):
    make_registered_model(fresh_store)
    book = sync_model_status(make_writer(fresh_store), "wine").book_id
    other = client(fresh_store).create_run(client(fresh_store).get_run(book).info.experiment_id).info.run_id
    planted(fresh_store, book, other)
    assert move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON)).outcome == "applied"
    assert [(f.position, f.what, f.blocks_writing) for f in verify(fresh_store, "wine").findings] == [
        (2, "carry differs", False),
        (2, "clock ran backwards", False),  # what was planted is of an earlier day
    ]


def test_a_value_planted_beyond_the_end_of_a_finished_volume_is_named_and_blocks_nothing(fresh_store, book):
    fill(fresh_store, book, 20)
    client(fresh_store).log_param(book, param_key(14), "stray")
    book_cache.clear_cache()
    fill(fresh_store, book, 1)
    assert [(f.position, f.what) for f in read_book(fresh_store, book).findings()] == [(14, "beyond the end")]


@pytest.mark.parametrize("after", range(6))
def test_death_at_every_step_of_beginning_another_volume_leaves_one_that_others_go_on_in(fresh_store, book, after):
    fill(fresh_store, book, SMALL)
    child = processes.Process(target=append_and_die, args=(fresh_store, book, SMALL, after))
    child.start()
    child.join()
    assert child.exitcode == -9
    fill(fresh_store, book, 2)
    state = read_book(fresh_store, book)
    assert [body.note for body in bodies(state.book)] == [
        *(f"entry {n}" for n in range(SMALL)),
        *(["mine"] if after == 5 else []),
        "entry 0",
        "entry 1",
    ]
    assert len(state.book.volumes) == 2
    assert state.findings() == carry_findings(state.book) == ()


def test_four_processes_at_the_end_of_a_volume_agree_on_the_next_and_lose_nothing(fresh_store, book):
    fill(fresh_store, book, SMALL - 1)
    run_together(append_often_in_small_volumes, [(fresh_store, book, SMALL, f"p{n}", 8) for n in range(4)])
    reading = read_book(fresh_store, book).book
    notes = [body.note for body in bodies(reading)][SMALL - 1 :]
    assert sorted(notes) == sorted(f"p{n} {one}" for n in range(4) for one in range(8))
    assert [[note for note in notes if note.startswith(f"p{n}")] for n in range(4)] == [
        [f"p{n} {one}" for one in range(8)] for n in range(4)
    ]
    assert [entry.position for entry in reading.entries] == list(range(1, reading.head + 1))
    assert [part.first_position for part in reading.volumes] == [1, 14, 27, 40]
    assert len({part.run_id for part in reading.volumes}) == 4
    assert reading.findings == carry_findings(reading) == ()


def test_processes_promoting_across_the_ends_of_volumes_leave_one_production(fresh_store):
    make_registered_model(fresh_store, versions=3)
    run_together(promote_often_in_small_volumes, [(fresh_store, SMALL, n, 5) for n in (1, 2, 3)])
    recover(make_writer(fresh_store), "wine")
    types = at_rest(fresh_store)
    assert types["VOLUME"] >= 1, "how many promotions found something to change differs from run to run"
    assert types["OBSERVED"] == 0
    assert types["DECIDED"] == types["APPLIED"] + types["OVERTAKEN"]
    assert verify(fresh_store, "wine").findings == ()
    assert len(read_snapshot(fresh_store, "wine").slot_states["production"].stage) == 1


def test_an_open_volume_is_hashed_again_as_soon_as_one_letter_differs(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 4)
    book_cache.clear_cache()
    real, hashed = book_cache.decode_volume, []
    monkeypatch.setattr(book_cache, "decode_volume", lambda *asked: hashed.append(asked[1]) or real(*asked))
    before = read_book(fresh_store, book)
    assert read_book(fresh_store, book).book is before.book
    assert hashed == [book]
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update params set value = replace(value, '}', ' }') where run_uuid = ? and key = '000003'", (book,))
    assert [one.what for one in read_book(fresh_store, book).book.findings] == ["edited"]
    assert hashed == [book, book]
