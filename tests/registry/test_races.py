"""Concurrent writers and crashes at every step: finally one Production holder, nothing lost, no false reports."""

import random
import time
from collections import Counter

import pytest

from lib.backends.mlflow_client import client
from lib.registry.drift import find_drifts
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from tests.support.ledger_stores import DECISION, make_registered_model, make_writer
from tests.support.ledger_workers import (
    open_first_book,
    processes,
    promote_against,
    promote_and_die,
    promote_often_of,
    recover_and_die,
    recover_often,
    run_together,
)
from tests.support.registry_factories import check_at_rest, finish_open_decisions
from tests.support.variants import thin

FIRST_WRITES, NEXT_WRITES = 17, 7


def create_versions(backend, model, count):
    """A registered model with this many versions, in a file or on a server."""
    if backend.kind == "sqlite":
        return make_registered_model(backend, model, versions=count)
    client(backend).create_registered_model(model)
    for n in range(count):
        client(backend).create_model_version(model, f"s3://nowhere/{n}")
    return model


def run_race(backend, writers, rounds, model="wine"):
    """Let processes promote one version each, repeatedly. Finally there is one Production holder, and every decision is in the record."""
    create_versions(backend, model, writers)
    answers_by_process = run_together(promote_often_of, [(backend, model, n + 1, rounds) for n in range(writers)])
    answers = [answer for process_answers in answers_by_process for answer in process_answers]
    entry_counts = check_at_rest(backend, model)
    decided = [answer for answer in answers if answer != "unchanged"]
    assert set(answers) <= {"applied", "overtaken", "unchanged"}
    assert len(answers) == writers * rounds
    assert entry_counts["DECIDED"] == len(decided) == entry_counts["APPLIED"] + entry_counts["OVERTAKEN"]
    assert entry_counts["OBSERVED"] == 0
    assert entry_counts["FAILED"] == 0
    assert len(read_snapshot(backend, model).slot_states["production"].stage) == 1
    counts = {"rounds": writers * rounds, **Counter(answers), "entries": sum(entry_counts.values())}
    print(counts)
    return counts


def test_four_processes_promoting_ten_times_each_leave_one_production_and_no_false_accusation(fresh_store, record_property):
    record_property("race", run_race(fresh_store, 4, 10))


def test_four_processes_promoting_three_times_each_on_a_server_leave_one_production(mlflow_server, record_property):
    record_property("race", run_race(mlflow_server, 4, 3, "raced"))


@pytest.mark.slow
def test_four_processes_promoting_fifty_times_each_leave_one_production(fresh_store, record_property):
    record_property("race", run_race(fresh_store, 4, 50))


@pytest.mark.slow
def test_four_processes_promoting_fifty_times_each_on_a_server_leave_one_production(mlflow_server, record_property):
    record_property("race", run_race(mlflow_server, 4, 50, "raced-long"))


def test_of_three_who_decide_against_the_same_champion_one_wins_and_the_others_write_nothing(fresh_store):
    make_registered_model(fresh_store, versions=4)
    move_version(make_writer(fresh_store), MoveRequest("wine", "4", "Production"), DECISION)
    answers = run_together(promote_against, [(fresh_store, n, "4") for n in (1, 2, 3)])
    assert sorted(answer.split(":")[0] for answer in answers) == ["ActionRefused", "ActionRefused", "applied"]
    assert check_at_rest(fresh_store)["DECIDED"] == 2


def test_processes_opening_the_first_book_of_a_fresh_store_at_once_agree_on_one(fresh_store):
    make_registered_model(fresh_store)
    books = run_together(open_first_book, [(fresh_store,)] * 4)
    assert len(set(books)) == 1
    assert check_at_rest(fresh_store) == {"OPENED": 1}


def kill_and_recover(backend, version, after):
    """Kill a promotion after this many writes, recover, and check that another promotion works. Returns whether it was killed."""
    child = processes.Process(target=promote_and_die, args=(backend, version, after))
    child.start()
    child.join()
    finish_open_decisions(make_writer(backend, "bo"), "wine")
    check_at_rest(backend)
    assert move_version(make_writer(backend, "bo"), MoveRequest("wine", "3", "Production"), DECISION).outcome in (
        "applied",
        "unchanged",
    )
    check_at_rest(backend)
    return child.exitcode == -9


@pytest.mark.parametrize("after", thin(range(FIRST_WRITES + 1), 4))
def test_kill_at_every_step_of_the_very_first_promotion_and_recover(fresh_store, after):
    make_registered_model(fresh_store)
    assert kill_and_recover(fresh_store, "1", after)


@pytest.mark.parametrize("after", thin(range(NEXT_WRITES + 1), 4))
def test_kill_at_every_step_of_a_later_promotion_and_recover(fresh_store, after):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    assert kill_and_recover(fresh_store, "2", after)


def kill_at_random(backend, rounds, model="wine"):
    """Kill three writers at random moments, recover and sync, in rounds. Returns how many were killed and how many intents they left."""
    create_versions(backend, model, 4)
    generator, counts = random.Random(42), Counter()
    for number in range(rounds):
        start, answers = processes.Barrier(4), processes.Queue()
        children = [processes.Process(target=promote_often_of, args=(backend, model, n, 500, start, answers)) for n in (1, 2, 3)]
        for child in children:
            child.start()
        before = head(backend, model)
        start.wait(60)
        while head(backend, model) == before:  # kill only once there is something to interrupt
            assert all(child.is_alive() for child in children)
        time.sleep(generator.uniform(0, 1.0))
        for child in children:
            child.kill()
            child.join()
            counts["kills"] += child.exitcode == -9
            time.sleep(generator.uniform(0, 0.1))
        choice = "finish" if number % 2 else "give up"
        counts[choice] += len(finish_open_decisions(make_writer(backend, "bo"), model, choice)[1])
        entry_counts = check_at_rest(backend, model)
        assert entry_counts["OBSERVED"] == 0
        assert entry_counts["DECIDED"] == entry_counts["APPLIED"] + entry_counts["OVERTAKEN"] + entry_counts["FAILED"]
        assert entry_counts["FAILED"] == counts["give up"]
    assert move_version(make_writer(backend), MoveRequest(model, "4", "Production"), DECISION).outcome == "applied"
    assert entry_counts["DECIDED"] >= rounds
    counts["entries"] = sum(entry_counts.values())
    print(dict(counts))
    return dict(counts)


def head(backend, model):
    """The last place of a book, 0 if there is none."""
    state = read_book_state(backend, model)
    return state.book.head if state else 0


@pytest.mark.slow
def test_three_writers_killed_at_random_moments_leave_a_record_that_recover_can_finish(fresh_store, record_property):
    counts = kill_at_random(fresh_store, 3)
    assert counts["kills"] == 9
    record_property("kills", counts)


@pytest.mark.slow
def test_two_hundred_kills_at_random_moments_leave_a_record_that_recover_can_finish(fresh_store, record_property):
    counts = kill_at_random(fresh_store, 67)
    assert counts["kills"] >= 200
    assert counts["finish"] > 0
    assert counts["give up"] > 0
    record_property("kills", counts)


@pytest.mark.slow
def test_writers_killed_on_a_server_leave_a_record_that_recover_can_finish(mlflow_server, record_property):
    record_property("kills", kill_at_random(mlflow_server, 20, "killed"))


@pytest.mark.parametrize("choice", ["finish", "give up"])
@pytest.mark.parametrize("after", thin(range(6), 5))
def test_death_at_every_step_of_finishing_or_giving_up_leaves_what_another_can_finish_or_give_up(fresh_store, choice, after):
    make_registered_model(fresh_store)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    child = processes.Process(target=promote_and_die, args=(fresh_store, "2", 3))  # the decision, the alias, the stage
    child.start()
    child.join()
    (intent,) = read_book_state(fresh_store, "wine").open_intents
    child = processes.Process(target=recover_and_die, args=(fresh_store, intent.id, choice, after))
    child.start()
    child.join()
    finish_open_decisions(make_writer(fresh_store, "bo"), choice="give up" if choice == "finish" else "finish")
    check_at_rest(fresh_store)
    assert read_book_state(fresh_store, "wine").outcomes[intent.id] in ("APPLIED", "FAILED")


@pytest.mark.slow
def test_writers_whose_decisions_others_finish_and_give_up_meanwhile_leave_one_production(fresh_store, record_property):
    """Every write may be late here, because another process keeps closing decisions."""
    create_versions(fresh_store, "wine", 3)
    jobs = [(promote_often_of, (fresh_store, "wine", n, 25)) for n in (1, 2, 3)] + [(recover_often, (fresh_store, 30.0))] * 2
    start, answers = processes.Barrier(len(jobs)), processes.Queue()
    children = [processes.Process(target=target, args=(*arguments, start, answers)) for target, arguments in jobs]
    for child in children:
        child.start()
    outcomes = Counter(outcome.split(":")[0] for _ in jobs for outcome in answers.get(timeout=600))
    for child in children:
        child.join()
    finish_open_decisions(make_writer(fresh_store, "bo"))
    record_property("outcomes", dict(outcomes))
    print(dict(outcomes))
    snapshot = read_snapshot(fresh_store, "wine")
    assert len(snapshot.slot_states["production"].stage) <= 1
    assert not find_drifts(sync_model_status(make_writer(fresh_store, "bo"), "wine"))
    check_at_rest(fresh_store)


def test_a_killed_promotion_is_finished_by_recover_in_the_name_of_the_one_who_decided(fresh_store):
    make_registered_model(fresh_store)
    child = processes.Process(target=promote_and_die, args=(fresh_store, "1", 13))
    child.start()
    child.join()
    assert [entry.body.type for entry in read_book_state(fresh_store, "wine").open_intents] == ["DECIDED"]
    _, closed = finish_open_decisions(make_writer(fresh_store, "bo"), "wine")
    assert len(closed) == 1
    entries = read_book_state(fresh_store, "wine").book.entries
    assert [(e.body.type, e.body.by.name) for e in entries[-2:]] == [("DECIDED", "ana"), ("APPLIED", "bo")]
    assert client(fresh_store).get_model_version_by_alias("wine", "production").version == 1
