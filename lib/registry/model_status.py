"""Ledger and registry of one model at one moment, and which open decisions their writers are still carrying out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from cachetools import LRUCache

from lib.backends.backend import Backend
from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import Slot
from lib.ledger.state.replay import BookState
from lib.registry.snapshot import RegistrySnapshot

GRACE_PERIOD = timedelta(seconds=120)
"""How long an open decision explains the state of the registry, and how long a version being registered is left alone."""

_FIRST_SEEN: LRUCache[tuple[Backend, str], datetime] = LRUCache(10_000)
"""When this process first saw an open decision: the time in the entry is a claim and may lie in the future."""


@dataclass(frozen=True)
class ModelStatus:
    """Ledger and registry of one model at one moment. `book_id` is the run id of its book, `at` when reading began, as a timestamp.

    `in_flight` are the ids of the open decisions recent enough to explain the state of the registry. `has_recorded`: reading it recorded
    missing entries.
    """

    state: BookState
    snapshot: RegistrySnapshot
    book_id: str
    at: str = ""
    in_flight: frozenset[str] = frozenset()
    has_recorded: bool = False

    @property
    def drifted_slots(self) -> tuple[Slot, ...]:
        """The slots that differ from what was decided, without a decision in flight that explains it."""
        return self.state.drifted_slots(self.snapshot.slot_states, self.in_flight)


@contextmanager
def explain_recorded(status: ModelStatus) -> Iterator[None]:
    """Make a refusal say that entries were recorded before it, because then it is not true that nothing was changed."""
    try:
        yield
    except (ActionRefused, BadInput, NotFound) as error:
        if not status.has_recorded:
            raise
        means = f"No version was moved. The record of {status.snapshot.model} was updated to match the registry."
        explained = type(error)(error.what, means=means, next=error.next)
        explained.title = "Refused: no version was moved"
        raise explained from error


def intents_in_flight(backend: Backend, state: BookState, now: datetime) -> frozenset[str]:
    """The open decisions that were recorded, and first seen by this process, at most `GRACE_PERIOD` ago."""
    ids = set[str]()
    for intent in state.open_intents:
        first_seen = _FIRST_SEEN.setdefault((backend, intent.id), now)
        if now - min(first_seen, parse_timestamp(intent.body.recorded_at)) <= GRACE_PERIOD:
            ids.add(intent.id)
    return frozenset(ids)
