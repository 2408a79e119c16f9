"""What can be done when registry and ledger disagree: adopt what stands there, or put back what the ledger wants. Pure."""

from dataclasses import dataclass

from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage
from lib.ledger.state.replay import Wanted
from lib.registry.ledger_writer import Look
from lib.registry.move_plan import explained
from lib.registry.promote import Kind
from lib.registry.snapshot import by_number


@dataclass(frozen=True)
class Way:
    """One way out of a drift: a move of `version` to a stage, as a decision of this kind."""

    kind: Kind
    version: str
    to: Stage


@dataclass(frozen=True)
class Drift:
    """A slot that shows something else than the ledger wants. `ways` are the ways out: adopt what is shown, or put it back."""

    slot: Slot
    wanted: Wanted
    shown: tuple[str, ...]
    ways: tuple[Way, ...]


def drifts(found: Look) -> tuple[Drift, ...]:
    """Every disagreement of a look that nobody is at work on; none while the record tells another life of the model."""
    if found.state.created != found.seen.created:
        return ()
    return tuple(_drift(found, slot) for slot in found.state.drift(found.seen.now))


def _drift(found: Look, slot: Slot) -> Drift:
    wanted, shown = found.state.wanted()[slot], found.seen.now[slot].holders
    return Drift(slot, wanted, shown, (*_adopt(found, slot, wanted, shown), *_revert(found, slot, wanted, shown)))


def _adopt(found: Look, slot: Slot, wanted: Wanted, shown: tuple[str, ...]) -> list[Way]:
    """One way for each version that is shown, the alias first; or, where nobody is shown, that nobody holds the slot."""
    there = found.seen.versions
    if wanted.holder in there and shown in ((), (wanted.holder,)):  # taken out, or half taken out: of the alias or of the stage
        return [Way("adopt", str(wanted.holder), "None" if there[str(wanted.holder)].stage == "None" else "Archived")]
    return [Way("adopt", version, SLOTS[slot]) for version in shown if version != wanted.holder and version in there]


def _revert(found: Look, slot: Slot, wanted: Wanted, shown: tuple[str, ...]) -> list[Way]:
    there = found.seen.versions
    if wanted.holder in there:
        return [Way("revert", str(wanted.holder), SLOTS[slot])]
    outsiders = [version for version in shown if version not in wanted.holders and version in there]
    return [Way("revert", outsiders[0], "Archived")] if outsiders else []


def says_all(found: Look) -> bool:
    """Does the record say all that a look found?"""
    state, seen = found.state, found.seen
    if not state.opened or state.created != seen.created:
        return not state.opened
    return state.name in ("", seen.model) and state.known - state.gone <= set(seen.versions) and explained([state], seen)


def unrecorded(found: Look) -> tuple[str, ...]:
    """What else the next look that may write would put down, in words; drift of a stage is told by `drifts`."""
    state, seen = found.state, found.seen
    if not state.opened:
        return ()
    if state.created != seen.created:
        return ("The model was made anew" if seen.created else "The model was deleted",)
    renamed = [f"The model was renamed from {state.name} to {seen.model}"] if state.name not in ("", seen.model) else []
    gone = sorted(state.known - state.gone - set(seen.versions), key=by_number)
    moved = [] if explained([state], seen) else [slot for slot in SLOTS if state.now[slot] != seen.now[slot]]
    stages = [f"{SLOTS[slot]} was moved outside" for slot in moved if slot not in state.drift(seen.now)]
    return (*renamed, *(f"v{version} was deleted" for version in gone), *stages)
