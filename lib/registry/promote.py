"""Promote, archive, roll back: take a place in the ledger for the decision, then make the registry follow it.

Every guard stands in the conditional append: the champion the person saw, known drift, the model's identity. A preview works the
same decision out on paper, so that what a person confirms is what will happen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lib.errors import ActionRefused, BadInput, NotFound, PodiumError
from lib.ledger.entry.types import Body, Closing, Decided
from lib.ledger.entry.vocabulary import NO_HOLDER, SLOTS, UNKNOWN_ACTOR, Reason, Slot, Stage, slot_of
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.state.replay import BookState, DesiredHolder, is_fulfilled
from lib.ledger.storage.book import Writer, append
from lib.registry.ledger_writer import ModelStatus, append_registered
from lib.registry.lineage import has_model_files
from lib.registry.move_plan import PREVIEW_ID, Move, add_preview_intent, preview_intent
from lib.registry.permission_check import require_move_permission
from lib.registry.reconcile import close_intents, sync_model_status
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, version_sort_key

DecisionKind = Literal["promote", "archive", "roll_back", "adopt", "revert"]
MoveOutcome = Literal["applied", "overtaken", "failed", "unchanged"]


@dataclass(frozen=True)
class MoveRequest:
    """What a person wants: this version in this stage, why, and against which holder they decided.

    `expected` is who they believe holds the slot that the move names (see `Wanted.said`); None asks for no such guard.
    `aliases` are other aliases of the displaced version that shall go along.
    """

    model: str
    version: str
    to_stage: Stage
    reason: Reason
    kind: DecisionKind = "promote"
    expected_holder: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class MoveResult:
    """How a wish ended. `entry` and `place` are those of the decision; empty when nothing had to be done."""

    model: str
    version: str
    from_stage: str
    to_stage: Stage
    outcome: MoveOutcome
    entry_id: str = ""
    position: int = 0
    displaced_versions: tuple[str, ...] = ()
    failure_reason: str = ""


def move_version(writer: Writer, request: MoveRequest) -> MoveResult:
    """Record the decision and carry it out; returns how it ended.

    Raises NotFound for an unknown model or version, Refused when the champion is another than expected, when registry and ledger
    disagree, or when the model was made anew meanwhile; then nothing was written.
    """
    found = sync_model_status(writer, request.model)
    version = target_version(found.state, found.snapshot, request)
    if _is_so(found, request):
        return MoveResult(request.model, request.version, version.stage, request.to_stage, "unchanged")
    _guard(found.state, found.snapshot, request)
    if request.version not in found.state.registered_versions and request.version in found.snapshot.versions:
        append_registered(writer, found, version, UNKNOWN_ACTOR)
    require_move_permission(writer.backend, request.model, preview_moves(found, request, writer))
    entry = append(writer.backend, found.book_id, _decision(writer, found, request), found.snapshot.anchors(found.book_id)) or ""
    try:
        state = close_intents(writer, found, (entry,)).state
    except PodiumError as error:
        raise _left_open(error) from error
    return _outcome(state, request, version, entry)


def _left_open(error: PodiumError) -> PodiumError:
    """The decision is written, and something failed before it was carried out: nothing is lost, and nothing is certain."""
    means = "The decision is in the ledger; how far it was carried out is not certain."
    return type(error)(
        error.what, means=means, next=f"{error.next} Then run recover, or look at the model again in two minutes.".strip()
    )


def preview_moves(status: ModelStatus, request: MoveRequest, writer: Writer) -> tuple[Move, ...]:
    """The registry writes a wish would make, in order, worked out on a look. Writes nothing."""
    body = _body(writer, status.state, status.snapshot, request)
    return preview_intent(add_preview_intent(status.state, body), status.snapshot, PREVIEW_ID)


def displaced_versions(status: ModelStatus, request: MoveRequest) -> tuple[str, ...]:
    """The versions that a wish would push out of the slots it names."""
    held = {v for slot in _slots(status.state, status.snapshot, request) for v in status.snapshot.slot_states[slot].holders}
    return tuple(sorted(held - {request.version}, key=version_sort_key)) if slot_of(request.to_stage) else ()


def desired_holder(status: ModelStatus, request: MoveRequest) -> DesiredHolder:
    """Who holds the slot that a wish names, by the ledger: what the person decides against."""
    slot = _slot(status.state, status.snapshot, request)
    return status.state.desired_holders(status.snapshot.is_possible)[slot] if slot else DesiredHolder()


def rollback_target(writer: Writer, status: ModelStatus) -> str | None:
    """The last *other* holder of Production that still exists, is the same version and is whole; None when there is none."""
    now = set(status.snapshot.slot_states["production"].holders)
    held = [h.version for h in recorded_holdings(status.state.current_life_entries) if h.slot == "production" and h.version]
    for number in dict.fromkeys(reversed(held)):
        if (
            number not in now
            and number in status.snapshot.versions
            and has_model_files(writer.backend, status.snapshot.model, number)
        ):
            return number
    return None


def roll_back(writer: Writer, model: str, reason: Reason, to_version: str | None, expected_holder: str | None) -> MoveResult:
    """Put an earlier champion back into Production; by default the last other one that still exists and is whole.

    Raises Refused when there is none, or when the version asked for never was in Production or is not whole.
    """
    found = sync_model_status(writer, model)
    target = to_version or rollback_target(writer, found)
    if target is None:
        raise ActionRefused(f"No earlier version of {model} can go back to Production.", next="Promote another version instead.")
    require_version(found.snapshot, target)
    if target not in {h.version for h in recorded_holdings(found.state.current_life_entries) if h.slot == "production"}:
        raise ActionRefused(
            f"Version {target} of {model} never was in Production.", next="That would be a promotion: promote it instead."
        )
    if not has_model_files(writer.backend, model, target):
        raise ActionRefused(
            f"The model files of version {target} are gone.", next="Choose another version, or restore the files."
        )
    return move_version(writer, MoveRequest(model, target, "Production", reason, "roll_back", expected_holder))


def target_version(state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> VersionSnapshot:
    """The version a wish is about: one that is there, or, to let its deletion stand, one that was deleted while it was wanted."""
    if request.version not in snapshot.versions and request.kind == "adopt" and slot_of(request.to_stage) is None:
        stage = next(
            (
                SLOTS[slot]
                for slot in state.slots_with_deleted_holder(snapshot.versions)
                if request.version in state.desired_holders_with_deleted()[slot].holders
            ),
            None,
        )
        known = state.version_identity(request.version)
        if stage and known:
            return VersionSnapshot(request.version, stage, known.created, known.created, known.run_id)
    return require_version(snapshot, request.version)


def require_version(snapshot: RegistrySnapshot, number: str) -> VersionSnapshot:
    """A version of a model. Raises NotFound with the versions there are."""
    if snapshot.created_at is None:
        raise NotFound(f"There is no registered model {snapshot.model}.", next="Check the name.")
    if number not in snapshot.versions:
        there = ", ".join(snapshot.versions) or "none yet"
        raise NotFound(f"{snapshot.model} has no version {number}.", next=f"Its versions are: {there}.")
    return snapshot.versions[number]


def _decision(writer: Writer, found: ModelStatus, wish: MoveRequest) -> Callable[[BookState], Body | None]:
    def make(state: BookState) -> Body:
        if state.model_created_at != found.snapshot.created_at:
            raise ActionRefused(f"{wish.model} was made anew meanwhile.", next="Look again, then decide.")
        _guard(state, found.snapshot, wish)
        return _body(writer, state, found.snapshot, wish)

    return make


def _guard(state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> None:
    """Raise Refused when registry and ledger disagree, or the slot's holder is not the one the person decided against."""
    drifted = state.drifted_slots()
    if wish.kind in ("adopt", "revert"):
        _guard_drift(drifted, state, seen, wish)
    elif drifted:
        stages = " and ".join(SLOTS[slot] for slot in drifted)
        raise ActionRefused(
            f"{stages} of {wish.model} was moved outside Podium, and nobody has said whether that stands.", next=_DRIFT
        )
    slot = _slot(state, seen, wish)
    holds = state.desired_holders(seen.is_possible)[slot].holders_text if slot else NO_HOLDER
    if wish.expected_holder is not None and set(holds.split(",")) != set(wish.expected_holder.split(",")):
        raise ActionRefused(
            f"You decided against {_said(wish.expected_holder)}, but {SLOTS[slot] if slot else 'a stage'} of {wish.model} is held by {_said(holds)} now.",
            next="Look at what changed, then decide again.",
        )


def _guard_drift(drifted: tuple[Slot, ...], state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> None:
    """To adopt or put back, registry and ledger must still disagree about just this."""
    slots = [slot for slot in drifted if slot in _slots(state, seen, wish)]
    if wish.kind == "adopt" and not slots and _is_undecided(state, seen, wish):
        return
    if wish.kind == "adopt":
        slots = [
            slot
            for slot in slots
            if (wish.version in state.observed_slots[slot].holders) == (SLOTS[slot] == wish.to_stage)
            or _is_half_out(state, slot, wish)
        ]
    if not slots:
        raise ActionRefused(f"Registry and ledger of {wish.model} do not disagree about this any more.", next="Look again.")


def _is_half_out(state: BookState, slot: Slot, wish: MoveRequest) -> bool:
    """Did somebody take the holder out of the alias or of the stage only, and shall it be out altogether?"""
    return wish.to_stage not in SLOTS.values() and state.observed_slots[slot].holders == state.desired_holders()[
        slot
    ].holders == (wish.version,)


def _is_undecided(state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> bool:
    """Is the version gone that was wanted, or does it stand where nobody ever decided who should?"""
    slot, want = slot_of(wish.to_stage), state.desired_holders(seen.is_possible)
    if slot is None:
        return any(
            wish.version in state.desired_holders_with_deleted()[gone].holders
            for gone in state.slots_with_deleted_holder(seen.versions)
        )
    return not want[slot].is_managed and state.observed_slots[slot].holders == seen.slot_states[slot].holders == (wish.version,)


_DRIFT = "Adopt what stands there with a reason, or put it back; then decide again."


def _said(holders: str) -> str:
    return "nobody" if holders == "none" else " and ".join(f"v{number}" for number in holders.split(","))


def _slots(state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> tuple[Slot, ...]:
    """The slots a wish names: the one it fills first, then those its version stands in or should stand in."""
    wanted, goal = state.desired_holders_with_deleted(seen.is_possible), slot_of(wish.to_stage)
    left = [slot for slot in SLOTS if wish.version in (*wanted[slot].holders, *seen.slot_states[slot].holders)]
    return tuple(dict.fromkeys([*([goal] if goal else []), *left]))


def _slot(state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> Slot | None:
    """The slot whose holder a person decides against; None when the version stands in no slot and goes to none."""
    return next(iter(_slots(state, seen, wish)), None)


def _body(writer: Writer, state: BookState, seen: RegistrySnapshot, wish: MoveRequest) -> Decided:
    version = target_version(state, seen, wish)
    if strange := [alias for alias in wish.aliases if alias not in seen.aliases or alias in SLOTS]:
        raise BadInput(f"{', '.join(strange)} is no alias that could go along.", next="Look again, then decide.")
    stamp = writer.common_fields(wish.model) | {"from": version.stage}
    return Decided(
        **stamp,
        verdict="approve",
        kind=wish.kind,
        version=wish.version,
        identity=version.identity,
        to=wish.to_stage,
        reason=wish.reason,
        review="none",
        expected=wish.expected_holder,
        slots=_slots(state, seen, wish),
        aliases=wish.aliases,
    )


def _is_so(found: ModelStatus, wish: MoveRequest) -> bool:
    """Is everything already as wished, in ledger and registry, with nobody at work on it?"""
    if found.state.open_intents or wish.aliases or wish.kind == "adopt":
        return False
    slot, now = slot_of(wish.to_stage), found.snapshot.slot_states
    if slot is None:
        held = any(wish.version in side.holders for side in now.values())
        return not held and found.snapshot.versions[wish.version].stage == wish.to_stage
    want = found.state.desired_holders()[slot]
    return want.holder == wish.version and is_fulfilled(want, now[slot])


def _outcome(state: BookState, wish: MoveRequest, version: VersionSnapshot, entry: str) -> MoveResult:
    ended = {"APPLIED": "applied", "OVERTAKEN": "overtaken"}.get(state.outcomes.get(entry, ""), "failed")
    closings = [e.body for e in state.book.entries if isinstance(e.body, Closing) and e.body.intent == entry]
    place = next((e.position for e in state.book.entries if e.id == entry), 0)
    return MoveResult(
        model=wish.model,
        version=wish.version,
        from_stage=version.stage,
        to_stage=wish.to_stage,
        outcome=ended,  # type: ignore[arg-type]
        entry_id=entry,
        position=place,
        displaced_versions=closings[0].displaced if closings else (),
        failure_reason=(closings[0].why or "") if closings else "The model was deleted or made anew.",
    )
