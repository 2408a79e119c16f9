"""What can be done when registry and ledger disagree: adopt what stands there, or put back what the ledger wants. Pure."""

from dataclasses import dataclass

from lib.ledger.fold import Wanted
from lib.ledger.words import SLOTS, Slot, Stage
from lib.registry.converge import Look
from lib.registry.promote import Kind


@dataclass(frozen=True)
class Way:
    """One way out of a drift: a move of `version` to a stage, as a decision of this kind."""

    kind: Kind
    version: str
    to: Stage


@dataclass(frozen=True)
class Drift:
    """A slot that shows something else than the ledger wants. `adopt` and `revert` are the ways out that exist."""

    slot: Slot
    wanted: Wanted
    shown: tuple[str, ...]
    adopt: Way | None
    revert: Way | None


def drifts(found: Look) -> tuple[Drift, ...]:
    """Every disagreement of a look that nobody is at work on."""
    return tuple(_drift(found, slot) for slot in found.state.drift(found.seen.now))


def _drift(found: Look, slot: Slot) -> Drift:
    wanted, shown, there = found.state.wanted()[slot], found.seen.now[slot].holders, found.seen.versions
    adopt = revert = None
    if len(shown) == 1:
        adopt = Way("adopt", shown[0], SLOTS[slot])
    elif not shown and wanted.holder in there:
        left = there[str(wanted.holder)].stage
        adopt = Way("adopt", str(wanted.holder), "None" if left == "None" else "Archived")
    if wanted.holder in there:
        revert = Way("revert", str(wanted.holder), SLOTS[slot])
    elif wanted.holder is None and len(shown) == 1:
        revert = Way("revert", shown[0], "Archived")
    return Drift(slot, wanted, shown, adopt, revert)
