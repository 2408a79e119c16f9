"""Decisions that are made and not finished: who decided what, and when a look finishes them by itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import as_time
from lib.ledger.state.replay import State
from lib.registry.ledger_writer import GRACE


@dataclass(frozen=True)
class Pending:
    """An open decision about a version of a model. `due` is from when on any look that may write finishes it."""

    model: str
    entry: str
    place: int
    version: str
    to: str
    by: str
    at: datetime

    @property
    def due(self) -> datetime:
        return self.at + GRACE

    def left(self, now: datetime) -> timedelta:
        """How long it is still left to its writer; nothing once it is due."""
        return max(self.due - now, timedelta())


def pending(model: str, state: State) -> tuple[Pending, ...]:
    """The open decisions of a model, oldest first."""
    bodies = [(entry, entry.body) for entry in state.open if isinstance(entry.body, Decided)]
    return tuple(
        Pending(model, entry.id, entry.place, body.version, body.to, body.by.name, as_time(body.recorded_at))
        for entry, body in bodies
    )


def first_due(open_: Sequence[Pending], now: datetime) -> timedelta | None:
    """How long until the first of them is finished by a look; None when none is open."""
    return min((one.left(now) for one in open_), default=None)
