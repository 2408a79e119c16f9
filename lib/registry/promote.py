"""Promote, archive, roll back: take a place in the ledger for the decision, then make the registry follow it.

Every guard stands in the conditional append: the champion the person saw, known drift, the model's identity. A preview works the
same decision out on paper, so that what a person confirms is what will happen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lib.errors import BadInput, NotFound, PodiumError, Refused
from lib.ledger.entry.types import Body, Closing, Decided
from lib.ledger.entry.vocabulary import NOBODY, SLOTS, UNKNOWN, Reason, Slot, Stage, slot_of
from lib.ledger.state.holdings import holdings
from lib.ledger.state.replay import State, Wanted, fulfilled
from lib.ledger.storage.book import Writer, append
from lib.registry.ledger_writer import Look, append_registered
from lib.registry.lineage import is_whole
from lib.registry.move_plan import PREVIEW, Move, intent_on_paper, preview
from lib.registry.permission_check import must_move
from lib.registry.reconcile import close, look
from lib.registry.snapshot import Seen, Version, by_number

Kind = Literal["promote", "archive", "roll_back", "adopt", "revert"]
Outcome = Literal["applied", "overtaken", "failed", "unchanged"]


@dataclass(frozen=True)
class Wish:
    """What a person wants: this version in this stage, why, and against which holder they decided.

    `expected` is who they believe holds the slot that the move names (see `Wanted.said`); None asks for no such guard.
    `aliases` are other aliases of the displaced version that shall go along.
    """

    model: str
    version: str
    to: Stage
    reason: Reason
    kind: Kind = "promote"
    expected: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """How a wish ended. `entry` and `place` are those of the decision; empty when nothing had to be done."""

    model: str
    version: str
    from_: str
    to: Stage
    outcome: Outcome
    entry: str = ""
    place: int = 0
    displaced: tuple[str, ...] = ()
    why: str = ""


def move(writer: Writer, wish: Wish) -> Moved:
    """Record the decision and carry it out; returns how it ended.

    Raises NotFound for an unknown model or version, Refused when the champion is another than expected, when registry and ledger
    disagree, or when the model was made anew meanwhile; then nothing was written.
    """
    found = look(writer, wish.model)
    version = meant(found.state, found.seen, wish)
    if _is_so(found, wish):
        return Moved(wish.model, wish.version, version.stage, wish.to, "unchanged")
    _guard(found.state, found.seen, wish)
    if wish.version not in found.state.registered and wish.version in found.seen.versions:
        append_registered(writer, found, version, UNKNOWN)
    must_move(writer.backend, wish.model, steps(found, wish, writer))
    entry = append(writer.backend, found.book, _decision(writer, found, wish), found.seen.anchors(found.book)) or ""
    try:
        state = close(writer, found, (entry,)).state
    except PodiumError as error:
        raise _left_open(error) from error
    return _outcome(state, wish, version, entry)


def _left_open(error: PodiumError) -> PodiumError:
    """The decision is written, and something failed before it was carried out: nothing is lost, and nothing is certain."""
    means = "The decision is in the ledger; how far it was carried out is not certain."
    return type(error)(
        error.what, means=means, next=f"{error.next} Then run recover, or look at the model again in two minutes.".strip()
    )


def steps(found: Look, wish: Wish, writer: Writer) -> tuple[Move, ...]:
    """The registry writes a wish would make, in order, worked out on a look. Writes nothing."""
    body = _body(writer, found.state, found.seen, wish)
    return preview(intent_on_paper(found.state, body), found.seen, PREVIEW)


def displaced(found: Look, wish: Wish) -> tuple[str, ...]:
    """The versions that a wish would push out of the slots it names."""
    held = {v for slot in _slots(found.state, found.seen, wish) for v in found.seen.now[slot].holders}
    return tuple(sorted(held - {wish.version}, key=by_number)) if slot_of(wish.to) else ()


def champion(found: Look, wish: Wish) -> Wanted:
    """Who holds the slot that a wish names, by the ledger: what the person decides against."""
    slot = _slot(found.state, found.seen, wish)
    return found.state.wanted(found.seen.possible)[slot] if slot else Wanted()


def way_back(writer: Writer, found: Look) -> str | None:
    """The last *other* holder of Production that still exists, is the same version and is whole; None when there is none."""
    now = set(found.seen.now["production"].holders)
    held = [h.version for h in holdings(found.state.life) if h.slot == "production" and h.version]
    for number in dict.fromkeys(reversed(held)):
        if number not in now and number in found.seen.versions and is_whole(writer.backend, found.seen.model, number):
            return number
    return None


def roll_back(writer: Writer, model: str, reason: Reason, to_version: str | None, expected: str | None) -> Moved:
    """Put an earlier champion back into Production; by default the last other one that still exists and is whole.

    Raises Refused when there is none, or when the version asked for never was in Production or is not whole.
    """
    found = look(writer, model)
    target = to_version or way_back(writer, found)
    if target is None:
        raise Refused(f"No earlier version of {model} can go back to Production.", next="Promote another version instead.")
    version_of(found.seen, target)
    if target not in {h.version for h in holdings(found.state.life) if h.slot == "production"}:
        raise Refused(
            f"Version {target} of {model} never was in Production.", next="That would be a promotion: promote it instead."
        )
    if not is_whole(writer.backend, model, target):
        raise Refused(f"The model files of version {target} are gone.", next="Choose another version, or restore the files.")
    return move(writer, Wish(model, target, "Production", reason, "roll_back", expected))


def meant(state: State, seen: Seen, wish: Wish) -> Version:
    """The version a wish is about: one that is there, or, to let its deletion stand, one that was deleted while it was wanted."""
    if wish.version not in seen.versions and wish.kind == "adopt" and slot_of(wish.to) is None:
        stage = next((SLOTS[slot] for slot in state.lost(seen.versions) if wish.version in state.wished()[slot].holders), None)
        known = state.identity(wish.version)
        if stage and known:
            return Version(wish.version, stage, known.created, known.created, known.run_id)
    return version_of(seen, wish.version)


def version_of(seen: Seen, number: str) -> Version:
    """A version of a model. Raises NotFound with the versions there are."""
    if seen.created is None:
        raise NotFound(f"There is no registered model {seen.model}.", next="Check the name.")
    if number not in seen.versions:
        there = ", ".join(seen.versions) or "none yet"
        raise NotFound(f"{seen.model} has no version {number}.", next=f"Its versions are: {there}.")
    return seen.versions[number]


def _decision(writer: Writer, found: Look, wish: Wish) -> Callable[[State], Body | None]:
    def make(state: State) -> Body:
        if state.created != found.seen.created:
            raise Refused(f"{wish.model} was made anew meanwhile.", next="Look again, then decide.")
        _guard(state, found.seen, wish)
        return _body(writer, state, found.seen, wish)

    return make


def _guard(state: State, seen: Seen, wish: Wish) -> None:
    """Raise Refused when registry and ledger disagree, or the slot's holder is not the one the person decided against."""
    drifted = state.drift()
    if wish.kind in ("adopt", "revert"):
        _guard_drift(drifted, state, seen, wish)
    elif drifted:
        stages = " and ".join(SLOTS[slot] for slot in drifted)
        raise Refused(f"{stages} of {wish.model} was moved outside Podium, and nobody has said whether that stands.", next=_DRIFT)
    slot = _slot(state, seen, wish)
    holds = state.wanted(seen.possible)[slot].said if slot else NOBODY
    if wish.expected is not None and set(holds.split(",")) != set(wish.expected.split(",")):
        raise Refused(
            f"You decided against {_said(wish.expected)}, but {SLOTS[slot] if slot else 'a stage'} of {wish.model} is held by {_said(holds)} now.",
            next="Look at what changed, then decide again.",
        )


def _guard_drift(drifted: tuple[Slot, ...], state: State, seen: Seen, wish: Wish) -> None:
    """To adopt or put back, registry and ledger must still disagree about just this."""
    slots = [slot for slot in drifted if slot in _slots(state, seen, wish)]
    if wish.kind == "adopt" and not slots and _is_undecided(state, seen, wish):
        return
    if wish.kind == "adopt":
        slots = [
            slot
            for slot in slots
            if (wish.version in state.now[slot].holders) == (SLOTS[slot] == wish.to) or _is_half_out(state, slot, wish)
        ]
    if not slots:
        raise Refused(f"Registry and ledger of {wish.model} do not disagree about this any more.", next="Look again.")


def _is_half_out(state: State, slot: Slot, wish: Wish) -> bool:
    """Did somebody take the holder out of the alias or of the stage only, and shall it be out altogether?"""
    return wish.to not in SLOTS.values() and state.now[slot].holders == state.wanted()[slot].holders == (wish.version,)


def _is_undecided(state: State, seen: Seen, wish: Wish) -> bool:
    """Is the version gone that was wanted, or does it stand where nobody ever decided who should?"""
    slot, want = slot_of(wish.to), state.wanted(seen.possible)
    if slot is None:
        return any(wish.version in state.wished()[gone].holders for gone in state.lost(seen.versions))
    return not want[slot].named and state.now[slot].holders == seen.now[slot].holders == (wish.version,)


_DRIFT = "Adopt what stands there with a reason, or put it back; then decide again."


def _said(holders: str) -> str:
    return "nobody" if holders == "none" else " and ".join(f"v{number}" for number in holders.split(","))


def _slots(state: State, seen: Seen, wish: Wish) -> tuple[Slot, ...]:
    """The slots a wish names: the one it fills first, then those its version stands in or should stand in."""
    wanted, goal = state.wished(seen.possible), slot_of(wish.to)
    left = [slot for slot in SLOTS if wish.version in (*wanted[slot].holders, *seen.now[slot].holders)]
    return tuple(dict.fromkeys([*([goal] if goal else []), *left]))


def _slot(state: State, seen: Seen, wish: Wish) -> Slot | None:
    """The slot whose holder a person decides against; None when the version stands in no slot and goes to none."""
    return next(iter(_slots(state, seen, wish)), None)


def _body(writer: Writer, state: State, seen: Seen, wish: Wish) -> Decided:
    version = meant(state, seen, wish)
    if strange := [alias for alias in wish.aliases if alias not in seen.aliases or alias in SLOTS]:
        raise BadInput(f"{', '.join(strange)} is no alias that could go along.", next="Look again, then decide.")
    stamp = writer.stamp(wish.model) | {"from": version.stage}
    return Decided(
        **stamp,
        verdict="approve",
        kind=wish.kind,
        version=wish.version,
        identity=version.identity,
        to=wish.to,
        reason=wish.reason,
        review="none",
        expected=wish.expected,
        slots=_slots(state, seen, wish),
        aliases=wish.aliases,
    )


def _is_so(found: Look, wish: Wish) -> bool:
    """Is everything already as wished, in ledger and registry, with nobody at work on it?"""
    if found.state.open or wish.aliases or wish.kind == "adopt":
        return False
    slot, now = slot_of(wish.to), found.seen.now
    if slot is None:
        held = any(wish.version in side.holders for side in now.values())
        return not held and found.seen.versions[wish.version].stage == wish.to
    want = found.state.wanted()[slot]
    return want.holder == wish.version and fulfilled(want, now[slot])


def _outcome(state: State, wish: Wish, version: Version, entry: str) -> Moved:
    ended = {"APPLIED": "applied", "OVERTAKEN": "overtaken"}.get(state.outcome.get(entry, ""), "failed")
    closings = [e.body for e in state.reading.entries if isinstance(e.body, Closing) and e.body.intent == entry]
    place = next((e.place for e in state.reading.entries if e.id == entry), 0)
    return Moved(
        model=wish.model,
        version=wish.version,
        from_=version.stage,
        to=wish.to,
        outcome=ended,  # type: ignore[arg-type]
        entry=entry,
        place=place,
        displaced=closings[0].displaced if closings else (),
        why=(closings[0].why or "") if closings else "The model was deleted or made anew.",
    )
