"""Reading a book and appending to it. Logging a parameter is write-once in MLflow, so whoever logs place n first owns it.

`append` is conditional: the entry is made from the state it will follow, and is made again whenever the place was lost. Every
guard stands in that function. After any error the book is read, because a lost place, a lost answer and a deleted run look alike.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version as installed
from typing import Any

from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.backends.mlflow_client import DENIED, client, quick_reading, translate, translated
from lib.backends.permissions import ledger_refusal
from lib.errors import Busy, LedgerBroken
from lib.ledger.chain.hash_chain import Anchor, Reading, encode, key, room_for, stopper
from lib.ledger.entry.types import Body, Place, canonical
from lib.ledger.entry.vocabulary import Actor, as_text
from lib.ledger.state.replay import State, fold
from lib.ledger.state.volumes import Sheet, ending, follow, is_full
from lib.ledger.storage import book_cache as kept

TRIES = 200
Make = Callable[[State], Body | None]
KIND, FINISHED = "podium.kind", "volume"
_GONE = "RESOURCE_DOES_NOT_EXIST"
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
    """A book added up, with all its volumes. `book` is the run id of the first one; finished ones are fetched once per process.

    Raises LedgerBroken when a run was deleted, NotFound when it is not there.
    """
    with translated("The book of this model"), quick_reading():
        told = follow(partial(_active, backend, book), book, kept.finished(backend, book), kept.volume)
    assert told is not None  # `_active` raises
    return kept.added_up(backend, book, told)


def read_deleted(backend: Backend, book: str) -> State | None:
    """A book of which a run is deleted, added up as if none were; None when all of it is active, or it is not there."""
    with translated("The book of this model"), quick_reading():
        told = follow(partial(sheet, backend), book, None, kept.volume)
    return fold(told.reading) if told and told.deleted else None


def sheet(backend: Backend, run_id: str) -> Sheet | None:
    """One run of a book; None when it is not there."""
    try:
        run = client(backend).get_run(run_id)
    except MlflowException as error:
        if error.error_code == _GONE:
            return None
        raise
    return Sheet(run.data.params, run.info.lifecycle_stage == "active")


def _active(backend: Backend, book: str, run_id: str) -> Sheet | None:
    found = sheet(backend, run_id)
    if found is None and run_id == book:
        raise translate(_GONE, "", "The book of this model")
    if found and not found.active:
        raise LedgerBroken("The book of this model was deleted.", next=f"Restore run {run_id} in MLflow, then try again.")
    return found


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
        if is_full(state.reading):
            locked = _roll_over(backend, book, state, body) == _LOCKED
            continue
        tried.append(str(ULID()))
        locked = _try_place(backend, state.reading, (tried[-1], canonical(body))) == _LOCKED
    return _no_place(book)


def _try_place(backend: Backend, reading: Reading, entry: tuple[str, str]) -> str:
    """Try to take the next place; gives the error code, which says nothing about success: the caller reads."""
    value, more = encode(*entry, reading.tip, room_for(capabilities(backend).limits.param))
    volume = reading.parts[-1].run_id
    try:
        for name, part in more.items():
            client(backend).log_param(volume, name, part)
        client(backend).log_param(volume, key(reading.head + 1), value)
    except MlflowException as error:
        if error.error_code in DENIED:
            raise ledger_refusal(backend) from error
        time.sleep(secrets.randbelow(20) / 1000)
        return str(error.error_code)
    return ""


def _roll_over(backend: Backend, book: str, state: State, cause: Body) -> str:
    """Let the book go on in another run. Of several who try at once one takes the place; the runs of the others stay empty."""
    with translated("The next volume of this book"):
        first = client(backend).get_run(book)
        tags = {KIND: "book", "podium.model": first.data.tags.get("podium.model", cause.model)}
        number = len(state.reading.parts) + 1
        name = f"{first.info.run_name[:200]}, volume {number}"
        candidate = client(backend).create_run(first.info.experiment_id, run_name=name, tags=tags).info.run_id
        client(backend).set_terminated(candidate)
    told = _try_place(backend, state.reading, (str(ULID()), canonical(ending(state, cause, candidate))))
    if told:
        return told
    with suppress(MlflowException):  # only spares readers of many books the fetching of what they know already
        client(backend).set_tag(state.reading.parts[-1].run_id, KIND, FINISHED)
    return told


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
