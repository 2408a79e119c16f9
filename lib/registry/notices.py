"""What a look has to say about a model: what was done outside, what it means, what to do, and the ways out. Pure.

The registry, the book and the source runs are all spoken of here, in words for the pages and the command line alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lib.ledger.entry.types import Observed, Opened
from lib.ledger.entry.vocabulary import SLOTS, Slot
from lib.ledger.state.replay import BookState
from lib.registry.drift import Drift, DriftResolution, find_drifts, unrecorded_changes
from lib.registry.ledger_writer import ModelStatus
from lib.registry.snapshot import version_sort_key

Severity = Literal["broken", "drift", "told"]
"""The book is not sound · somebody must decide · told until the next decision, and nothing waits for it."""
MAX_NAMED_FINDINGS = 3
"""How many findings of a book are named one by one; verify names them all."""


@dataclass(frozen=True)
class Notice:
    """One thing that a look found. `ways` are the decisions that settle it; without one, `next` says what to do.

    `slot` is the stage it is about, where it is about one. `place` is the entry that recorded it, 0 while none has.
    """

    what: str
    means: str
    next: str
    severity: Severity = "drift"
    slot: Slot | None = None
    resolutions: tuple[DriftResolution, ...] = ()
    position: int = 0


def collect_notices(status: ModelStatus, deleted_source_runs: Mapping[str, str]) -> tuple[Notice, ...]:
    """Everything a look found, the gravest first. `lost_runs`: version that holds a stage → the id of its run that is deleted."""
    every = (
        *_broken(status),
        *_life(status),
        *_deleted(status),
        *(_moved(status, drift) for drift in find_drifts(status)),
        *_unrecorded(status),
        *_told(status.state),
        *_runs(status, deleted_source_runs),
    )
    return tuple(sorted(every, key=lambda one: ("broken", "drift", "told").index(one.severity)))


def _broken(found: ModelStatus) -> list[Notice]:
    findings = found.state.findings(found.snapshot.anchors(found.book_id))
    named = [
        Notice(f"Place {one.position} of the book: {one.what}", one.means, "Run verify, and compare with a noted head.", "broken")
        for one in findings[:MAX_NAMED_FINDINGS]
    ]
    more = len(findings) - MAX_NAMED_FINDINGS
    return [*named, *([Notice(f"{more} more findings", "", "Run verify to see them all.", "broken")] if more > 0 else [])]


def _life(found: ModelStatus) -> list[Notice]:
    state, seen = found.state, found.snapshot
    if not state.is_opened or (state.model_created_at == seen.created_at and seen.created_at is not None):
        return []
    place = _place(state) if state.model_created_at == seen.created_at else 0
    if seen.created_at is None:
        means = "The registry has it no more. Its record stays, and answers for the time before."
        return [
            Notice(
                "The model was deleted",
                means,
                "A model made anew under this name goes on in the same book.",
                "told",
                position=place,
            )
        ]
    means = "It was deleted in between. Its versions are other ones now, so what was decided before does not hold for them."
    return [Notice("The model was made anew", means, "Decide which version belongs in Production.")]


def _deleted(found: ModelStatus) -> list[Notice]:
    state, there = found.state, found.snapshot.versions
    if state.model_created_at != found.snapshot.created_at:
        return []
    told = []
    for slot in state.slots_with_deleted_holder(there):
        for version in sorted(set(state.desired_holders_with_deleted()[slot].holders) - set(there), key=version_sort_key):
            shown = bool(found.snapshot.slot_states[slot].holders)
            told.append(
                Notice(
                    f"v{version} was deleted",
                    f"It held {SLOTS[slot]} by the ledger. A deleted version cannot be put back."
                    f" {'' if shown else f'Nobody is in {SLOTS[slot]} now.'}".rstrip(),
                    "Move another version there, or let it stand with a reason.",
                    slot=slot,
                    resolutions=() if shown else (DriftResolution("adopt", version, "Archived"),),
                    position=_gone_at(state, version),
                )
            )
    return told


def _moved(found: ModelStatus, drift: Drift) -> Notice:
    shown, wanted = (_said(holders) for holders in (drift.observed, drift.desired.holders))
    return Notice(
        f"{SLOTS[drift.slot]} was moved outside",
        f"The registry shows {shown}, the ledger says {wanted}. Somebody moved it outside Podium, and nobody gave a reason.",
        "Let it stand with a reason, or put it back.",
        slot=drift.slot,
        resolutions=drift.resolutions,
        position=_observed_at(found.state, drift.slot),
    )


def _unrecorded(found: ModelStatus) -> list[Notice]:
    """What the next look that may write puts down, unless another notice speaks of it."""
    if found.state.model_created_at != found.snapshot.created_at:
        return []
    lost = {
        f"v{v} was deleted"
        for slot in found.state.slots_with_deleted_holder(found.snapshot.versions)
        for v in found.state.desired_holders_with_deleted()[slot].holders
    }
    means = "It is not recorded yet."
    return [
        Notice(what, means, "The next look that may write records it.") for what in unrecorded_changes(found) if what not in lost
    ]


def _told(state: BookState) -> list[Notice]:
    """What the record says of things that moved no version, until the next decision."""
    last = max((intent.position for intent in state.intents), default=0)
    told = []
    for entry in state.current_life_entries:
        match entry.body:
            case Observed(note=str(note)) as body if body.was == body.now and entry.position > last:
                told.append(_noted(note, entry.position))
            case Opened(why="re-created", now=now) if not last:
                means = "Its versions are other ones now: what was decided before does not hold for them."
                ways = tuple(
                    DriftResolution("adopt", held.holders[0], SLOTS[slot]) for slot, held in now.items() if len(held.holders) == 1
                )
                told.append(
                    Notice("The model was deleted and made anew", means, _ANEW, "told", resolutions=ways, position=entry.position)
                )
    return told


_ANEW = "Decide which version belongs in Production; this notice ends with the first decision."


def _noted(note: str, place: int) -> Notice:
    if note.startswith("The model was renamed"):
        return Notice(note, "Its record goes on under the new name.", "Rename it back, or leave it so.", "told", position=place)
    return Notice(note, "Nothing could be recorded meanwhile.", "Find out who did it.", "told", position=place)


def _runs(found: ModelStatus, lost: Mapping[str, str]) -> list[Notice]:
    return [
        Notice(
            f"The run of v{version} was deleted",
            f"v{version} holds a stage. What its run measured stands in the record; its files go when MLflow's gc removes the run.",
            f"Restore run {run_id}.",
        )
        for version, run_id in sorted(lost.items(), key=lambda pair: version_sort_key(pair[0]))
    ]


def _place(state: BookState) -> int:
    return state.current_life_entries[0].position if state.current_life_entries else 0


def _gone_at(state: BookState, version: str) -> int:
    places = [e.position for e in state.current_life_entries if isinstance(e.body, Observed) and version in e.body.gone]
    return places[-1] if places else 0


def _observed_at(state: BookState, slot: Slot) -> int:
    """The entry that recorded the last outside move of a slot."""
    places = [
        e.position
        for e in state.current_life_entries
        if isinstance(e.body, Observed) and e.body.was.get(slot) != e.body.now.get(slot)
    ]
    return places[-1] if places else 0


def _said(holders: tuple[str, ...]) -> str:
    return " and ".join(f"v{number}" for number in holders) or "nobody"
