"""Random promotions, archives, roll-backs, moves outside, deaths and restores on a real store, beside a model in memory.

After every step the invariants hold: places never change (I1), alias, stage and ledger agree at rest (I2), an intent is closed once
(I3), a value nobody decided is recorded before anything overwrites it (I4), the registry is touched only while an intent is open
(I5). As-of gives the model's answer at an instant between any two steps. Volumes are small, so that books go through several.
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
from lib.ledger.storage.book import read_book
from lib.registry.drift import find_drifts
from lib.registry.promote import MoveRequest, move_version, roll_back
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import recover, sync_model_status
from lib.registry.verify import verify
from tests.conftest import copy_store
from tests.support.ledger_stores import WHY, registered, writer

TOUCHES = ("set_registered_model_alias", "delete_registered_model_alias", "transition_model_version_stage")
WRITES = (*TOUCHES, "log_param", "create_run", "set_model_version_tag", "set_registered_model_tag", "set_tag")
UNKNOWN, ANY = "unknown", "any"
VERSIONS = st.integers(0, 3)
COUNTS = Counter()


class Died(Exception):
    """The process was killed here."""


def now():
    return datetime.now(UTC)


class Hands:
    """The client of a store: outside moves go through it as they are, Podium's writes are watched and may be cut off."""

    def __init__(self, backend, allowed):
        self.left, self.real, self.allowed = None, {}, allowed
        for name in WRITES:
            self.real[name] = getattr(client(backend), name)
            setattr(client(backend), name, self.watched(name))

    def watched(self, name):
        def call(*args, **more):
            assert name not in TOUCHES or self.allowed(), f"{name} with no intent open (I5)"
            self.pay()
            result = self.real[name](*args, **more)
            self.pay()
            return result

        return call

    def pay(self):
        """Two chances to die at each write: before it, and after it."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Died


class Ledger(RuleBasedStateMachine):
    """The machine. `known` is what each slot showed when Podium last wrote it down; samples are instants between steps."""

    template: ClassVar[Path]

    def __init__(self):
        super().__init__()
        self.places, volumes.VOLUME_CAPACITY = volumes.VOLUME_CAPACITY, 10
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "mlflow.db")
        self.backend = sqlite_backend(self.folder / "mlflow.db")
        self.book = None
        self.hands = Hands(self.backend, lambda: read_book(self.backend, self.book).open_intents)
        self.samples, self.pending = [], []
        self.known, self.chain = None, ()
        self.fog, self.restorings = False, 0

    def teardown(self):
        if self.book:
            assert verify(self.backend, "wine").findings == ()
            COUNTS["volumes"] += len(self.state.book.volumes)
        volumes.VOLUME_CAPACITY = self.places
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(holder=st.sampled_from(["", "1"]))
    def begin(self, holder):
        if holder:
            self.outside("set_registered_model_alias", "production", holder)
            self.outside("transition_model_version_stage", holder, "Production")
        self.sample(dict.fromkeys(SLOTS, UNKNOWN))
        self.book = sync_model_status(writer(self.backend), "wine").book_id
        self.settle()
        self.sample()

    # what the model knows

    @property
    def state(self):
        return read_book(self.backend, self.book)

    @property
    def seen(self):
        return read_snapshot(self.backend, "wine")

    def version(self, n):
        there = sorted(self.seen.versions)
        return there[n % len(there)]

    def outside(self, name, *args):
        self.hands.real[name]("wine", *args)

    def sample(self, answer=None):
        """An instant after a step; what should be answered for it is known at once, or by the next look."""
        time.sleep(0.002)
        self.samples.append((now(), dict(answer or {})))
        if answer is None:
            self.pending.append(self.samples[-1])
        time.sleep(0.002)

    def settle(self, changed=lambda slot, before, at: UNKNOWN):
        """A look has just compared registry and ledger: what was asked for since the last one has an answer now."""
        shown = self.seen.slot_states
        for at, answer in self.pending:
            for slot in SLOTS:
                before, after = self.known[slot].holders, shown[slot].holders
                answer[slot] = said(before) if before == after else changed(slot, before, at)
                if self.fog:
                    answer[slot] = ANY
        self.pending, self.known = [], shown

    def looked(self):
        """A look before a step: settles what was moved outside, and checks that it was recorded (I4).

        That the book was away and is back is recorded first, once for each time it was missed, and moves nobody.
        """
        before, due = self.state, self.due()
        found = sync_model_status(writer(self.backend), "wine")
        self.compared(before, due)
        return found

    def due(self):
        """What a look has to record, in order, as (now, gone): the restored book, then what was moved outside."""
        state, shown = self.state, self.seen
        back = [(state.observed_slots, set())] * (self.restorings - len(restored(state.book.entries)))
        gone = state.known_versions - state.deleted_versions - set(shown.versions)
        return back, [(shown.slot_states, gone)] if shown.slot_states != self.known or gone else []

    def compared(self, before, due, died=False):
        """A look has recorded what was due, or died on the way: then the first part of it."""
        added = self.state.book.entries[len(before.book.entries) :]
        told = [(entry.body.now, set(entry.body.gone)) for entry in added if entry.body.type == "OBSERVED"]
        back, moved = due
        if before.open:
            assert died or told[: len(back)] == back, "I4"
            assert len(restored(added)) == len(back) or died, "I4"
            return
        every = [*back, *moved]
        assert told == (every[: len(told)] if died else every), "I4"
        COUNTS["observed"] += len(told)
        if not died or (moved and told == every):
            self.settle()
            self.fog = False

    # what people do

    @rule(n=VERSIONS)
    def promote(self, n):
        self.do(MoveRequest("wine", self.version(n), "Production", WHY))

    @rule(n=VERSIONS, to=st.sampled_from(["Staging", "Production", "Archived", "None"]))
    def decide(self, n, to):
        self.do(MoveRequest("wine", self.version(n), to, WHY))

    @rule()
    def back(self):
        self.looked()
        drifted = self.state.drifted_slots()
        try:
            done = roll_back(writer(self.backend), "wine", WHY, None, None)
            assert not drifted
            assert done.outcome in ("applied", "unchanged")
            COUNTS["rolled back"] += 1
        except ActionRefused as refused:
            told = str(refused)
            assert drifted or "No earlier version" in told
        self.after()

    @precondition(lambda self: self.known and self.state.drifted_slots(self.seen.slot_states))
    @rule(n=st.integers(0, 5))
    def adopt_or_revert(self, n):
        found = self.looked()
        ways = [way for drift in find_drifts(found) for way in drift.resolutions]
        if ways:
            way = ways[n % len(ways)]
            self.do(MoveRequest("wine", way.version, way.to_stage, WHY, kind=way.kind))
            COUNTS[way.kind] += 1

    @rule(n=VERSIONS, to=st.sampled_from(["Production", "Staging", "Archived"]), after=st.integers(0, 14), late=st.booleans())
    def die(self, n, to, after, late):
        """Die at a step of a decision, before or after any of its writes; somebody finishes it at once, or later, or never."""
        self.looked()
        self.hands.left, wish = after, MoveRequest("wine", self.version(n), to, WHY)
        before = self.state
        self.fog = self.fog or bool(before.open_intents)
        try:
            move_version(writer(self.backend), wish)
        except Died:
            COUNTS["died"] += 1
        except ActionRefused:
            assert before.drifted_slots()
        finally:
            self.hands.left = None
        if not self.state.open_intents:
            self.after()
            return
        self.sample()
        if not late:
            self.finish()

    @rule()
    def finish(self):
        """Recover what the dead left."""
        self.looked()
        before = self.state
        _, closed = recover(writer(self.backend, "bo"), "wine")
        assert set(closed) == {intent.id for intent in before.open_intents}
        assert not self.state.open_intents
        if closed:
            COUNTS["recovered"] += len(closed)
            self.settle(lambda slot, holders, at: self.moved(closed[0], slot, holders, at))
        self.looked()
        self.sample()

    @rule()
    def just_look(self):
        self.looked()
        self.sample()

    @rule(
        n=VERSIONS,
        deed=st.sampled_from(["alias", "stage", "drop", "archive", "both", "delete", "hide"]),
        slot=st.sampled_from(list(SLOTS)),
    )
    def meddle(self, n, deed, slot):
        """Somebody moves the registry outside Podium."""
        version = self.version(n)
        if deed in ("alias", "both"):
            self.outside("set_registered_model_alias", slot, version)
        if deed in ("stage", "both"):
            self.outside("transition_model_version_stage", version, SLOTS[slot])
        if deed == "drop":
            self.outside("delete_registered_model_alias", slot)
        if deed == "archive":
            self.outside("transition_model_version_stage", version, "Archived")
        if deed == "delete":
            self.delete(version)
        if deed == "hide":
            self.hide_and_restore_the_book(version)
        self.meddled()

    @rule(after=st.integers(0, 6), n=VERSIONS)
    def die_looking(self, after, n):
        """Die at a step of the look that finds the book restored."""
        self.hide_and_restore_the_book(self.version(n))
        before, due, died = self.state, self.due(), False
        self.hands.left = after
        try:
            sync_model_status(writer(self.backend), "wine")
        except Died:
            died = True
            COUNTS["died looking"] += 1
        finally:
            self.hands.left = None
        self.compared(before, due, died)
        self.meddled()

    def delete(self, version):
        if len(self.seen.versions) > 2:
            client(self.backend).delete_model_version("wine", version)

    def hide_and_restore_the_book(self, version):
        """Somebody deletes the run the book goes on in; nothing can be decided until it is restored."""
        run_id, before = self.state.book.volumes[-1].run_id, self.seen
        if len(restored(self.state.book.entries)) == self.restorings:
            self.restorings += 1  # else the last time was not recorded yet: the book is still missed since then
        client(self.backend).delete_run(run_id)
        with pytest.raises(LedgerBroken):
            move_version(writer(self.backend), MoveRequest("wine", version, "Production", WHY))
        client(self.backend).restore_run(run_id)
        assert self.seen == before
        COUNTS["restored"] += 1

    # how a step ends

    def do(self, wish):
        self.looked()
        before, drifted = self.state, self.state.drifted_slots()
        try:
            done = move_version(writer(self.backend), wish)
            assert done.outcome in ("applied", "unchanged", "overtaken")
            assert done.outcome == "unchanged" or wish.kind in ("adopt", "revert") or not drifted
            COUNTS[done.outcome] += 1
        except ActionRefused:
            assert drifted
            COUNTS["refused"] += 1
        self.fog = self.fog or bool(before.open_intents)
        self.after()

    def after(self):
        """A decision has been carried out, or nothing was written: what was asked for before it stays as it was known."""
        if not self.state.open_intents:
            self.settle(lambda slot, before, at: said(before))
            self.fog = False
        self.sample()

    def meddled(self):
        COUNTS["meddled"] += 1
        self.fog = self.fog or bool(self.state.open_intents)
        self.sample()

    def moved(self, intent, slot, before, at):
        """One intent of a dead writer was finished: it took effect when the stage of its version was set, or only now."""
        body = next(entry.body for entry in self.state.intents if entry.id == intent)
        version = self.seen.versions.get(body.version)
        when = parse_timestamp(version.updated_at) if version and version.updated_at >= body.recorded_at else now()
        return said(before if at < when else self.seen.slot_states[slot].holders)

    # what always holds

    @invariant()
    def the_record_and_the_registry_are_sound(self):
        if self.book:
            state, seen = self.state, self.seen
            self.places_never_change(state.book)
            self.an_intent_is_closed_once(state)
            if not state.open_intents and self.known == seen.slot_states:
                self.all_agree_at_rest(state, seen)
            self.as_of_answers_like_the_model(state.book.entries)

    def places_never_change(self, reading):
        chain = tuple((entry.position, entry.id, entry.chain) for entry in reading.entries)
        assert chain[: len(self.chain)] == self.chain, "I1"
        assert [place for place, _, _ in chain] == list(range(1, reading.head + 1)), "I1"
        assert reading.findings == (), "I1"
        self.chain = chain

    def all_agree_at_rest(self, state, seen):
        drift = state.drifted_slots(seen.slot_states)
        for slot, want in state.desired_holders().items():
            assert slot in drift or not want.is_managed or is_fulfilled(want, seen.slot_states[slot]), "I2"
            assert slot in drift or not want.is_managed or len(seen.slot_states[slot].holders) <= 1, "I2"

    def an_intent_is_closed_once(self, state):
        closings = Counter(entry.body.intent for entry in state.book.entries if isinstance(entry.body, Closing))
        intents = {entry.id for entry in state.book.entries if entry.body.type == "DECIDED"}
        assert set(closings.values()) <= {1}, "I3"
        assert set(closings) | {entry.id for entry in state.open} == intents, "I3"

    def as_of_answers_like_the_model(self, entries):
        for at, answer in self.samples:
            for slot, expected in answer.items():
                got = as_of(entries, slot, parse_time_query(format_timestamp(at), now()))
                versions = tuple(holder.version for holder in got.holders)
                told = UNKNOWN if got.unknown else versions[0] if versions else None
                assert expected == ANY or (told, len(versions) <= 1) == (expected, True), (at, slot, expected, got)
                COUNTS["asked"] += expected != ANY


def restored(entries):
    return [entry.body for entry in entries if entry.body.type == "OBSERVED" and entry.body.note]


def said(holders):
    return UNKNOWN if len(holders) > 1 else holders[0] if holders else None


@pytest.fixture(scope="module")
def template(empty_database, tmp_path_factory):
    """A store with a model of four versions, made once."""
    store = copy_store(empty_database, tmp_path_factory.mktemp("stateful"))
    registered(store, versions=4)
    return store.path


def run(template, examples, steps, record_property):
    Ledger.template = template
    COUNTS.clear()
    sizes = {
        "max_examples": examples,
        "stateful_step_count": steps,
        "deadline": None,
        "print_blob": True,
        "phases": (Phase.generate, Phase.shrink),
    }
    run_state_machine_as_test(Ledger, settings=settings(**sizes, suppress_health_check=list(HealthCheck), database=None))
    record_property("counts", dict(COUNTS))
    print(dict(COUNTS))


def test_whatever_people_and_accidents_do_the_invariants_hold_and_as_of_answers_like_the_model(template, record_property):
    run(template, 8, 9, record_property)


@pytest.mark.slow
def test_the_same_at_length(template, record_property):
    run(template, 120, 25, record_property)
