"""Reading a book and appending to it. Logging a parameter is write-once in MLflow, so whoever logs position n first owns it.

`append` is conditional: the entry is made from the state it will follow, and made again whenever the position was lost. Every guard
stands in that function. After any error the book is read, because a lost position, a lost answer and a deleted run look alike. A server
that gives no answer is read and tried once more, for seconds only: if the second entry takes the position, the first can never come.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version as installed
from typing import Any

from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import (
    PERMISSION_ERROR_CODES,
    to_podium_error,
    translate_error,
    translate_errors,
    unanswered_cause,
)
from lib.backends.permissions import explain_ledger_refusal
from lib.errors import Busy, LedgerBroken, NoAnswer
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
_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
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
        backend_ref = BackendRef(kind=self.backend.kind, uri=self.backend.uri, versions=versions)
        return {"model": model, "recorded_at": format_timestamp(self.clock()), "by": actor or self.actor, "backend": backend_ref}


def read_book(backend: Backend, book_id: str) -> BookState:
    """A book added up, with all its volumes. `book_id` is the run id of the first one; finished ones are fetched once per process.

    Raises LedgerBroken when a run was deleted, NotFound when it is not there.
    """
    with translate_errors("The book of this model"), relaxed_gc():
        volumes = read_volumes(
            partial(_fetch_active_volume, backend, book_id),
            book_id,
            book_cache.cached_finished_volumes(backend, book_id),
            book_cache.decode_volume_cached,
        )
    assert volumes is not None  # `_fetch_active_volume` raises
    return book_cache.replay_cached(backend, book_id, volumes)


def read_deleted_book(backend: Backend, book_id: str) -> BookState | None:
    """A book of which a run is deleted, added up as if none were; None when all of it is active, or it is not there."""
    with translate_errors("The book of this model"), relaxed_gc():
        volumes = read_volumes(partial(read_volume_params, backend), book_id, None, book_cache.decode_volume_cached)
    return replay(volumes.book) if volumes and volumes.deleted_run_ids else None


def read_volume_params(backend: Backend, run_id: str) -> VolumeParams | None:
    """One run of a book; None when it is not there."""
    try:
        run = client(backend).get_run(run_id)
    except MlflowException as error:
        if error.error_code == _NOT_FOUND:
            return None
        raise
    return VolumeParams(run.data.params, run.info.lifecycle_stage == "active")


def _fetch_active_volume(backend: Backend, book_id: str, run_id: str) -> VolumeParams | None:
    volume = read_volume_params(backend, run_id)
    if volume is None and run_id == book_id:
        raise to_podium_error(_NOT_FOUND, "", "The book of this model")
    if volume and not volume.is_active:
        raise LedgerBroken("The book of this model was deleted.", next=f"Restore run {run_id} in MLflow, then try again.")
    return volume


@single_wait()
def append(writer: Writer, book_id: str, make_body: BodyFactory, anchors: tuple[Anchor, ...] = ()) -> str | None:
    """Append the entry that `make_body(state)` returns and give its id; None when it returns none.

    `make_body` may raise ActionRefused; then nothing is written. Raises LedgerBroken when a finding blocks writing or no position
    could be had, NotWritable when this person may not write, Busy when the database stays locked, NoAnswer when the server does not
    answer and the book does not tell whether the entry is there.
    """
    attempts = _Attempts()
    is_locked = False
    for _ in range(MAX_ATTEMPTS):
        with attempts.explain_doubt():
            state = read_book(writer.backend, book_id)
            if written_ids := [entry_id for entry_id in attempts.ids if entry_id in state.entry_ids]:
                return written_ids[0]
            if is_locked:
                raise Busy("The database has been locked by another program for too long.", next="Wait a moment, then try again.")
            if len(attempts.unanswered) > 1:
                raise attempts.unanswered[0]
            _require_sound_book(state, anchors)
            if (body := make_body(state)) is None:
                return None
            attempts.entry = f"The entry {body.type}"
            try:
                if is_volume_full(state.book):
                    is_locked = _roll_over(writer, book_id, state, body) == _LOCKED
                    continue
                attempts.ids.append(str(ULID()))
                error_code = _try_to_log(writer, state.book, (attempts.ids[-1], canonical_json(body)))
                is_locked, attempts.is_accepted = error_code == _LOCKED, not error_code
            except NoAnswer as error:
                attempts.unanswered.append(error)
                attempts.is_accepted = False
    raise LedgerBroken(
        f"No place could be taken in book {book_id[:8]}… after {MAX_ATTEMPTS} tries.",
        next="Try again when fewer people write at once.",
    )


@dataclass
class _Attempts:
    """The attempts to append one entry: their ids, those without an answer, and whether the server accepted the last one."""

    entry: str = "The entry"
    ids: list[str] = field(default_factory=list)
    unanswered: list[NoAnswer] = field(default_factory=list)
    is_accepted: bool = False

    @contextmanager
    def explain_doubt(self) -> Iterator[None]:
        """Let a NoAnswer say whether the entry is in the book: that is in doubt once it was sent."""
        try:
            yield
        except NoAnswer as error:
            what, advice = (self.unanswered or [error])[0].what, "Look at the history of this model before you do it again."
            if self.is_accepted:
                raise NoAnswer(what, means=f"{self.entry} was recorded, and could not be read again.", next=advice) from error
            if self.ids:
                raise NoAnswer(what, means=f"{self.entry} may or may not be recorded.", next=advice) from error
            if self.unanswered:
                raise NoAnswer(what, means=f"{self.entry} was not recorded.", next=error.next) from error
            raise


def _try_to_log(writer: Writer, book: DecodedBook, entry: tuple[str, str]) -> str:
    """Try to take the next position; gives the error code, which says nothing about success: the caller reads.

    Raises NoAnswer when the server gave none, NotWritable when it refuses this person.
    """
    backend = writer.backend
    value, chunks = encode_entry(*entry, book.tip, chunk_length_for(read_capabilities(backend).limits.param))
    run_id = book.volumes[-1].run_id
    try:
        for name, chunk in chunks.items():
            client(backend).log_param(run_id, name, chunk)
        client(backend).log_param(run_id, param_key(book.head + 1), value)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        if unanswered_cause(error):
            raise translate_error(error) from error
        time.sleep(secrets.randbelow(20) / 1000)
        return str(error.error_code)
    return ""


def _roll_over(writer: Writer, book_id: str, state: BookState, cause: Body) -> str:
    """Let the book go on in another run. Of several who try at once one takes the position; the runs of the others stay empty."""
    backend = writer.backend
    with translate_errors("The next volume of this book"):
        first_run = client(backend).get_run(book_id)
        tags = {KIND_TAG: "book", "podium.model": first_run.data.tags.get("podium.model", cause.model)}
        number = len(state.book.volumes) + 1
        name = f"{first_run.info.run_name[:200]}, volume {number}"
        candidate = client(backend).create_run(first_run.info.experiment_id, run_name=name, tags=tags).info.run_id
        client(backend).set_terminated(candidate)
    error_code = _try_to_log(writer, state.book, (str(ULID()), canonical_json(make_volume_end(state, cause, candidate))))
    if error_code:
        return error_code
    with suppress(MlflowException):  # only spares readers of many books the fetching of what they know already
        client(backend).set_tag(state.book.volumes[-1].run_id, KIND_TAG, FINISHED_VOLUME_KIND)
    return error_code


def _require_sound_book(state: BookState, anchors: tuple[Anchor, ...]) -> None:
    if finding := blocking_finding(state.findings(anchors)):
        raise LedgerBroken(
            f"At place {finding.position} of the book: {finding.what}.",
            means=f"{finding.means} Nothing is written until this is settled.",
            next="Compare with a backup or an exported record, and find out who changed the database.",
        )
