"""The state of a book: who should hold each slot, what was last observed, which intents are open. Pure.

Entries are ordered by position, never by a clock. A slot is *managed* once an intent moved a version into or out of it (the contract says
*named*). Before that, the ledger has no desired holder for it and only remembers observations.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from lib.ledger.chain.book_findings import collect_findings
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, Entry, LedgerFinding
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import EMPTY_SLOT_STATES, Body, Closing, Decided, Identity, Observed, Opened, Registered, SlotState
from lib.ledger.entry.vocabulary import NO_HOLDER, RESTORED_NOTE, SLOTS, Slot, slot_of
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import all_holdings

IntentPredicate = Callable[[Entry], bool]
"""Whether the version of an open intent still exists and is the same one, or whether a decision counts."""


@dataclass(frozen=True)
class DesiredHolder:
    """Who should hold a slot. It `is_managed` once an intent concerned it; `intent_id` is that intent.

    Several holders mean that several versions were there when the record began and no decision was made yet. `observed_versions` are the
    versions in alias or stage of an unmanaged slot, including one that belongs to another slot.
    """

    holders: tuple[str, ...] = ()
    intent_id: str = ""
    is_managed: bool = False
    observed_versions: tuple[str, ...] = ()

    @property
    def holder(self) -> str | None:
        """The only holder; None if there is none or several."""
        return self.holders[0] if len(self.holders) == 1 else None

    @property
    def holders_text(self) -> str:
        """The holders in the format of `--expect-champion`: a version, `none`, or several versions joined by commas."""
        return ",".join(self.holders) or NO_HOLDER


@dataclass(frozen=True)
class BookState:
    """A book at its head. `model_created_at` is the creation time of the registered model the book covers.

    `last_observed_at` is the time of the last entry based on a snapshot of the registry: unrecorded outside moves happened later.
    """

    book: DecodedBook
    is_opened: bool = False
    model_created_at: str | None = None
    observed_slots: Mapping[Slot, SlotState] = field(default_factory=lambda: EMPTY_SLOT_STATES)
    intents: tuple[Entry, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    known_versions: frozenset[str] = frozenset()
    registered_versions: frozenset[str] = frozenset()
    deleted_versions: frozenset[str] = frozenset()
    last_observed_at: datetime | None = None

    @property
    def open_intents(self) -> tuple[Entry, ...]:
        """Intents without a closing, oldest first."""
        return tuple(intent for intent in self.intents if intent.id not in self.outcomes)

    @property
    def entry_ids(self) -> frozenset[str]:
        return frozenset(entry.id for entry in self.book.entries)

    def findings(self, anchors: tuple[Anchor, ...] = ()) -> tuple[LedgerFinding, ...]:
        """The findings in the book, including those against heads stored elsewhere."""
        return collect_findings(self.book, anchors)

    def desired_holders(self, is_possible: IntentPredicate = lambda _: True) -> dict[Slot, DesiredHolder]:
        """Who should hold each slot, including open intents. Failed and impossible intents and deleted versions do not count."""
        return self.holders_decided_by(lambda entry: self.is_effective(entry, is_possible))

    def settled_holders(self) -> dict[Slot, DesiredHolder]:
        """Who should hold each slot by the settled decisions; open ones do not count."""
        return self.holders_decided_by(self.is_settled)

    def holders_decided_by(self, counts: IntentPredicate) -> dict[Slot, DesiredHolder]:
        """Who should hold each slot by the approving decisions for which `counts` is true; deleted versions hold nothing."""
        return {
            slot: replace(holder, holders=tuple(v for v in holder.holders if v not in self.deleted_versions))
            for slot, holder in self._replay(counts)[0].items()
        }

    def desired_holders_with_deleted(self, is_possible: IntentPredicate = lambda _: True) -> dict[Slot, DesiredHolder]:
        """Like `desired_holders`, but including deleted versions: the last decision counts until the next one."""
        return self._replay(lambda entry: self.is_effective(entry, is_possible))[0]

    def slots_by_intent(self, counts: IntentPredicate) -> dict[str, frozenset[Slot]]:
        """Intent id → the slots it concerns, for all approving decisions that count."""
        return self._replay(counts)[1]

    def is_effective(self, entry: Entry, is_possible: IntentPredicate) -> bool:
        """Is an intent still effective? Not if it failed, or if it is open and became impossible."""
        outcome = self.outcomes.get(entry.id)
        return outcome != "FAILED" and (outcome is not None or is_possible(entry))

    def is_settled(self, entry: Entry) -> bool:
        """Was a decision carried out, or overtaken by a later one?"""
        return self.outcomes.get(entry.id) in ("APPLIED", "OVERTAKEN")

    def _replay(self, counts: IntentPredicate) -> tuple[dict[Slot, DesiredHolder], dict[str, frozenset[Slot]]]:
        desired, slots_by_intent = {slot: DesiredHolder() for slot in SLOTS}, dict[str, frozenset[Slot]]()
        for entry in self.current_life_entries:
            if (slot_states := _slot_states_of(entry.body)) is not None:
                holders = holders_by_slot(slot_states)
                desired = {
                    slot: holder
                    if holder.is_managed
                    else DesiredHolder(holders[slot], observed_versions=slot_states[slot].holders)
                    for slot, holder in desired.items()
                }
            if _is_approval(entry.body) and counts(entry):
                desired = _desired_after(desired, entry)
                slots_by_intent[entry.id] = frozenset(slot for slot, holder in desired.items() if holder.intent_id == entry.id)
        return desired, slots_by_intent

    def drifted_slots(
        self, observed: Mapping[Slot, SlotState] | None = None, in_flight: Collection[str] = ()
    ) -> tuple[Slot, ...]:
        """Managed slots that differ from what was decided, unless an intent `in_flight` can explain it."""
        slot_states, moving = self.observed_slots if observed is None else observed, self._slots_in_flight(in_flight)
        bodies = [intent.body for intent in self.intents if intent.id in in_flight]
        arriving = {slot: {b.version for b in bodies if isinstance(b, Decided) and b.to == SLOTS[slot]} for slot in SLOTS}
        return tuple(
            slot
            for slot, desired in self.settled_holders().items()
            if desired.is_managed
            and not is_fulfilled(desired, slot_states[slot])
            and not (slot in moving and {*slot_states[slot].holders} <= {*desired.holders, *arriving[slot]})
        )

    def slots_with_deleted_holder(self, existing_versions: Collection[str], in_flight: Collection[str] = ()) -> tuple[Slot, ...]:
        """Managed slots whose desired version was deleted, without a decision since then."""
        moving = self._slots_in_flight(in_flight)
        return tuple(
            slot
            for slot, desired in self._replay(self.is_settled)[0].items()
            if desired.is_managed and slot not in moving and set(desired.holders) - set(existing_versions)
        )

    def _slots_in_flight(self, in_flight: Collection[str]) -> frozenset[Slot]:
        slots_by_intent = self.slots_by_intent(lambda entry: self.is_settled(entry) or entry.id in in_flight)
        return frozenset(slot for intent_id in in_flight for slot in slots_by_intent.get(intent_id, ()))

    def version_identity(self, version: str) -> Identity | None:
        """The identity of a version of the present life, by the last entry that has it; None if there is none."""
        for entry in reversed(self.current_life_entries):
            match entry.body:
                case Registered() | Decided() as body if body.version == version:
                    return body.identity
                case Opened() as body if version in body.versions:
                    return body.versions[version]
        return None

    @cached_property
    def holdings(self) -> tuple[Holding, ...]:
        """Every holding of the book, including imported ones, oldest first."""
        return all_holdings(self.book.entries)

    def find_intent(self, entry_id: str) -> Decided | None:
        """The decision with this id, from any life of the model; None if there is none."""
        return self._decisions_by_id.get(entry_id)

    @cached_property
    def _decisions_by_id(self) -> Mapping[str, Decided]:
        """Id → decision. Of several with the same (planted) id, the first."""
        return {entry.id: entry.body for entry in reversed(self.book.entries) if isinstance(entry.body, Decided)}

    @property
    def recorded_deletion_times(self) -> frozenset[str]:
        """When the book was found deleted, as timestamps, for each recorded restore."""
        return frozenset(
            body.window[0] for e in self.book.entries if isinstance(body := e.body, Observed) and body.note == RESTORED_NOTE
        )

    @property
    def model_name(self) -> str:
        """The name of the model by the last entry of its present life; empty if there is none."""
        return next((entry.body.model for entry in reversed(self.current_life_entries) if entry.body.model), "")

    @property
    def current_life_entries(self) -> tuple[Entry, ...]:
        """The entries since the record of the present life began."""
        opening_indexes = [index for index, entry in enumerate(self.book.entries) if isinstance(entry.body, Opened)]
        return self.book.entries[opening_indexes[-1] :] if opening_indexes else ()


def replay(book: DecodedBook) -> BookState:
    """Compute the state of a book from its entries, in order."""
    state = BookState(book)
    for entry in book.entries:
        state = _apply(state, entry)
    return state


def replay_from(previous_state: BookState, book: DecodedBook) -> BookState:
    """Like `replay(book)`, but faster if `previous_state` already covers its first entries."""
    if book == previous_state.book:
        return previous_state
    known_count = len(previous_state.book.entries)
    if book.entries[:known_count] != previous_state.book.entries:
        return replay(book)
    state = replace(previous_state, book=book)
    for entry in book.entries[known_count:]:
        state = _apply(state, entry)
    return state


def holders_by_slot(slot_states: Mapping[Slot, SlotState]) -> dict[Slot, tuple[str, ...]]:
    """The holders of each slot, with every version in at most one: the alias decides, and production comes before staging."""
    aliased: dict[str, Slot] = {}
    for slot in SLOTS:
        if (version := slot_states[slot].alias) is not None:
            aliased.setdefault(version, slot)
    return {slot: tuple(v for v in slot_states[slot].holders if aliased.get(v, slot) == slot) for slot in SLOTS}


def is_fulfilled(desired: DesiredHolder, observed: SlotState) -> bool:
    """Does a slot show the desired state? If several holders are desired, only these may be in it."""
    if len(desired.holders) > 1:
        return set(observed.holders) <= set(desired.holders)
    return observed.alias == desired.holder and observed.stage == desired.holders


def _apply(state: BookState, entry: Entry) -> BookState:
    if _has_seen_registry(entry.body):
        state = replace(state, last_observed_at=_latest_time(state.last_observed_at, entry.body))
    match entry.body:
        case Opened() as body:
            holders = (version for slot_state in body.now.values() for version in slot_state.holders)
            return BookState(
                state.book,
                is_opened=True,
                model_created_at=body.created,
                observed_slots=body.now,
                known_versions=frozenset([*body.versions, *holders]),
                last_observed_at=state.last_observed_at,
            )
        case Registered() as body:
            return replace(
                state,
                known_versions=state.known_versions | {body.version},
                registered_versions=state.registered_versions | {body.version},
            )
        case Decided(verdict="approve") as body:
            return replace(state, intents=(*state.intents, entry), known_versions=state.known_versions | {body.version})
        case Observed() as body:
            return replace(state, observed_slots=body.now, deleted_versions=state.deleted_versions | set(body.gone))
        case Closing() as body if body.intent not in state.outcomes and any(e.id == body.intent for e in reversed(state.intents)):
            return replace(state, observed_slots=body.now, outcomes={**state.outcomes, body.intent: body.type})
        case _:
            return state


def _desired_after(desired: Mapping[Slot, DesiredHolder], entry: Entry) -> dict[Slot, DesiredHolder]:
    """The desired holders after one more approving decision: its version leaves every other slot and takes its target slot."""
    body = entry.body
    assert isinstance(body, Decided)
    target_slot, new_desired = slot_of(body.to), dict(desired)
    for slot, holder in desired.items():
        if slot == target_slot:
            new_desired[slot] = DesiredHolder((body.version,), entry.id, is_managed=True)
        elif slot in body.slots or body.version in (*holder.holders, *holder.observed_versions):
            new_desired[slot] = DesiredHolder(tuple(v for v in holder.holders if v != body.version), entry.id, is_managed=True)
    return new_desired


def _is_approval(body: Body) -> bool:
    return isinstance(body, Decided) and body.verdict == "approve"


def _has_seen_registry(body: Body) -> bool:
    """Is this entry based on an observation of the registry, with all moves before it recorded?"""
    return _is_approval(body) or (_slot_states_of(body) is not None and not (isinstance(body, Observed) and body.is_unmoved))


def _slot_states_of(body: Body) -> Mapping[Slot, SlotState] | None:
    return body.now if isinstance(body, Opened | Observed | Closing) else None


def _latest_time(previous: datetime | None, body: Body) -> datetime | None:
    try:
        at = parse_timestamp(body.recorded_at)
    except ValueError:
        return previous
    return at if previous is None or at > previous else previous
