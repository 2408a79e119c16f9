"""What can be done when registry and ledger disagree: adopt what stands there, or put back what the ledger wants. Pure."""

from dataclasses import dataclass

from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage
from lib.ledger.state.replay import DesiredHolder
from lib.registry.ledger_writer import ModelStatus
from lib.registry.move_plan import is_explained
from lib.registry.promote import DecisionKind
from lib.registry.snapshot import version_sort_key


@dataclass(frozen=True)
class DriftResolution:
    """One way out of a drift: a move of `version` to a stage, as a decision of this kind."""

    kind: DecisionKind
    version: str
    to_stage: Stage


@dataclass(frozen=True)
class Drift:
    """A slot that shows something else than the ledger wants. `ways` are the ways out: adopt what is shown, or put it back."""

    slot: Slot
    desired: DesiredHolder
    observed: tuple[str, ...]
    resolutions: tuple[DriftResolution, ...]


def find_drifts(status: ModelStatus) -> tuple[Drift, ...]:
    """Every disagreement of a look that nobody is at work on; none while the record tells another life of the model."""
    if status.state.model_created_at != status.snapshot.created_at:
        return ()
    return tuple(_drift(status, slot) for slot in status.state.drifted_slots(status.snapshot.slot_states))


def _drift(found: ModelStatus, slot: Slot) -> Drift:
    wanted, shown = found.state.desired_holders()[slot], found.snapshot.slot_states[slot].holders
    return Drift(slot, wanted, shown, (*_adopt(found, slot, wanted, shown), *_revert(found, slot, wanted, shown)))


def _adopt(found: ModelStatus, slot: Slot, wanted: DesiredHolder, shown: tuple[str, ...]) -> list[DriftResolution]:
    """One way for each version that is shown, the alias first; or, where nobody is shown, that nobody holds the slot."""
    there = found.snapshot.versions
    if wanted.holder in there and shown in ((), (wanted.holder,)):  # taken out, or half taken out: of the alias or of the stage
        return [DriftResolution("adopt", str(wanted.holder), "None" if there[str(wanted.holder)].stage == "None" else "Archived")]
    return [DriftResolution("adopt", version, SLOTS[slot]) for version in shown if version != wanted.holder and version in there]


def _revert(found: ModelStatus, slot: Slot, wanted: DesiredHolder, shown: tuple[str, ...]) -> list[DriftResolution]:
    there = found.snapshot.versions
    if wanted.holder in there:
        return [DriftResolution("revert", str(wanted.holder), SLOTS[slot])]
    outsiders = [version for version in shown if version not in wanted.holders and version in there]
    return [DriftResolution("revert", outsiders[0], "Archived")] if outsiders else []


def is_fully_recorded(status: ModelStatus) -> bool:
    """Does the record say all that a look found?"""
    state, seen = status.state, status.snapshot
    if not state.is_opened or state.model_created_at != seen.created_at:
        return not state.is_opened
    return (
        state.model_name in ("", seen.model)
        and state.known_versions - state.deleted_versions <= set(seen.versions)
        and is_explained([state], seen)
    )


def unrecorded_changes(status: ModelStatus) -> tuple[str, ...]:
    """What else the next look that may write would put down, in words; drift of a stage is told by `drifts`."""
    state, seen = status.state, status.snapshot
    if not state.is_opened:
        return ()
    if state.model_created_at != seen.created_at:
        return ("The model was made anew" if seen.created_at else "The model was deleted",)
    renamed = (
        [f"The model was renamed from {state.model_name} to {seen.model}"] if state.model_name not in ("", seen.model) else []
    )
    gone = sorted(state.known_versions - state.deleted_versions - set(seen.versions), key=version_sort_key)
    moved = (
        [] if is_explained([state], seen) else [slot for slot in SLOTS if state.observed_slots[slot] != seen.slot_states[slot]]
    )
    stages = [f"{SLOTS[slot]} was moved outside" for slot in moved if slot not in state.drifted_slots(seen.slot_states)]
    return (*renamed, *(f"v{version} was deleted" for version in gone), *stages)
