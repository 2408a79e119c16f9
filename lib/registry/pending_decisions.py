"""Decisions that are made and not finished: who decided what, and when a sync finishes them by itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Decided
from lib.ledger.state.replay import BookState
from lib.registry.change_recorder import GRACE_PERIOD


@dataclass(frozen=True)
class PendingDecision:
    """An open decision about a version of a model. From `due_at` on, any sync with write permission finishes it."""

    model: str
    entry_id: str
    position: int
    version: str
    to_stage: str
    actor_name: str
    at: datetime

    @property
    def due_at(self) -> datetime:
        return self.at + GRACE_PERIOD

    def time_left(self, now: datetime) -> timedelta:
        """How long it is still left to its writer; nothing once it is due."""
        return max(self.due_at - now, timedelta())


def list_pending_decisions(model: str, state: BookState) -> tuple[PendingDecision, ...]:
    """The open decisions of a model, oldest first."""
    bodies = [(entry, entry.body) for entry in state.open_intents if isinstance(entry.body, Decided)]
    return tuple(
        PendingDecision(model, entry.id, entry.position, body.version, body.to, body.by.name, parse_timestamp(body.recorded_at))
        for entry, body in bodies
    )


def time_until_first_due(decisions: Sequence[PendingDecision], now: datetime) -> timedelta | None:
    """How long until the first of them is finished by a sync; None when none is open."""
    return min((decision.time_left(now) for decision in decisions), default=None)
