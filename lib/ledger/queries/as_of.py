"""As of: who held a slot at an instant or during a day, who decided it and why, and which entries prove it. Pure.

"Nothing", "unknown between A and B" and "before the record begins" are separate answers. Everything comes from the entries, by value, so
that an answer remains available after runs and versions are deleted. Only imported entries cover the time before the record; their content
is marked as imported. Corrections are applied to the entries they correct, and listed among the proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lib.ledger.chain.entry_signatures import find_entry_at, signature_status
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import SignatureStatus, TrustedKeys
from lib.ledger.entry.fields import Number
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Imported, Lineage, Opened, Registered, to_json
from lib.ledger.entry.vocabulary import SLOTS, UNKNOWN_ACTOR, Actor, Reason, Slot
from lib.ledger.queries.actor_names import NameStatus, actor_status, displayed_name
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.corrections import corrected_entries, corrections_by_entry_id
from lib.ledger.state.holdings import Holding, record_start
from lib.ledger.state.imported_holdings import ImportedEvidence, all_holdings, imported_evidence, imported_since

BEFORE_RECORD = "before the record begins"
NO_RECORD = "there is no record"
OUT_OF_REACH = "no index leads to a record, but this store has an unexplained one"


@dataclass(frozen=True)
class Holder:
    """A version that held the slot from `since` until `until` (None: still does), who decided that and why, and its description.

    `actor` is the unknown actor and `reason` is None for holders from when the record began, and for outside moves not adopted at that
    time. Metrics, data and commit are those of its registration. `entry_positions` prove it. `import_body` is the imported entry, if only
    that is known about the start of the holding. `note` describes the version. `name_status` says how reliable the name of the decider, or
    importer, is; `signature` is the signature status of the entry at `actor_position`. Nothing is verified before `verify_holders`.
    """

    version: str
    since: datetime
    until: datetime | None
    actor: Actor
    reason: Reason | None
    entry_positions: tuple[int, ...]
    metrics: Mapping[str, Number] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    git_commit: str = ""
    import_body: Imported | None = None
    note: str = ""
    actor_position: int = 0
    signature: SignatureStatus = "none"
    name_status: NameStatus = "none"

    @property
    def displayed_name(self) -> str:
        """The name of the decider for display; for an imported holding, the name in its file."""
        return self.actor.name if self.import_body else displayed_name(self.actor.name, self.name_status)


@dataclass(frozen=True)
class UnknownInterval:
    """An interval in which the holder of the slot is unknown; None is an open end."""

    since: datetime | None
    until: datetime | None
    explanation: str


@dataclass(frozen=True)
class AsOfAnswer:
    """Who held a slot at the time of the query. Both empty: no version. Holdings and intervals may extend beyond the query."""

    slot: Slot
    query: TimeQuery
    holders: tuple[Holder, ...]
    unknown: tuple[UnknownInterval, ...]


def as_of(entries: Sequence[Entry], slot: Slot, query: TimeQuery, cached_holdings: Sequence[Holding] | None = None) -> AsOfAnswer:
    """The answer of a book for an instant or an interval. An entry at position 0 counts, but is not listed as proof.

    `cached_holdings` is the result of `all_holdings` for these entries, if already computed.
    """
    readable_entries = corrected_entries(entries)
    slot_holdings = _slot_holdings(all_holdings(entries) if cached_holdings is None else cached_holdings, slot)
    holdings = [h for h in slot_holdings if _overlaps(query, h.since, h.until)]
    lives, corrections = _life_by_position(readable_entries), corrections_by_entry_id(entries)
    plain_holders = (
        _imported_holder(imported_evidence(entries, h), h) if h.is_imported else _recorded_holder(lives[h.position], h, query)
        for h in holdings
        if h.version
    )
    holders = tuple(_with_correction_positions(holder, entries, corrections) for holder in plain_holders)
    unknown = tuple(UnknownInterval(h.since, h.until, h.explanation) for h in holdings if h.version is None)
    return AsOfAnswer(slot, query, holders, (*_unknown_before_record(entries, slot, query), *unknown))


def _slot_holdings(holdings: Sequence[Holding], slot: Slot) -> list[Holding]:
    """The holdings of a slot, including imported ones. An imported holding that continues in the record is joined with it."""
    imported_part = [h for h in holdings if h.slot == slot and h.is_imported]
    recorded_part = [h for h in holdings if h.slot == slot and not h.is_imported]
    if imported_part and recorded_part:
        last, first = imported_part[-1], recorded_part[0]
        if last.version and (last.version, last.until) == (first.version, first.since):
            joined_holding = replace(last, until=first.until, end_position=first.end_position)
            return [*imported_part[:-1], joined_holding, *recorded_part[1:]]
    return [*imported_part, *recorded_part]


def _imported_holder(evidence: ImportedEvidence | None, holding: Holding) -> Holder:
    """A holding known only from imported entries. The name is the one in the file."""
    if evidence is None:
        return Holder(holding.version or "", holding.since, holding.until, UNKNOWN_ACTOR, None, (holding.position,))
    return Holder(
        version=holding.version or "",
        since=holding.since,
        until=holding.until,
        actor=evidence.actor,
        reason=evidence.reason,
        entry_positions=tuple(sorted({*evidence.entry_positions, holding.end_position} - {0})),
        metrics=evidence.lineage.metrics,
        data=evidence.lineage.data,
        git_commit=evidence.lineage.git_commit,
        import_body=evidence.import_body,
        note=evidence.note,
        actor_position=holding.position,
        name_status=actor_status(evidence.import_body.by),
    )


def _with_correction_positions(holder: Holder, entries: Sequence[Entry], corrections: Mapping[str, tuple[Entry, ...]]) -> Holder:
    """Add the positions of corrections to the proof."""
    entry_ids = {entry.id for entry in entries if entry.position in holder.entry_positions}
    correction_positions = {correction.position for entry_id in entry_ids for correction in corrections.get(entry_id, ())}
    return replace(holder, entry_positions=tuple(sorted({*holder.entry_positions, *correction_positions})))


def verify_holders(answer: AsOfAnswer, book: DecodedBook, keys: TrustedKeys) -> AsOfAnswer:
    """Add the signature status of the deciders to an answer. Corrected names keep the status given by the correction."""
    holders = list[Holder]()
    for holder in answer.holders:
        entry = find_entry_at(book, holder.actor_position)
        signature = signature_status(book, entry, keys) if entry else "none"
        actor = holder.import_body.by if holder.import_body else holder.actor
        is_as_written = entry is not None and entry.body.by == actor
        status = actor_status(actor, signature) if is_as_written else holder.name_status
        holders.append(replace(holder, signature=signature, name_status=status))
    return replace(answer, holders=tuple(holders))


def answer_to_json(answer: AsOfAnswer) -> dict[str, Any]:
    """Stage, holders and unknown intervals in the format of `asof`; null means an open end or an unknown value.

    Names that claim to be verified come with the signature status of their entry.
    """
    return {
        "stage": SLOTS[answer.slot],
        "holders": [_holder_json(holder) for holder in answer.holders],
        "unknown": [
            {"since": _timestamp(interval.since), "until": _timestamp(interval.until), "why": interval.explanation}
            for interval in answer.unknown
        ],
    }


def _unknown_before_record(entries: Sequence[Entry], slot: Slot, query: TimeQuery) -> tuple[UnknownInterval, ...]:
    begin = record_start(entries)
    if begin is None:
        return (UnknownInterval(None, None, NO_RECORD),)
    begin = min(begin, imported_since(entries, slot) or begin)
    return (UnknownInterval(None, begin, BEFORE_RECORD),) if query.at < begin else ()


def _overlaps(query: TimeQuery, since: datetime, until: datetime | None) -> bool:
    """Does the half-open interval from `since` to `until` overlap the query? An empty interval overlaps a day, never an instant."""
    if query.until is None:
        return since <= query.at and (until is None or query.at < until)
    return since < query.until and (until is None or until > query.at or since == until == query.at)


@dataclass
class _LifeEntries:
    """The entries of one life of the model by purpose, since version numbers restart when a model is re-created."""

    decisions: dict[str, Entry] = field(default_factory=dict)
    registrations: dict[str, Entry] = field(default_factory=dict)
    closings: list[Entry] = field(default_factory=list)


def _life_by_position(entries: Sequence[Entry]) -> dict[int, _LifeEntries]:
    """Position → the life of the model to which the entry belongs."""
    life, lives = _LifeEntries(), dict[int, _LifeEntries]()
    for entry in entries:
        match entry.body:
            case Opened():
                life = _LifeEntries()
            case Registered() as body:
                life.registrations[body.version] = entry
            case Decided():
                life.decisions[entry.id] = entry
            case Closing(type="APPLIED"):
                life.closings.append(entry)
        lives[entry.position] = life
    return lives


def _recorded_holder(life: _LifeEntries, holding: Holding, query: TimeQuery) -> Holder:
    decision, closing = _find_decision(life, holding, query)
    registration = life.registrations.get(holding.version or "")
    lineage = registration.body.lineage if registration and isinstance(registration.body, Registered) else Lineage()
    decision_body = decision.body if decision and isinstance(decision.body, Decided) else None
    positions = {
        holding.position,
        holding.end_position,
        *(entry.position for entry in (decision, closing, registration) if entry),
    }
    return Holder(
        version=holding.version or "",
        since=holding.since,
        until=holding.until,
        actor=decision_body.by if decision_body else UNKNOWN_ACTOR,
        reason=decision_body.reason if decision_body else None,
        entry_positions=tuple(sorted(positions - {0})),
        metrics=lineage.metrics,
        data=lineage.data,
        git_commit=lineage.git_commit,
        note=(registration.body.note if registration else None) or "",
        actor_position=decision.position if decision else 0,
        name_status=actor_status(decision_body.by) if decision_body else "none",
    )


def _find_decision(life: _LifeEntries, holding: Holding, query: TimeQuery) -> tuple[Entry | None, Entry | None]:
    """The decision behind a holding, or the one that had adopted it by the queried time with its closing."""
    if holding.decision_id:
        return life.decisions.get(holding.decision_id), None
    for entry in life.closings:
        if entry.position <= holding.position or (holding.end_position and entry.position >= holding.end_position):
            continue
        intent = life.decisions.get(entry.body.intent) if isinstance(entry.body, Closing) else None
        intent_body = intent.body if intent and isinstance(intent.body, Decided) else None
        is_adoption = intent_body and (intent_body.version, intent_body.to) == (holding.version, SLOTS[holding.slot])
        if is_adoption and parse_timestamp(entry.body.effective_at or entry.body.recorded_at) <= query.end:
            return intent, entry
    return None, None


def _holder_json(holder: Holder) -> dict[str, Any]:
    return {
        "version": holder.version,
        "since": format_timestamp(holder.since),
        "until": _timestamp(holder.until),
        "by": to_json(holder.actor),
        "reason": to_json(holder.reason) if holder.reason else None,
        "metrics": dict(holder.metrics),
        "data": dict(holder.data),
        "git_commit": holder.git_commit or None,
        "entries": list(holder.entry_positions),
        **({"signature": holder.signature} if holder.name_status in ("verified", "claimed") else {}),
        **({"imported": _source_json(holder.import_body)} if holder.import_body else {}),
    }


def _source_json(import_body: Imported) -> dict[str, Any]:
    """The source of an imported holding, and who imported it when."""
    return {"source": to_json(import_body.source), "by": to_json(import_body.by), "recorded_at": import_body.recorded_at}


def _timestamp(at: datetime | None) -> str | None:
    return format_timestamp(at) if at else None
