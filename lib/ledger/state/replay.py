"""What a book adds up to: who should hold each slot, what was last seen, which intents are open. Pure.

The order is the place, never a clock. A slot is *named* once an intent moved a version into or out of it; before that the
ledger has no wish for it and only remembers what was seen.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from lib.ledger.chain.hash_chain import Anchor, Entry, Finding, Reading, judge
from lib.ledger.entry.types import NOTHING, Body, Closing, Decided, Held, Identity, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import NOBODY, RESTORED, SLOTS, Slot, as_time, slot_of
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import every_holding

Possible = Callable[[Entry], bool]
"""Tells of an open intent whether its version still exists and is the same one."""


@dataclass(frozen=True)
class Wanted:
    """Who should hold a slot. `named` tells whether an intent ever spoke of it; `cause` is the id of that intent.

    Several holders mean: several stood there when the record began, and nobody has decided yet. `shown` is whatever alias or stage
    of an unnamed slot point to, a version that stands in another slot included.
    """

    holders: tuple[str, ...] = ()
    cause: str = ""
    named: bool = False
    shown: tuple[str, ...] = ()

    @property
    def holder(self) -> str | None:
        """The one holder; None for nobody, and for several."""
        return self.holders[0] if len(self.holders) == 1 else None

    @property
    def said(self) -> str:
        """As `--expect-champion` names it: a version, `none`, or several versions joined by commas."""
        return ",".join(self.holders) or NOBODY


@dataclass(frozen=True)
class State:
    """A book at its head. `created` is the creation time of the registered model whose life the book tells.

    `last` is when an entry was last made from a sight of the registry: what was moved outside and is not recorded was moved later.
    """

    reading: Reading
    opened: bool = False
    created: str | None = None
    now: Mapping[Slot, Held] = field(default_factory=lambda: NOTHING)
    intents: tuple[Entry, ...] = ()
    outcome: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    registered: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    last: datetime | None = None

    @property
    def open(self) -> tuple[Entry, ...]:
        """Intents that no closing ended yet, oldest first."""
        return tuple(intent for intent in self.intents if intent.id not in self.outcome)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(entry.id for entry in self.reading.entries)

    def findings(self, anchors: tuple[Anchor, ...] = ()) -> tuple[Finding, ...]:
        """What does not fit in the book, heads noted elsewhere included."""
        return judge(self.reading, anchors)

    def wanted(self, possible: Possible = lambda _: True) -> dict[Slot, Wanted]:
        """Who should hold each slot. Failed and impossible intents and versions seen to be gone do not count."""
        want = self.wished(possible)
        return {slot: replace(w, holders=tuple(v for v in w.holders if v not in self.gone)) for slot, w in want.items()}

    def wished(self, possible: Possible = lambda _: True) -> dict[Slot, Wanted]:
        """The same, with versions that are gone: what was decided last, and stands until somebody decides anew."""
        return self._replay(possible)[0]

    def named(self, possible: Possible = lambda _: True) -> dict[str, frozenset[Slot]]:
        """Intent id → the slots it names, for all intents that count."""
        return self._replay(possible)[1]

    def counts(self, entry: Entry, possible: Possible) -> bool:
        """Does an intent still wish for something? Not when it failed, nor when it is open and became impossible."""
        ended = self.outcome.get(entry.id)
        return ended != "FAILED" and (ended is not None or possible(entry))

    def _replay(self, possible: Possible) -> tuple[dict[Slot, Wanted], dict[str, frozenset[Slot]]]:
        want, names = {slot: Wanted() for slot in SLOTS}, dict[str, frozenset[Slot]]()
        for entry in self.life:
            if (seen := _now_of(entry.body)) is not None:
                stands = standing(seen)
                want = {slot: w if w.named else Wanted(stands[slot], shown=seen[slot].holders) for slot, w in want.items()}
            if _approves(entry.body) and self.counts(entry, possible):
                want = _after(want, entry)
                names[entry.id] = frozenset(slot for slot, w in want.items() if w.cause == entry.id)
        return want, names

    def drift(self, seen: Mapping[Slot, Held] | None = None) -> tuple[Slot, ...]:
        """Named slots that show something else than is wanted, while nobody is at work on them."""
        if self.open:
            return ()
        shown = self.now if seen is None else seen
        return tuple(slot for slot, want in self.wanted().items() if want.named and not fulfilled(want, shown[slot]))

    def lost(self, there: Collection[str]) -> tuple[Slot, ...]:
        """Named slots whose wanted version is not there any more, while nobody has decided anew."""
        if self.open:
            return ()
        return tuple(slot for slot, want in self.wished().items() if want.named and set(want.holders) - set(there))

    def identity(self, version: str) -> Identity | None:
        """What made a version of the present life itself, by the last entry that says so; None when none does."""
        for entry in reversed(self.life):
            match entry.body:
                case Registered() | Decided() as body if body.version == version:
                    return body.identity
                case Opened() as body if version in body.versions:
                    return body.versions[version]
        return None

    @cached_property
    def held(self) -> tuple[Holding, ...]:
        """Every holding of the book, what was imported before it too, oldest first."""
        return every_holding(self.reading.entries)

    def intent(self, entry_id: str) -> Decided | None:
        """The approving decision with this id, of any life of the model."""
        return self._decided.get(entry_id)

    @cached_property
    def _decided(self) -> Mapping[str, Decided]:
        """Id → decision; of several with one id, which somebody planted, the first."""
        return {entry.id: entry.body for entry in reversed(self.reading.entries) if isinstance(entry.body, Decided)}

    @property
    def missed(self) -> frozenset[str]:
        """When the book was found deleted, as ledger text, for each time it says that it was restored."""
        return frozenset(
            body.window[0] for e in self.reading.entries if isinstance(body := e.body, Observed) and body.note == RESTORED
        )

    @property
    def name(self) -> str:
        """What the model was called by the last entry of its present life; empty when none says so."""
        return next((entry.body.model for entry in reversed(self.life) if entry.body.model), "")

    @property
    def life(self) -> tuple[Entry, ...]:
        """The entries since the record of the present life began."""
        starts = [n for n, entry in enumerate(self.reading.entries) if isinstance(entry.body, Opened)]
        return self.reading.entries[starts[-1] :] if starts else ()


def fold(reading: Reading) -> State:
    """Add up the entries of a book, in their order."""
    state = State(reading)
    for entry in reading.entries:
        state = _step(state, entry)
    return state


def fold_on(before: State, reading: Reading) -> State:
    """The same as `fold(reading)`, in less time where `before` has added up its first entries already."""
    if reading == before.reading:
        return before
    done = len(before.reading.entries)
    if reading.entries[:done] != before.reading.entries:
        return fold(reading)
    state = replace(before, reading=reading)
    for entry in reading.entries[done:]:
        state = _step(state, entry)
    return state


def standing(seen: Mapping[Slot, Held]) -> dict[Slot, tuple[str, ...]]:
    """Who stands in each slot, every version in one at most: the alias is the truth, and production comes before staging."""
    aliased: dict[str, Slot] = {}
    for slot in SLOTS:
        if (version := seen[slot].alias) is not None:
            aliased.setdefault(version, slot)
    return {slot: tuple(v for v in seen[slot].holders if aliased.get(v, slot) == slot) for slot in SLOTS}


def fulfilled(want: Wanted, held: Held) -> bool:
    """Does a slot show what is wanted? With several holders wanted, none but these may stand in it."""
    if len(want.holders) > 1:
        return set(held.holders) <= set(want.holders)
    return held.alias == want.holder and held.stage == want.holders


def _step(state: State, entry: Entry) -> State:
    state = replace(state, last=_latest(state.last, entry.body)) if _saw(entry.body) else state
    match entry.body:
        case Opened() as body:
            known = frozenset([*body.versions, *(version for held in body.now.values() for version in held.holders)])
            return State(state.reading, opened=True, created=body.created, now=body.now, known=known, last=state.last)
        case Registered() as body:
            return replace(state, known=state.known | {body.version}, registered=state.registered | {body.version})
        case Decided(verdict="approve") as body:
            return replace(state, intents=(*state.intents, entry), known=state.known | {body.version})
        case Observed() as body:
            return replace(state, now=body.now, gone=state.gone | set(body.gone))
        case Closing() as body if body.intent not in state.outcome and any(i.id == body.intent for i in reversed(state.intents)):
            return replace(state, now=body.now, outcome={**state.outcome, body.intent: body.type})
        case _:
            return state


def _after(want: Mapping[Slot, Wanted], entry: Entry) -> dict[Slot, Wanted]:
    """The wish after one more approving decision: its version leaves every other slot and takes the one it is meant for."""
    body = entry.body
    assert isinstance(body, Decided)
    goal, left = slot_of(body.to), dict(want)
    for slot, now in want.items():
        if slot == goal:
            left[slot] = Wanted((body.version,), entry.id, named=True)
        elif slot in body.slots or body.version in (*now.holders, *now.shown):
            left[slot] = Wanted(tuple(v for v in now.holders if v != body.version), entry.id, named=True)
    return left


def _approves(body: Body) -> bool:
    return isinstance(body, Decided) and body.verdict == "approve"


def _saw(body: Body) -> bool:
    """Was the registry looked at for this entry, and all that had been moved in it recorded?"""
    return _approves(body) or (_now_of(body) is not None and not (isinstance(body, Observed) and body.is_unmoved))


def _now_of(body: Body) -> Mapping[Slot, Held] | None:
    return body.now if isinstance(body, Opened | Observed | Closing) else None


def _latest(last: datetime | None, body: Body) -> datetime | None:
    try:
        at = as_time(body.recorded_at)
    except ValueError:
        return last
    return at if last is None or at > last else last
