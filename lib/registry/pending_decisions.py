"""Decisions that are recorded but not closed: who decided what and when, and how far it was carried out. Pure."""

from dataclasses import dataclass
from datetime import datetime

from lib.ledger.chain.signatures import NO_KEYS, TrustedKeys
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import Actor, slot_of
from lib.ledger.queries.actor_names import NameStatus, name_in_sentence, writer_status
from lib.registry.model_status import ModelStatus
from lib.registry.moves import Move, preview_intent
from lib.text import format_count


@dataclass(frozen=True)
class PendingDecision:
    """An open decision about a version of a model. `moves_left` are the registry writes it still needs, in order.

    `name_status` says how reliable the name of the actor is, by the given keys.
    `is_in_flight`: recent enough that its writer is probably still working on it. `has_begun`: it is partly carried out.
    """

    model: str
    entry_id: str
    position: int
    version: str
    to_stage: str
    actor: Actor
    name_status: NameStatus
    at: datetime
    moves_left: tuple[Move, ...]
    has_begun: bool
    is_in_flight: bool

    @property
    def actor_name(self) -> str:
        """Who decided, as used in a sentence."""
        return name_in_sentence(self.actor.name, self.name_status)

    @property
    def progress_text(self) -> str:
        """The progress as a sentence."""
        if not self.moves_left:
            return "All moves are done. Only the closing entry is missing."
        moves = format_count(len(self.moves_left), "move")
        return f"Partly carried out: {moves} left." if self.has_begun else f"Nothing has been moved yet: {moves} left."


def list_pending_decisions(status: ModelStatus, keys: TrustedKeys = NO_KEYS) -> tuple[PendingDecision, ...]:
    """The open decisions of a model, oldest first. Without keys, verified names count as claims."""
    model = status.snapshot.model
    bodies = [(entry, entry.body) for entry in status.state.open_intents if isinstance(entry.body, Decided)]
    return tuple(
        PendingDecision(
            model=model,
            entry_id=entry.id,
            position=entry.position,
            version=body.version,
            to_stage=body.to,
            actor=body.by,
            name_status=writer_status(status.state.book, entry, keys),
            at=parse_timestamp(body.recorded_at),
            moves_left=preview_intent(status.state, status.snapshot, entry.id),
            has_begun=_has_begun(status, body),
            is_in_flight=entry.id in status.in_flight,
        )
        for entry, body in bodies
    )


def _has_begun(status: ModelStatus, body: Decided) -> bool:
    """Does the registry show the version at its target, by alias or stage?"""
    slot, version = slot_of(body.to), status.snapshot.versions.get(body.version)
    if slot:
        return body.version in status.snapshot.slot_states[slot].holders
    return version is not None and version.stage == body.to != body.from_
