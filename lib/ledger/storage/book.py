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
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import PERMISSION_ERROR_CODES, client, relaxed_gc, to_podium_error, translate_errors
from lib.backends.permissions import explain_ledger_refusal
from lib.errors import Busy, LedgerBroken
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, blocking_finding, chunk_length_for, encode_entry, param_key
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import BackendRef, Body, canonical_json
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.state.replay import BookState, replay
from lib.ledger.state.volumes import VolumeParams, is_volume_full, make_volume_end, read_volumes
from lib.ledger.storage import book_cache

MAX_ATTEMPTS = 200
BodyFactory = Callable[[BookState], Body | None]
KIND_TAG, FINISHED_VOLUME_KIND = "podium.kind", "volume"
_GONE = "RESOURCE_DOES_NOT_EXIST"
_LOCKED = "TEMPORARILY_UNAVAILABLE"


@dataclass(frozen=True)
class Writer:
    """Who writes, where, and by which clock (UTC)."""

    backend: Backend
    actor: Actor
    clock: Callable[[], datetime] = field(compare=False)

    def common_fields(self, model: str, actor: Actor | None = None) -> dict[str, Any]:
        """What every entry says besides its own matter."""
        versions = {"mlflow": installed("mlflow")}
        place = BackendRef(kind=self.backend.kind, uri=self.backend.uri, versions=versions)
        return {"model": model, "recorded_at": format_timestamp(self.clock()), "by": actor or self.actor, "backend": place}


def read_book(backend: Backend, book_id: str) -> BookState:
    """A book added up, with all its volumes. `book` is the run id of the first one; finished ones are fetched once per process.

    Raises LedgerBroken when a run was deleted, NotFound when it is not there.
    """
    with translate_errors("The book of this model"), relaxed_gc():
        told = read_volumes(
            partial(_active, backend, book_id),
            book_id,
            book_cache.cached_finished_volumes(backend, book_id),
            book_cache.decode_volume_cached,
        )
    assert told is not None  # `_active` raises
    return book_cache.replay_cached(backend, book_id, told)


def read_deleted_book(backend: Backend, book_id: str) -> BookState | None:
    """A book of which a run is deleted, added up as if none were; None when all of it is active, or it is not there."""
    with translate_errors("The book of this model"), relaxed_gc():
        told = read_volumes(partial(read_volume_params, backend), book_id, None, book_cache.decode_volume_cached)
    return replay(told.book) if told and told.deleted_run_ids else None


def read_volume_params(backend: Backend, run_id: str) -> VolumeParams | None:
    """One run of a book; None when it is not there."""
    try:
        run = client(backend).get_run(run_id)
    except MlflowException as error:
        if error.error_code == _GONE:
            return None
        raise
    return VolumeParams(run.data.params, run.info.lifecycle_stage == "active")


def _active(backend: Backend, book: str, run_id: str) -> VolumeParams | None:
    found = read_volume_params(backend, run_id)
    if found is None and run_id == book:
        raise to_podium_error(_GONE, "", "The book of this model")
    if found and not found.is_active:
        raise LedgerBroken("The book of this model was deleted.", next=f"Restore run {run_id} in MLflow, then try again.")
    return found


def append(backend: Backend, book_id: str, make_body: BodyFactory, anchors: tuple[Anchor, ...] = ()) -> str | None:
    """Append the entry that `make(state)` returns and give its id; None when `make` finds nothing to say.

    `make` may raise Refused; then nothing is written. Raises LedgerBroken when the book may not be written (`stopper`) or no place
    could be had, NotWritable when this person may not write, Busy when the database stays locked.
    """
    tried: list[str] = []
    locked = False
    for _ in range(MAX_ATTEMPTS):
        state = read_book(backend, book_id)
        if won := [entry_id for entry_id in tried if entry_id in state.entry_ids]:
            return won[0]
        if locked:
            raise Busy("The database has been locked by another program for too long.", next="Wait a moment, then try again.")
        _must_be_sound(state, anchors)
        if (body := make_body(state)) is None:
            return None
        if is_volume_full(state.book):
            locked = _roll_over(backend, book_id, state, body) == _LOCKED
            continue
        tried.append(str(ULID()))
        locked = _try_place(backend, state.book, (tried[-1], canonical_json(body))) == _LOCKED
    raise LedgerBroken(
        f"No place could be taken in book {book_id[:8]}… after {MAX_ATTEMPTS} tries.",
        next="Try again when fewer people write at once.",
    )


def _try_place(backend: Backend, reading: DecodedBook, entry: tuple[str, str]) -> str:
    """Try to take the next place; gives the error code, which says nothing about success: the caller reads."""
    value, more = encode_entry(*entry, reading.tip, chunk_length_for(read_capabilities(backend).limits.param))
    volume = reading.volumes[-1].run_id
    try:
        for name, part in more.items():
            client(backend).log_param(volume, name, part)
        client(backend).log_param(volume, param_key(reading.head + 1), value)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        time.sleep(secrets.randbelow(20) / 1000)
        return str(error.error_code)
    return ""


def _roll_over(backend: Backend, book: str, state: BookState, cause: Body) -> str:
    """Let the book go on in another run. Of several who try at once one takes the place; the runs of the others stay empty."""
    with translate_errors("The next volume of this book"):
        first = client(backend).get_run(book)
        tags = {KIND_TAG: "book", "podium.model": first.data.tags.get("podium.model", cause.model)}
        number = len(state.book.volumes) + 1
        name = f"{first.info.run_name[:200]}, volume {number}"
        candidate = client(backend).create_run(first.info.experiment_id, run_name=name, tags=tags).info.run_id
        client(backend).set_terminated(candidate)
    told = _try_place(backend, state.book, (str(ULID()), canonical_json(make_volume_end(state, cause, candidate))))
    if told:
        return told
    with suppress(MlflowException):  # only spares readers of many books the fetching of what they know already
        client(backend).set_tag(state.book.volumes[-1].run_id, KIND_TAG, FINISHED_VOLUME_KIND)
    return told


def _must_be_sound(state: BookState, anchors: tuple[Anchor, ...]) -> None:
    if found := blocking_finding(state.findings(anchors)):
        raise LedgerBroken(
            f"At place {found.position} of the book: {found.what}.",
            means=f"{found.means} Nothing is written until this is settled.",
            next="Compare with a backup or an exported record, and find out who changed the database.",
        )
