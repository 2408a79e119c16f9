"""Many at once, and death at every step: one Production at rest, nothing lost, nothing accused falsely."""

import random
import time
from collections import Counter

import pytest

from lib.backends.connect import client
from lib.ledger.fold import fulfilled
from lib.registry.converge import recover
from lib.registry.promote import Wish, move
from lib.registry.reading import look_at, recorded
from tests.ledger_stores import WHY, findings, registered, writer
from tests.ledger_workers import open_first_book, processes, promote_against, promote_and_die, promote_often, together

FIRST_WRITES, NEXT_WRITES = 17, 7


def at_rest(backend):
    """Ledger, alias and stage agree, nothing is open, the chain is whole; gives the entry types."""
    seen, state = look_at(backend, "wine"), recorded(backend, "wine")
    assert findings(backend) == ()
    assert state.open == ()
    for slot, want in state.wanted().items():
        assert not want.named or fulfilled(want, seen.now[slot]), (slot, want, seen.now)
    assert len(seen.now["production"].stage) <= 1
    return Counter(entry.body.type for entry in state.reading.entries)


def race(backend, writers, rounds):
    registered(backend, versions=writers)
    answers = [one for many in together(promote_often, [(backend, n + 1, rounds) for n in range(writers)]) for one in many]
    types = at_rest(backend)
    decided = [one for one in answers if one != "unchanged"]
    assert set(answers) <= {"applied", "overtaken", "unchanged"}
    assert types["DECIDED"] == len(decided) == types["APPLIED"] + types["OVERTAKEN"]
    assert types["OBSERVED"] == 0
    assert types["FAILED"] == 0
    assert len(look_at(backend, "wine").now["production"].stage) == 1
    return types


def test_three_processes_promoting_at_once_leave_one_production_and_no_false_accusation(fresh_store):
    race(fresh_store, 3, 4)


@pytest.mark.slow
def test_four_processes_promoting_different_versions_25_times_leave_one_production(fresh_store, record_property):
    record_property("entries", dict(race(fresh_store, 4, 25)))


def test_of_three_who_decide_against_the_same_champion_one_wins_and_the_others_write_nothing(fresh_store):
    registered(fresh_store, versions=4)
    move(writer(fresh_store), Wish("wine", "4", "Production", WHY))
    answers = together(promote_against, [(fresh_store, n, "4") for n in (1, 2, 3)])
    assert sorted(answer.split(":")[0] for answer in answers) == ["Refused", "Refused", "applied"]
    assert at_rest(fresh_store)["DECIDED"] == 2


def test_processes_opening_the_first_book_of_a_fresh_store_at_once_agree_on_one(fresh_store):
    registered(fresh_store)
    books = together(open_first_book, [(fresh_store,)] * 4)
    assert len(set(books)) == 1
    assert at_rest(fresh_store) == {"OPENED": 1}


def kill_and_recover(backend, version, after):
    """Kill a promotion after so many writes, recover, and see that another promotion works. Tells whether it was killed."""
    child = processes.Process(target=promote_and_die, args=(backend, version, after))
    child.start()
    child.join()
    recover(writer(backend, "bo"), "wine")
    at_rest(backend)
    assert move(writer(backend, "bo"), Wish("wine", "3", "Production", WHY)).outcome in ("applied", "unchanged")
    at_rest(backend)
    return child.exitcode == -9


@pytest.mark.parametrize("after", range(FIRST_WRITES + 1))
def test_kill_at_every_step_of_the_very_first_promotion_and_recover(fresh_store, after):
    registered(fresh_store)
    assert kill_and_recover(fresh_store, "1", after)


@pytest.mark.parametrize("after", range(NEXT_WRITES + 1))
def test_kill_at_every_step_of_a_later_promotion_and_recover(fresh_store, after):
    registered(fresh_store)
    move(writer(fresh_store), Wish("wine", "1", "Production", WHY))
    assert kill_and_recover(fresh_store, "2", after)


@pytest.mark.slow
def test_three_writers_killed_at_random_moments_leave_a_record_that_recover_can_finish(fresh_store):
    registered(fresh_store, versions=4)
    chance = random.Random(42)
    for _ in range(8):
        start, answers = processes.Barrier(3), processes.Queue()
        children = [processes.Process(target=promote_often, args=(fresh_store, n, 50, start, answers)) for n in (1, 2, 3)]
        for child in children:
            child.start()
        time.sleep(chance.uniform(1.0, 3.0))
        for child in children:
            child.kill()
            child.join()
            time.sleep(chance.uniform(0, 0.1))
        recover(writer(fresh_store, "bo"), "wine")
        assert at_rest(fresh_store)["OBSERVED"] == 0
    assert move(writer(fresh_store), Wish("wine", "4", "Production", WHY)).outcome == "applied"


def test_a_killed_promotion_is_finished_by_recover_in_the_name_of_the_one_who_decided(fresh_store):
    registered(fresh_store)
    child = processes.Process(target=promote_and_die, args=(fresh_store, "1", 13))
    child.start()
    child.join()
    assert [entry.body.type for entry in recorded(fresh_store, "wine").open] == ["DECIDED"]
    _, closed = recover(writer(fresh_store, "bo"), "wine")
    assert len(closed) == 1
    entries = recorded(fresh_store, "wine").reading.entries
    assert [(e.body.type, e.body.by.name) for e in entries[-2:]] == [("DECIDED", "ana"), ("APPLIED", "bo")]
    assert client(fresh_store).get_model_version_by_alias("wine", "production").version == 1
