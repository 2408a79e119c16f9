"""Reading a book and appending to it. Logging a parameter is write-once in MLflow, so whoever logs place n first owns it.

`append` is conditional: the entry is made from the state it will follow, and is made again whenever the place was lost. Every
guard stands in that function. After any error the book is read, because a lost place, a lost answer and a deleted run look alike.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version as installed
from typing import Any

from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.capabilities import capabilities
from lib.backends.connect import DENIED, client, quick_reading, translated
from lib.backends.rights import ledger_refusal
from lib.backends.uri import Backend
from lib.errors import Busy, LedgerBroken
from lib.ledger.bodies import Body, Place, canonical
from lib.ledger.chain import Anchor, decode, encode, key, room_for, stopper
from lib.ledger.fold import State, fold
from lib.ledger.words import Actor, as_text

TRIES = 200
Make = Callable[[State], Body | None]
_LOCKED = "TEMPORARILY_UNAVAILABLE"


@dataclass(frozen=True)
class Writer:
    """Who writes, where, and by which clock (UTC)."""

    backend: Backend
    by: Actor
    clock: Callable[[], datetime] = field(compare=False)

    def stamp(self, model: str, by: Actor | None = None) -> dict[str, Any]:
        """What every entry says besides its own matter."""
        versions = {"mlflow": installed("mlflow")}
        place = Place(kind=self.backend.kind, uri=self.backend.uri, versions=versions)
        return {"model": model, "recorded_at": as_text(self.clock()), "by": by or self.by, "backend": place}


def read(backend: Backend, book: str) -> State:
    """A book added up. `book` is its run id. Raises LedgerBroken when the run was deleted, NotFound when it is not there."""
    with translated("The book of this model"), quick_reading():
        run = client(backend).get_run(book)
    if run.info.lifecycle_stage != "active":
        raise LedgerBroken("The book of this model was deleted.", next=f"Restore run {book} in MLflow, then try again.")
    return fold(decode(run.data.params, book))


def append(backend: Backend, book: str, make: Make, anchors: tuple[Anchor, ...] = ()) -> str | None:
    """Append the entry that `make(state)` returns and give its id; None when `make` finds nothing to say.

    `make` may raise Refused; then nothing is written. Raises LedgerBroken when the book may not be written (`stopper`) or no place
    could be had, NotWritable when this person may not write, Busy when the database stays locked.
    """
    tried: list[str] = []
    locked = False
    for _ in range(TRIES):
        state = read(backend, book)
        if won := [entry_id for entry_id in tried if entry_id in state.ids]:
            return won[0]
        if locked:
            raise Busy("The database has been locked by another program for too long.", next="Wait a moment, then try again.")
        _must_be_sound(state, anchors)
        if (body := make(state)) is None:
            return None
        tried.append(str(ULID()))
        locked = _try_place(backend, book, state, (tried[-1], canonical(body))) == _LOCKED
    return _no_place(book)


def _try_place(backend: Backend, book: str, state: State, entry: tuple[str, str]) -> str:
    """Try to take the next place; gives the error code, which says nothing about success: the caller reads."""
    value, more = encode(*entry, state.reading.chain, room_for(capabilities(backend).limits.param))
    try:
        for name, part in more.items():
            client(backend).log_param(book, name, part)
        client(backend).log_param(book, key(state.reading.head + 1), value)
    except MlflowException as error:
        if error.error_code in DENIED:
            raise ledger_refusal(backend) from error
        time.sleep(secrets.randbelow(20) / 1000)
        return str(error.error_code)
    return ""


def _must_be_sound(state: State, anchors: tuple[Anchor, ...]) -> None:
    if found := stopper(state.findings(anchors)):
        raise LedgerBroken(
            f"At place {found.place} of the book: {found.what}.",
            means=f"{found.means} Nothing is written until this is settled.",
            next="Compare with a backup or an exported record, and find out who changed the database.",
        )


def _no_place(book: str) -> str:
    raise LedgerBroken(
        f"No place could be taken in book {book[:8]}… after {TRIES} tries.", next="Try again when fewer people write at once."
    )
