"""Drift between registry and ledger and its resolutions: adopt the registry's state, or revert to the ledger's. Pure."""

from dataclasses import dataclass

from lib.ledger.entry.vocabulary import SLOTS, Slot
from lib.ledger.state.replay import DesiredHolder
from lib.registry.explanation import is_explained
from lib.registry.model_status import ModelStatus
from lib.registry.move_plan import MoveRequest
from lib.registry.snapshot import version_sort_key


@dataclass(frozen=True)
class Drift:
    """A slot whose observed holders differ from the decided one. `resolutions` are moves that adopt the observed state, or revert it."""

    slot: Slot
    desired: DesiredHolder
    observed: tuple[str, ...]
    resolutions: tuple[MoveRequest, ...]


def find_drifts(status: ModelStatus) -> tuple[Drift, ...]:
    """Every disagreement not explained by a decision in flight; none while the record covers another life of the model."""
    if status.state.model_created_at != status.snapshot.created_at:
        return ()
    return tuple(_drift(status, slot) for slot in status.drifted_slots)


def _drift(status: ModelStatus, slot: Slot) -> Drift:
    desired, observed = status.state.settled_holders()[slot], status.snapshot.slot_states[slot].holders
    adopt = _adopt_resolutions(status, slot, desired, observed)
    revert = _revert_resolutions(status, slot, desired, observed)
    return Drift(slot, desired, observed, (*adopt, *revert))


def _adopt_resolutions(status: ModelStatus, slot: Slot, desired: DesiredHolder, observed: tuple[str, ...]) -> list[MoveRequest]:
    """One for each observed version, the alias first; if the holder was removed, one that accepts the empty slot."""
    versions = status.snapshot.versions
    # the holder lost alias and stage, or only one of them
    if desired.holder in versions and observed in ((), (desired.holder,)):
        holder = str(desired.holder)
        return [MoveRequest(status.snapshot.model, holder, "None" if versions[holder].stage == "None" else "Archived", "adopt")]
    return [
        MoveRequest(status.snapshot.model, version, SLOTS[slot], "adopt")
        for version in observed
        if version != desired.holder and version in versions
    ]


def _revert_resolutions(status: ModelStatus, slot: Slot, desired: DesiredHolder, observed: tuple[str, ...]) -> list[MoveRequest]:
    model, versions = status.snapshot.model, status.snapshot.versions
    if desired.holder in versions:
        return [MoveRequest(model, str(desired.holder), SLOTS[slot], "revert")]
    outsiders = [version for version in observed if version not in desired.holders and version in versions]
    return [MoveRequest(model, outsiders[0], "Archived", "revert")] if outsiders else []


def is_fully_recorded(status: ModelStatus) -> bool:
    """Does the record explain everything the registry shows?"""
    state, snapshot = status.state, status.snapshot
    if not state.is_opened or state.model_created_at != snapshot.created_at:
        return not state.is_opened
    return (
        state.model_name in ("", snapshot.model)
        and state.known_versions - state.deleted_versions <= set(snapshot.versions)
        and is_explained([state], snapshot, status.in_flight)
    )


def unrecorded_changes(status: ModelStatus) -> tuple[str, ...]:
    """Other changes that the next sync with write permission would record, as text. Slot drift is left to `find_drifts`."""
    state, snapshot = status.state, status.snapshot
    if not state.is_opened:
        return ()
    if state.model_created_at != snapshot.created_at:
        return ("The model was re-created" if snapshot.created_at else "The model was deleted",)
    is_renamed = state.model_name not in ("", snapshot.model)
    rename = [f"The model was renamed from {state.model_name} to {snapshot.model}"] if is_renamed else []
    deleted_versions = sorted(state.known_versions - state.deleted_versions - set(snapshot.versions), key=version_sort_key)
    changed_slots = [slot for slot in SLOTS if state.observed_slots[slot] != snapshot.slot_states[slot]]
    moves = [f"{SLOTS[slot]} was moved outside" for slot in changed_slots if slot not in status.drifted_slots]
    return (
        *rename,
        *(f"v{version} was deleted" for version in deleted_versions),
        *([] if is_explained([state], snapshot, status.in_flight) else moves),
    )
