"""Notices about a model: what was changed outside, what it means, what to do, and the decisions that resolve it. Pure.

They cover registry, book and source runs, with the same text on pages and the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lib.ledger.chain.book_findings import condense_findings, list_findings
from lib.ledger.chain.entry_signatures import has_trusted_entry
from lib.ledger.chain.signatures import NO_KEYS, TrustedKeys
from lib.ledger.entry.types import Observed, Opened
from lib.ledger.entry.vocabulary import SLOTS, Slot
from lib.ledger.state.replay import BookState
from lib.ledger.state.settlements import has_trusted_closing, mark_settled, read_settlements
from lib.registry.drift import Drift, find_drifts, unrecorded_changes
from lib.registry.model_status import ModelStatus
from lib.registry.move_plan import MoveRequest
from lib.registry.snapshot import version_sort_key
from lib.text import version_list

Severity = Literal["broken", "drift", "told"]
"""The book is damaged · a decision is required · information only, until the next decision."""
_MAX_NAMED_FINDINGS = 3
"""How many findings of a book are listed; verify lists them all."""
_NEW_DECISION_ADVICE = "Decide which version belongs in Production. This notice disappears with the first decision."


@dataclass(frozen=True)
class Notice:
    """One thing to report about a model. `resolutions` are the moves that settle it; without any, `next` says what to do.

    `slot` is the slot concerned, if any. `position` is the entry that recorded it, 0 if unrecorded.
    """

    what: str
    means: str
    next: str
    severity: Severity = "drift"
    slot: Slot | None = None
    resolutions: tuple[MoveRequest, ...] = ()
    position: int = 0


def collect_notices(
    status: ModelStatus, deleted_source_runs: Mapping[str, str], keys: TrustedKeys = NO_KEYS
) -> tuple[Notice, ...]:
    """All notices about a model, most severe first. `deleted_source_runs`: version that holds a stage → the id of its deleted run.

    Findings settled under one of these `keys` are omitted.
    """
    notices = (
        *_damage_notices(status, keys),
        *_life_notices(status),
        *_deletion_notices(status),
        *(_drift_notice(status, drift, keys) for drift in find_drifts(status)),
        *_unrecorded_notices(status),
        *_recorded_notices(status),
        *_source_run_notices(deleted_source_runs),
    )
    return tuple(sorted(notices, key=lambda notice: ("broken", "drift", "told").index(notice.severity)))


def _damage_notices(status: ModelStatus, keys: TrustedKeys) -> list[Notice]:
    book = status.state.book
    marked_findings = mark_settled(list_findings(book, status.snapshot.anchors(status.book_id)), read_settlements(book, keys))
    findings = condense_findings([finding for finding in marked_findings if not finding.settled_by])
    notices = [
        Notice(
            f"{f'Place {finding.position} of the' if finding.position else 'The'} book: {finding.what}",
            finding.means,
            "Verify the book on Audit, compare it with a head stored elsewhere, and settle the finding there.",
            "broken",
        )
        for finding in findings[:_MAX_NAMED_FINDINGS]
    ]
    if (more_count := len(findings) - _MAX_NAMED_FINDINGS) > 0:
        notices.append(Notice(f"{more_count} more findings", "", "Run verify to see all of them.", "broken"))
    return notices


def _life_notices(status: ModelStatus) -> list[Notice]:
    state, snapshot = status.state, status.snapshot
    if not state.is_opened or (state.model_created_at == snapshot.created_at and snapshot.created_at is not None):
        return []
    if snapshot.created_at is None:
        is_recorded = state.model_created_at is None and state.current_life_entries
        position = state.current_life_entries[0].position if is_recorded else 0
        means = "It is no longer in the registry. Its record stays and still answers questions about the past."
        return [
            Notice(
                "The model was deleted",
                means,
                "A model re-created under this name continues in the same book.",
                "told",
                position=position,
            )
        ]
    means = "It was deleted in between. Its versions are new ones, so earlier decisions do not apply to them."
    return [Notice("The model was re-created", means, "Decide which version belongs in Production.")]


def _deletion_notices(status: ModelStatus) -> list[Notice]:
    state, versions = status.state, status.snapshot.versions
    if state.model_created_at != status.snapshot.created_at:
        return []
    desired = state.desired_holders_with_deleted(lambda _: False)
    return [
        _deletion_notice(status, slot, version)
        for slot in state.slots_with_deleted_holder(versions, status.in_flight)
        for version in sorted(set(desired[slot].holders) - set(versions), key=version_sort_key)
    ]


def _deletion_notice(status: ModelStatus, slot: Slot, version: str) -> Notice:
    is_held = bool(status.snapshot.slot_states[slot].holders)
    return Notice(
        f"v{version} was deleted",
        f"It held {SLOTS[slot]} by the ledger. A deleted version cannot be restored."
        f" {'' if is_held else f'{SLOTS[slot]} is empty now.'}".rstrip(),
        "Move another version there, or accept the empty stage with a reason.",
        slot=slot,
        resolutions=() if is_held else (MoveRequest(status.snapshot.model, version, "Archived", "adopt"),),
        position=_deletion_position(status.state, version),
    )


def _drift_notice(status: ModelStatus, drift: Drift, keys: TrustedKeys) -> Notice:
    observed, desired = version_list(drift.observed), version_list(drift.desired.holders)
    book, intent_id = status.state.book, drift.desired.intent_id
    is_doubtful = has_trusted_entry(book, keys) and not has_trusted_closing(book, intent_id, keys)
    doubt = f" No key trusted here signed the decision for {desired}. Find out who wrote it first." if is_doubtful else ""
    return Notice(
        f"{SLOTS[drift.slot]} was moved outside",
        f"The registry shows {observed}, the ledger says {desired}. The change was made outside Podium, without a reason.",
        f"Accept it with a reason, or revert it.{doubt}",
        slot=drift.slot,
        resolutions=drift.resolutions,
        position=_drift_position(status.state, drift.slot),
    )


def _unrecorded_notices(status: ModelStatus) -> list[Notice]:
    """Changes that the next sync with write permission will record, unless another notice reports them."""
    if status.state.model_created_at != status.snapshot.created_at:
        return []
    reported = {
        f"v{v} was deleted"
        for slot in status.state.slots_with_deleted_holder(status.snapshot.versions, status.in_flight)
        for v in status.state.desired_holders_with_deleted(lambda _: False)[slot].holders
    }
    means = "This is not recorded yet."
    return [
        Notice(change, means, "It is recorded the next time someone with write access opens this model.")
        for change in unrecorded_changes(status)
        if change not in reported
    ]


def _recorded_notices(status: ModelStatus) -> list[Notice]:
    """Recorded outside changes that moved no version, until the next decision."""
    state = status.state
    last_position = max((intent.position for intent in state.intents), default=0)
    notices = []
    for entry in state.current_life_entries:
        match entry.body:
            case Observed(note=str(note)) as body if body.was == body.now and entry.position > last_position:
                notices.append(_note_notice(note, entry.position))
            case Opened(why="re-created", now=slot_states) if not last_position:
                means = "Its versions are new ones, so earlier decisions do not apply to them."
                resolutions = tuple(
                    MoveRequest(status.snapshot.model, slot_state.holders[0], SLOTS[slot], "adopt")
                    for slot, slot_state in slot_states.items()
                    if len(slot_state.holders) == 1
                )
                notices.append(
                    Notice(
                        "The model was deleted and re-created",
                        means,
                        _NEW_DECISION_ADVICE,
                        "told",
                        resolutions=resolutions,
                        position=entry.position,
                    )
                )
    return notices


def _note_notice(note: str, position: int) -> Notice:
    if note.startswith("The model was renamed"):
        return Notice(
            note, "Its record continues under the new name.", "Rename it back, or leave it as it is.", "told", position=position
        )
    return Notice(note, "Nothing could be recorded in the meantime.", "Find out who did it.", "told", position=position)


def _source_run_notices(deleted_source_runs: Mapping[str, str]) -> list[Notice]:
    return [
        Notice(
            f"The run of v{version} was deleted",
            f"v{version} holds a stage. Its metrics are in the record, but its files are lost once MLflow's gc removes the run.",
            f"Restore run {run_id}.",
        )
        for version, run_id in sorted(deleted_source_runs.items(), key=lambda item: version_sort_key(item[0]))
    ]


def _deletion_position(state: BookState, version: str) -> int:
    """The position of the entry that recorded the deletion of a version."""
    positions = [e.position for e in state.current_life_entries if isinstance(e.body, Observed) and version in e.body.gone]
    return positions[-1] if positions else 0


def _drift_position(state: BookState, slot: Slot) -> int:
    """The position of the entry that recorded the last outside move of a slot."""
    positions = [
        e.position
        for e in state.current_life_entries
        if isinstance(e.body, Observed) and e.body.was.get(slot) != e.body.now.get(slot)
    ]
    return positions[-1] if positions else 0
