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
from lib.ledger.chain.hash_chain import Anchor, decode, encode, key, seed
from lib.ledger.entry.types import Carry, Volume, canonical
from lib.ledger.queries.history import as_json, lines
from lib.ledger.queries.time_query import read_when
from lib.ledger.state import volumes
from lib.ledger.state.holdings import holdings
from lib.ledger.state.replay import fold, fold_on
from lib.ledger.state.volumes import Sheet, follow, misfits
from lib.ledger.storage import book_cache as kept
from lib.ledger.storage.book import append, read
from lib.ledger.storage.book_index import open_book
from lib.ledger.storage.book_lookup import Life
from lib.registry.audit_queries import Question, ask, log
from lib.registry.promote import Wish, move
from lib.registry.reader import every_book, every_book_anew, look_at, recorded
from lib.registry.reconcile import look, recover
from lib.registry.verify import verify, verify_all
from tests.ledger.test_replay import COMMON, now, opened
from tests.registry.test_races import at_rest
from tests.support.ledger_stores import WHY, book_id, promoted_in_turn, registered, writer
from tests.support.ledger_workers import (
    append_and_die,
    append_often_in_small_volumes,
    processes,
    promote_often_in_small_volumes,
    together,
)

SMALL = 12
NOTHING = Carry(now=now(), wanted={})


@pytest.fixture(autouse=True)
def small_volumes(monkeypatch):
    monkeypatch.setattr(volumes, "PLACES", SMALL)
    kept.forget()


@pytest.fixture
def book(fresh_store):
    return open_book(fresh_store, Life("wine", "a")).book


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
        reading = decode(params, run_id, before)
        for body in [*left[:length], *([Volume(**COMMON, next=f"{n + 1:032x}", carry=NOTHING)] if n + 1 < len(lengths) else [])]:
            value, more = encode(str(ULID()), canonical(body), reading.tip)
            params |= {key(reading.head + 1): value, **more}
            reading = decode(params, run_id, before)
        left, before = left[length:], reading
        sheets[run_id] = Sheet(params)
    return sheets, reading


LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=4)


@settings(deadline=None)
@given(LENGTHS)
def test_a_book_says_the_same_however_it_is_divided(lengths):
    notes = [said(n) for n in range(sum(lengths))]
    sheets, _ = paper(lengths, notes)
    reading = follow(sheets.get, f"{0:032x}").reading
    assert bodies(reading) == notes
    assert reading.findings == ()
    assert [entry.place for entry in reading.entries] == list(range(1, reading.head + 1))
    assert len(reading.parts) == len(lengths)


@settings(deadline=None)
@given(LENGTHS, st.data())
def test_what_was_remembered_of_a_book_changes_no_reading_of_it_whatever_was_done_to_the_open_volume(lengths, data):
    sheets, _ = paper(lengths, [said(n) for n in range(sum(lengths))])
    first = follow(sheets.get, f"{0:032x}", None, kept.volume)
    state, last = fold(first.reading), dict(sheets[f"{len(lengths) - 1:032x}"].params)
    for _ in range(data.draw(st.integers(0, 3))):
        name = data.draw(st.sampled_from([*last, key(first.reading.head + 1), key(first.reading.head + 2)]))
        last[name] = data.draw(
            st.sampled_from(
                [*last.values(), "stray", last.get(name, "")[:-3] + "x", last.get(name, "").replace("entry", "other")]
            )
        )
    after = {**sheets, f"{len(lengths) - 1:032x}": Sheet(last)}
    anew, quick = follow(after.get, f"{0:032x}"), follow(after.get, f"{0:032x}", first.finished, kept.volume)
    assert quick.reading == anew.reading
    assert fold_on(fold(anew.reading), quick.reading).held == fold(anew.reading).held
    assert fold_on(state, quick.reading) == fold(anew.reading)


@settings(deadline=None)
@given(LENGTHS.filter(lambda lengths: sum(lengths[:-1])))
def test_the_next_volume_does_not_continue_a_book_whose_end_was_rewritten(lengths):
    last = f"{len(lengths) - 1:032x}"
    sheets, _ = paper(lengths, [said(n) for n in range(sum(lengths))])
    other, _ = paper(lengths, [said(n + 100) for n in range(sum(lengths))])
    forged = follow({**other, last: sheets[last]}.get, f"{0:032x}").reading
    assert [f.what for f in forged.findings] == ["void", *["chain broken"] * (lengths[-1] - 1)][: lengths[-1]]


def test_a_full_volume_is_followed_by_another_and_places_go_on_counting(fresh_store, book):
    fill(fresh_store, book, 30)
    state = read(fresh_store, book)
    assert [(part.first, part.run_id == book) for part in state.reading.parts] == [(1, True), (14, False), (27, False)]
    assert [entry.place for entry in state.reading.entries] == list(range(1, 33))
    assert [body.note for body in bodies(state.reading)] == [f"entry {n}" for n in range(30)]
    assert state.findings() == misfits(state.reading) == ()
    one, two = state.reading.parts[0].run_id, state.reading.parts[1]
    ends = next(entry for entry in state.reading.entries if entry.body.type == "VOLUME")
    assert (ends.body.next, two.chain) == (two.run_id, seed(two.run_id, ends.chain))
    assert client(fresh_store).get_run(two.run_id).info.status == "FINISHED"
    assert client(fresh_store).get_run(one).data.tags["podium.kind"] == "volume"


def test_a_guard_that_refuses_at_a_full_volume_begins_no_other(fresh_store, book):
    fill(fresh_store, book, SMALL)
    assert append(fresh_store, book, lambda _: None) is None
    assert len(runs(fresh_store)) == 1


def test_a_look_at_a_long_book_fetches_only_its_last_volume(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 30)
    read(fresh_store, book)
    real, asked = client(fresh_store).get_run, []
    monkeypatch.setattr(client(fresh_store), "get_run", lambda run_id: asked.append(run_id) or real(run_id))
    state = read(fresh_store, book)
    assert asked == [state.reading.parts[-1].run_id]
    assert len(bodies(state.reading)) == 30


def test_a_look_understands_only_what_is_new(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 5)
    kept.forget()
    real, texts = kept.parse, []
    monkeypatch.setattr(kept, "parse", lambda text: texts.append(text) or real(text))
    read(fresh_store, book)
    read(fresh_store, book)
    append(fresh_store, book, lambda _: said(99))
    read(fresh_store, book)
    assert len(texts) == 6


def test_a_process_that_remembers_a_later_day_follows_a_database_that_was_put_back(fresh_store, book):
    fill(fresh_store, book, SMALL)
    path, earlier = fresh_store.path, fresh_store.path.read_bytes()
    fill(fresh_store, book, 3)
    assert read(fresh_store, book).reading.head == 16
    path.write_bytes(earlier)
    assert read(fresh_store, book).reading.head == SMALL
    fill(fresh_store, book, 2)
    assert read(fresh_store, book).reading.head == 15


def long_story(backend):
    """Nine promotions of a model in turn: a book of two volumes."""
    return promoted_in_turn(backend, 9)


def test_history_log_as_of_and_the_strip_go_through_all_volumes(fresh_store):
    state = long_story(fresh_store)
    assert len(state.reading.parts) == 2
    assert len(state.intents) == 9
    assert len([one for one in holdings(state.life) if one.slot == "production"]) == 9
    assert [line.place for line in lines(state)] == list(range(state.reading.head, 0, -1))
    assert [as_json(entry)["place"] for entry in state.reading.entries] == list(range(1, state.reading.head + 1))
    assert [line.entry.place for line in log(fresh_store)] == list(range(state.reading.head, 0, -1))
    for entry in state.reading.entries:
        if entry.body.type == "APPLIED":
            at = entry.body.effective_at
            question = Question("production", read_when(at, datetime.now(UTC)), datetime.now(UTC))
            (holder,) = ask(fresh_store, "wine", question).answer.holders
            assert holder.version == entry.body.version
            assert entry.place in holder.entries


def test_the_line_of_a_volume_says_so_in_words(fresh_store):
    state = long_story(fresh_store)
    (line,) = [line for line in lines(state) if line.word == "VOLUME"]
    assert line.why == "The book goes on in another run"


def test_verify_goes_through_all_volumes_and_takes_anchors_of_every_place(fresh_store):
    state = long_story(fresh_store)
    anchors = [Anchor(place, chain) for place, chain in enumerate(state.reading.chains) if place]
    verdict = verify(fresh_store, "wine", anchors)
    assert (verdict.findings, verdict.reading.head) == ((), state.reading.head)
    assert [one.findings for one in verify_all(fresh_store)] == [()]
    beyond = verify(fresh_store, "wine", [Anchor(state.reading.head + 1, "0" * 64)])
    assert [f.what for f in beyond.findings] == ["head behind its anchor"]
    assert [f.place for f in verify(fresh_store, "wine", [Anchor(5, "0" * 64)]).findings] == [5]


def test_every_book_is_the_same_with_and_without_what_is_remembered(fresh_store):
    long_story(fresh_store)
    assert every_book(fresh_store) == every_book_anew(fresh_store)
    kept.forget()
    assert every_book(fresh_store) == every_book_anew(fresh_store)
    first = book_id(fresh_store)
    client(fresh_store).set_tag(first, "podium.kind", "hidden")
    kept.forget()
    (told,) = every_book(fresh_store).values()
    assert told.active
    assert told.state.reading == recorded(fresh_store, "wine").reading


def test_a_renamed_model_keeps_its_volumes(fresh_store):
    head = long_story(fresh_store).reading.head
    client(fresh_store).rename_registered_model("wine", "wine-old")
    assert move(writer(fresh_store), Wish("wine-old", "1", "Production", WHY)).outcome == "applied"
    added = [e.body.type for e in recorded(fresh_store, "wine-old").reading.entries if e.place > head]
    assert [one for one in added if one != "VOLUME"] == ["OBSERVED", "DECIDED", "APPLIED"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_deleted_volume_stops_the_writing_and_is_named_by_verify(fresh_store, which):
    volume = long_story(fresh_store).reading.parts[which].run_id
    client(fresh_store).delete_run(volume)
    assert "book deleted" in [f.what for f in verify(fresh_store, "wine").findings]
    kept.forget()
    with pytest.raises(LedgerBroken, match="deleted"):
        move(writer(fresh_store), Wish("wine", "1", "Production", WHY))
    client(fresh_store).restore_run(volume)
    assert verify(fresh_store, "wine").findings == ()
    assert move(writer(fresh_store), Wish("wine", "1", "Production", WHY)).outcome == "applied"


def planted(backend, book, next_):
    state = read(backend, book)
    value, _ = encode(str(ULID()), canonical(Volume(**COMMON, next=next_, carry=NOTHING)), state.reading.tip)
    client(backend).log_param(state.reading.parts[-1].run_id, key(state.reading.head + 1), value)


@pytest.mark.parametrize(("next_", "what"), [("f" * 32, "volume missing"), ("", "volume named twice")])
def test_a_volume_that_leads_nowhere_or_back_is_named_and_stops_the_writing(fresh_store, book, next_, what):
    fill(fresh_store, book, 3)
    planted(fresh_store, book, next_ or book)
    state = read(fresh_store, book)
    assert [(f.place, f.what) for f in state.findings()] == [(4, what)]
    assert len(bodies(state.reading)) == 3
    with pytest.raises(LedgerBroken, match=what):
        fill(fresh_store, book, 1)


def test_a_carry_that_its_entries_do_not_add_up_to_is_named_by_verify(fresh_store):
    registered(fresh_store)
    book = look(writer(fresh_store), "wine").book
    other = client(fresh_store).create_run(client(fresh_store).get_run(book).info.experiment_id).info.run_id
    planted(fresh_store, book, other)
    assert move(writer(fresh_store), Wish("wine", "1", "Production", WHY)).outcome == "applied"
    assert [(f.place, f.what, f.stops) for f in verify(fresh_store, "wine").findings] == [
        (2, "carry differs", False),
        (2, "clock ran backwards", False),  # what was planted is of an earlier day
    ]


def test_a_value_planted_beyond_the_end_of_a_finished_volume_is_named_and_blocks_nothing(fresh_store, book):
    fill(fresh_store, book, 20)
    client(fresh_store).log_param(book, key(14), "stray")
    kept.forget()
    fill(fresh_store, book, 1)
    assert [(f.place, f.what) for f in read(fresh_store, book).findings()] == [(14, "beyond the end")]


@pytest.mark.parametrize("after", range(6))
def test_death_at_every_step_of_beginning_another_volume_leaves_one_that_others_go_on_in(fresh_store, book, after):
    fill(fresh_store, book, SMALL)
    child = processes.Process(target=append_and_die, args=(fresh_store, book, SMALL, after))
    child.start()
    child.join()
    assert child.exitcode == -9
    fill(fresh_store, book, 2)
    state = read(fresh_store, book)
    assert [body.note for body in bodies(state.reading)] == [
        *(f"entry {n}" for n in range(SMALL)),
        *(["mine"] if after == 5 else []),
        "entry 0",
        "entry 1",
    ]
    assert len(state.reading.parts) == 2
    assert state.findings() == misfits(state.reading) == ()


def test_four_processes_at_the_end_of_a_volume_agree_on_the_next_and_lose_nothing(fresh_store, book):
    fill(fresh_store, book, SMALL - 1)
    together(append_often_in_small_volumes, [(fresh_store, book, SMALL, f"p{n}", 8) for n in range(4)])
    reading = read(fresh_store, book).reading
    notes = [body.note for body in bodies(reading)][SMALL - 1 :]
    assert sorted(notes) == sorted(f"p{n} {one}" for n in range(4) for one in range(8))
    assert [[note for note in notes if note.startswith(f"p{n}")] for n in range(4)] == [
        [f"p{n} {one}" for one in range(8)] for n in range(4)
    ]
    assert [entry.place for entry in reading.entries] == list(range(1, reading.head + 1))
    assert [part.first for part in reading.parts] == [1, 14, 27, 40]
    assert len({part.run_id for part in reading.parts}) == 4
    assert reading.findings == misfits(reading) == ()


def test_processes_promoting_across_the_ends_of_volumes_leave_one_production(fresh_store):
    registered(fresh_store, versions=3)
    together(promote_often_in_small_volumes, [(fresh_store, SMALL, n, 5) for n in (1, 2, 3)])
    recover(writer(fresh_store), "wine")
    types = at_rest(fresh_store)
    assert types["VOLUME"] >= 1, "how many promotions found something to change differs from run to run"
    assert types["OBSERVED"] == 0
    assert types["DECIDED"] == types["APPLIED"] + types["OVERTAKEN"]
    assert verify(fresh_store, "wine").findings == ()
    assert len(look_at(fresh_store, "wine").now["production"].stage) == 1


def test_an_open_volume_is_hashed_again_as_soon_as_one_letter_differs(fresh_store, monkeypatch, book):
    fill(fresh_store, book, 4)
    kept.forget()
    real, hashed = kept.decode, []
    monkeypatch.setattr(kept, "decode", lambda *asked: hashed.append(asked[1]) or real(*asked))
    before = read(fresh_store, book)
    assert read(fresh_store, book).reading is before.reading
    assert hashed == [book]
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update params set value = replace(value, '}', ' }') where run_uuid = ? and key = '000003'", (book,))
    assert [one.what for one in read(fresh_store, book).reading.findings] == ["edited"]
    assert hashed == [book, book]
