"""Random promotions, archives, rollbacks, outside moves, crashes and restores on a real store, compared with an in-memory model.

After every step the invariants hold: places never change (I1), alias, stage and ledger agree when idle (I2), an intent is closed once
(I3), an undecided value is recorded before anything overwrites it (I4), the registry is changed only while an intent is open (I5).
As-of returns the model's answer at an instant between any two steps. Volumes are small, so that books have several.
"""

import shutil
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, LedgerBroken
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.time_query import parse_time_query
from lib.ledger.state import volumes
from lib.ledger.state.replay import is_fulfilled
from lib.ledger.storage.book import append, read_book
from lib.registry.drift import find_drifts
from lib.registry.model_status import intents_in_flight
from lib.registry.move_plan import MoveRequest, make_entry, plan_move
from lib.registry.promote import move_version
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import read_model_status, sync_model_status
from lib.registry.recover import recover_decisions
from lib.registry.roll_back import roll_back
from lib.registry.verify import verify
from tests.conftest import copy_store
from tests.support.ledger_stores import DECISION, REASON, make_registered_model, make_writer
from tests.support.registry_factories import finish_open_decisions

REGISTRY_WRITES = ("set_registered_model_alias", "delete_registered_model_alias", "transition_model_version_stage")
WRITES = (*REGISTRY_WRITES, "log_param", "create_run", "set_model_version_tag", "set_registered_model_tag", "set_tag")
UNKNOWN, ANY = "unknown", "any"
VERSIONS = st.integers(0, 3)
COUNTS = Counter()


class ProcessDied(Exception):
    """The process was killed here."""


def utc_now():
    return datetime.now(UTC)


class WatchedClient:
    """The client of a store: outside moves pass unchanged, Podium's writes are monitored and may be interrupted."""

    def __init__(self, backend, allowed):
        self.writes_left, self.real_methods, self.may_touch = None, {}, allowed
        for name in WRITES:
            self.real_methods[name] = getattr(client(backend), name)
            setattr(client(backend), name, self.watch(name))

    def watch(self, name):
        def call(*args, **kwargs):
            assert name not in REGISTRY_WRITES or self.may_touch(), f"{name} with no intent open (I5)"
            self.count_write()
            result = self.real_methods[name](*args, **kwargs)
            self.count_write()
            return result

        return call

    def count_write(self):
        """Two crash points at each write: before it and after it."""
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                raise ProcessDied


class LedgerMachine(RuleBasedStateMachine):
    """The state machine. `recorded_slots` is the state of each slot as last recorded; samples are instants between steps."""

    template: ClassVar[Path]

    def __init__(self):
        super().__init__()
        self.capacity_before, volumes.VOLUME_CAPACITY = volumes.VOLUME_CAPACITY, 10
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "mlflow.db")
        self.backend = sqlite_backend(self.folder / "mlflow.db")
        self.book_id = None
        self.client_watch = WatchedClient(self.backend, lambda: read_book(self.backend, self.book_id).open_intents)
        self.samples, self.pending = [], []
        self.recorded_slots, self.known_places = None, ()
        self.is_uncertain, self.restoring_count = False, 0

    def teardown(self):
        if self.book_id:
            assert verify(self.backend, "wine").findings == ()
            COUNTS["volumes"] += len(self.state.book.volumes)
        volumes.VOLUME_CAPACITY = self.capacity_before
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(holder=st.sampled_from(["", "1"]))
    def begin(self, holder):
        if holder:
            self.move_outside("set_registered_model_alias", "production", holder)
            self.move_outside("transition_model_version_stage", holder, "Production")
        self.sample(dict.fromkeys(SLOTS, UNKNOWN))
        self.book_id = sync_model_status(make_writer(self.backend), "wine").book_id
        self.settle()
        self.sample()

    # what the model knows

    @property
    def state(self):
        return read_book(self.backend, self.book_id)

    @property
    def snapshot(self):
        return read_snapshot(self.backend, "wine")

    @property
    def drifted_slots(self):
        """Recorded outside moves that no decision in progress explains."""
        return self.state.drifted_slots(in_flight=intents_in_flight(self.backend, self.state, utc_now()))

    def version(self, n):
        versions = sorted(self.snapshot.versions)
        return versions[n % len(versions)]

    def move_outside(self, name, *args):
        self.client_watch.real_methods[name]("wine", *args)

    def sample(self, answer=None):
        """An instant after a step; the expected answer is known at once, or after the next sync."""
        time.sleep(0.002)
        self.samples.append((utc_now(), dict(answer or {})))
        if answer is None:
            self.pending.append(self.samples[-1])
        time.sleep(0.002)

    def settle(self, answer_for_change=lambda slot, holders_before, at: UNKNOWN):
        """A sync has just compared registry and ledger: the samples since the last one now have an expected answer."""
        slot_states = self.snapshot.slot_states
        for at, answer in self.pending:
            for slot in SLOTS:
                holders_before, holders_after = self.recorded_slots[slot].holders, slot_states[slot].holders
                answer[slot] = (
                    expected_holder(holders_before)
                    if holders_before == holders_after
                    else answer_for_change(slot, holders_before, at)
                )
                if self.is_uncertain:
                    answer[slot] = ANY
        self.pending, self.recorded_slots = [], slot_states

    def sync(self):
        """Sync before a step: resolve outside moves and check that they were recorded (I4).

        A restored book is recorded first, once for each noticed deletion, and moves no version.
        """
        state_before, expected_records = self.state, self.due_records()
        status = sync_model_status(make_writer(self.backend), "wine")
        self.compare_recorded(state_before, expected_records)
        return status

    def due_records(self):
        """The entries a sync has to record, in order, as (now, gone): the restored book, then outside moves."""
        state, snapshot = self.state, self.snapshot
        restorings = [(state.observed_slots, set())] * (self.restoring_count - len(restored_bodies(state.book.entries)))
        deleted_versions = state.known_versions - state.deleted_versions - set(snapshot.versions)
        return restorings, [
            (snapshot.slot_states, deleted_versions)
        ] if snapshot.slot_states != self.recorded_slots or deleted_versions else []

    def compare_recorded(self, state_before, expected_records, has_died=False):
        """Check that a sync recorded the expected entries, or the first of them if it crashed."""
        added_entries = self.state.book.entries[len(state_before.book.entries) :]
        observed = [(entry.body.now, set(entry.body.gone)) for entry in added_entries if entry.body.type == "OBSERVED"]
        restorings, moves = expected_records
        if state_before.open_intents:
            assert has_died or observed[: len(restorings)] == restorings, "I4"
            assert len(restored_bodies(added_entries)) == len(restorings) or has_died, "I4"
            return
        all_due = [*restorings, *moves]
        assert observed == (all_due[: len(observed)] if has_died else all_due), "I4"
        COUNTS["observed"] += len(observed)
        if not has_died or (moves and observed == all_due):
            self.settle()
            self.is_uncertain = False

    # user actions

    @rule(n=VERSIONS)
    def promote(self, n):
        self.carry_out(MoveRequest("wine", self.version(n), "Production"))

    @rule(n=VERSIONS, to=st.sampled_from(["Staging", "Production", "Archived", "None"]))
    def decide(self, n, to):
        self.carry_out(MoveRequest("wine", self.version(n), to))

    @rule()
    def roll_back_champion(self):
        self.sync()
        drifted = self.drifted_slots
        try:
            result = roll_back(make_writer(self.backend), "wine", None, DECISION)
            assert not drifted
            assert result.outcome in ("applied", "unchanged")
            COUNTS["rolled back"] += 1
        except ActionRefused as refused:
            message = str(refused)
            assert drifted or "No earlier version" in message
        self.finish_decision()

    @precondition(lambda self: self.recorded_slots and self.state.drifted_slots(self.snapshot.slot_states))
    @rule(n=st.integers(0, 5))
    def adopt_or_revert(self, n):
        status = self.sync()
        resolutions = [resolution for drift in find_drifts(status) for resolution in drift.resolutions]
        if resolutions:
            resolution = resolutions[n % len(resolutions)]
            self.carry_out(MoveRequest("wine", resolution.version, resolution.to_stage, kind=resolution.kind))
            COUNTS[resolution.kind] += 1

    @rule(
        n=VERSIONS,
        to=st.sampled_from(["Production", "Staging", "Archived"]),
        write_limit=st.integers(0, 14),
        is_late=st.booleans(),
    )
    def die(self, n, to, write_limit, is_late):
        """Crash at a step of a decision, before or after any of its writes; it is finished at once, later, or never."""
        self.sync()
        self.client_watch.writes_left, request = write_limit, MoveRequest("wine", self.version(n), to)
        state_before, drifted_slots = self.state, self.drifted_slots
        self.is_uncertain = self.is_uncertain or bool(state_before.open_intents)
        try:
            move_version(make_writer(self.backend), request, DECISION)
        except ProcessDied:
            COUNTS["died"] += 1
        except ActionRefused:
            assert drifted_slots
        finally:
            self.client_watch.writes_left = None
        if not self.state.open_intents:
            self.finish_decision()
            return
        self.sample()
        if not is_late:
            self.finish()

    @rule()
    def finish(self):
        """Recover what crashed writers left."""
        self.sync()
        state_before = self.state
        _, closed = finish_open_decisions(make_writer(self.backend, "bo"), "wine")
        assert set(closed) == {intent.id for intent in state_before.open_intents}
        assert not self.state.open_intents
        if closed:
            COUNTS["recovered"] += len(closed)
            self.settle(lambda slot, holders, at: self.expected_after_recovery(closed[0], slot, holders, at))
        self.sync()
        self.sample()

    @rule(n=st.integers(0, 5))
    def give_up_what_is_open(self, n):
        """Give up one of the open decisions: its slots return to their desired state without it."""
        self.sync()
        open_intents = self.state.open_intents
        if not open_intents:
            return
        intent, self.is_uncertain = open_intents[n % len(open_intents)], True
        (closed,) = recover_decisions(make_writer(self.backend, "bo"), "wine", [intent.id], "give up", REASON)
        assert closed.outcome == "FAILED"
        assert [other.id for other in self.state.open_intents] == [other.id for other in open_intents if other is not intent]
        COUNTS["given up"] += 1
        self.settle()
        self.sync()
        self.sample()

    @rule(n=VERSIONS, to=st.sampled_from(["Staging", "Production", "Archived"]))
    def plant(self, n, to):
        """Plant a decision in another's name with write access to the ledger only: it is not carried out."""
        self.sync()
        snapshot, status = self.snapshot, read_model_status(self.backend, "wine", utc_now())
        request = MoveRequest("wine", self.version(n), to)
        mallory = make_writer(self.backend, "mallory")
        body = make_entry(plan_move(status, request), DECISION, mallory.common_fields("wine"))
        append(mallory, self.book_id, lambda _: body)
        sync_model_status(make_writer(self.backend), "wine")
        assert self.snapshot == snapshot
        COUNTS["planted"] += 1
        self.is_uncertain = True
        self.sample()

    @rule()
    def just_look(self):
        self.sync()
        self.sample()

    @rule(
        n=VERSIONS,
        action=st.sampled_from(["alias", "stage", "drop", "archive", "both", "delete", "hide"]),
        slot=st.sampled_from(list(SLOTS)),
    )
    def meddle(self, n, action, slot):
        """Change the registry outside Podium."""
        version = self.version(n)
        if action in ("alias", "both"):
            self.move_outside("set_registered_model_alias", slot, version)
        if action in ("stage", "both"):
            self.move_outside("transition_model_version_stage", version, SLOTS[slot])
        if action == "drop":
            self.move_outside("delete_registered_model_alias", slot)
        if action == "archive":
            self.move_outside("transition_model_version_stage", version, "Archived")
        if action == "delete":
            self.delete_version(version)
        if action == "hide":
            self.hide_and_restore_the_book(version)
        self.finish_meddling()

    @rule(write_limit=st.integers(0, 6), n=VERSIONS)
    def die_looking(self, write_limit, n):
        """Crash at a step of the sync that finds the book restored."""
        self.hide_and_restore_the_book(self.version(n))
        state_before, expected_records, has_died = self.state, self.due_records(), False
        self.client_watch.writes_left = write_limit
        try:
            sync_model_status(make_writer(self.backend), "wine")
        except ProcessDied:
            has_died = True
            COUNTS["died looking"] += 1
        finally:
            self.client_watch.writes_left = None
        self.compare_recorded(state_before, expected_records, has_died)
        self.finish_meddling()

    def delete_version(self, version):
        if len(self.snapshot.versions) > 2:
            client(self.backend).delete_model_version("wine", version)

    def hide_and_restore_the_book(self, version):
        """Delete the run in which the book continues; no decision is possible until it is restored."""
        run_id, snapshot_before = self.state.book.volumes[-1].run_id, self.snapshot
        if len(restored_bodies(self.state.book.entries)) == self.restoring_count:
            self.restoring_count += 1  # else the last deletion is not recorded yet and its mark still counts
        client(self.backend).delete_run(run_id)
        with pytest.raises(LedgerBroken):
            move_version(make_writer(self.backend), MoveRequest("wine", version, "Production"), DECISION)
        client(self.backend).restore_run(run_id)
        assert self.snapshot == snapshot_before
        COUNTS["restored"] += 1

    # how a step ends

    def carry_out(self, request):
        self.sync()
        state_before, drifted_slots = self.state, self.drifted_slots
        try:
            result = move_version(make_writer(self.backend), request, DECISION)
            assert result.outcome in ("applied", "unchanged", "overtaken")
            assert result.outcome == "unchanged" or request.kind in ("adopt", "revert") or not drifted_slots
            COUNTS[result.outcome] += 1
        except ActionRefused:
            assert drifted_slots
            COUNTS["refused"] += 1
        self.is_uncertain = self.is_uncertain or bool(state_before.open_intents)
        self.finish_decision()

    def finish_decision(self):
        """A decision was carried out, or nothing was written: earlier samples keep their expected answers."""
        if not self.state.open_intents:
            self.settle(lambda slot, holders_before, at: expected_holder(holders_before))
            self.is_uncertain = False
        self.sample()

    def finish_meddling(self):
        COUNTS["meddled"] += 1
        self.is_uncertain = self.is_uncertain or bool(self.state.open_intents)
        self.sample()

    def expected_after_recovery(self, intent, slot, holders_before, at):
        """An intent of a crashed writer was finished: it took effect when the stage of its version was set, or only now."""
        body = next(entry.body for entry in self.state.intents if entry.id == intent)
        version = self.snapshot.versions.get(body.version)
        moved_at = parse_timestamp(version.updated_at) if version and version.updated_at >= body.recorded_at else utc_now()
        return expected_holder(holders_before if at < moved_at else self.snapshot.slot_states[slot].holders)

    # what always holds

    @invariant()
    def the_record_and_the_registry_are_sound(self):
        if self.book_id:
            state, snapshot = self.state, self.snapshot
            self.places_never_change(state.book)
            self.an_intent_is_closed_once(state)
            if not state.open_intents and self.recorded_slots == snapshot.slot_states:
                self.all_agree_at_rest(state, snapshot)
            self.as_of_answers_like_the_model(state.book.entries)

    def places_never_change(self, book):
        chain = tuple((entry.position, entry.id, entry.chain) for entry in book.entries)
        assert chain[: len(self.known_places)] == self.known_places, "I1"
        assert [position for position, _, _ in chain] == list(range(1, book.head + 1)), "I1"
        assert book.findings == (), "I1"
        self.known_places = chain

    def all_agree_at_rest(self, state, snapshot):
        drift = state.drifted_slots(snapshot.slot_states)
        for slot, desired in state.desired_holders().items():
            assert slot in drift or not desired.is_managed or is_fulfilled(desired, snapshot.slot_states[slot]), "I2"
            assert slot in drift or not desired.is_managed or len(snapshot.slot_states[slot].holders) <= 1, "I2"

    def an_intent_is_closed_once(self, state):
        closings = Counter(entry.body.intent for entry in state.book.entries if isinstance(entry.body, Closing))
        intents = {entry.id for entry in state.book.entries if entry.body.type == "DECIDED"}
        assert set(closings.values()) <= {1}, "I3"
        assert set(closings) | {entry.id for entry in state.open_intents} == intents, "I3"

    def as_of_answers_like_the_model(self, entries):
        for at, answer in self.samples:
            for slot, expected in answer.items():
                as_of_answer = as_of(entries, slot, parse_time_query(format_timestamp(at), utc_now()))
                versions = tuple(holder.version for holder in as_of_answer.holders)
                held_version = UNKNOWN if as_of_answer.unknown else versions[0] if versions else None
                assert expected == ANY or (held_version, len(versions) <= 1) == (expected, True), (
                    at,
                    slot,
                    expected,
                    as_of_answer,
                )
                COUNTS["asked"] += expected != ANY


def restored_bodies(entries):
    return [entry.body for entry in entries if entry.body.type == "OBSERVED" and entry.body.note]


def expected_holder(holders):
    return UNKNOWN if len(holders) > 1 else holders[0] if holders else None


@pytest.fixture(scope="module")
def template(empty_database, tmp_path_factory):
    """A store with a model of four versions, made once."""
    store = copy_store(empty_database, tmp_path_factory.mktemp("stateful"))
    make_registered_model(store, versions=4)
    return store.path


def run(template, examples, steps, record_property):
    LedgerMachine.template = template
    COUNTS.clear()
    sizes = {
        "max_examples": examples,
        "stateful_step_count": steps,
        "deadline": None,
        "print_blob": True,
        "phases": (Phase.generate, Phase.shrink),
    }
    run_state_machine_as_test(LedgerMachine, settings=settings(**sizes, suppress_health_check=list(HealthCheck), database=None))
    record_property("counts", dict(COUNTS))
    print(dict(COUNTS))


def test_whatever_people_and_accidents_do_the_invariants_hold_and_as_of_answers_like_the_model(template, record_property):
    run(template, 4, 9, record_property)


@pytest.mark.slow
def test_the_same_at_length(template, record_property):
    run(template, 120, 25, record_property)
