"""Reads books and appends to them. Parameters are write-once in MLflow, so the first writer to log position n owns it.

`append` is conditional: the entry is built from the state it follows, and rebuilt whenever the position was lost. All guards run in the
factory that builds it. After any error the book is read, because a lost position, a lost answer and a deleted run look alike. If the server
does not answer, the append is tried once more, within seconds: if the second entry takes the position, the first one cannot.
"""

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client, installed_mlflow_version, relaxed_gc
from lib.backends.mlflow_errors import (
    PERMISSION_ERROR_CODES,
    to_podium_error,
    translate_error,
    translate_errors,
    unanswered_cause,
)
from lib.backends.permissions import explain_ledger_refusal
from lib.backends.registry_uri import require_one_registry
from lib.backends.reserved_names import BOOK_MODEL_TAG, KIND_TAG
from lib.errors import Busy, LedgerBroken, NoAnswer, NotWritable
from lib.ledger.chain.body_parts import END_OF_BODY
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, chunk_length_for, encode_entry, hash_text, next_chain, param_key
from lib.ledger.chain.signatures import SignedPosition, signed_body_text
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import BackendRef, Body, canonical_json
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.state.book_lookup import RUN_ID
from lib.ledger.state.replay import BookState, replay
from lib.ledger.state.volumes import VolumeParams, is_volume_full, make_volume_end, read_volumes
from lib.ledger.storage import book_cache
from lib.ledger.storage.append_attempts import AppendAttempts
from lib.ledger.storage.book_guard import BookGuard
from lib.ledger.storage.head_memory import HeadMemory
from lib.ledger.storage.signing_keys import Signer

MAX_ATTEMPTS = 200
MAX_PARAMS_PER_CALL = 100
"""MLflow's limit for parameters per call."""
BodyFactory = Callable[[BookState], Body | None]
FINISHED_VOLUME_KIND = "volume"
_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_LOCKED = "TEMPORARILY_UNAVAILABLE"


@dataclass(frozen=True)
class Writer:
    """A writer: backend, actor, clock (UTC) and signer. Without a signer, entries stay unsigned.

    `memory` holds the heads read here before, against which a book is checked first; None disables this check.
    """

    backend: Backend
    actor: Actor
    clock: Callable[[], datetime] = field(compare=False)
    signer: Signer | None = field(default=None, compare=False, repr=False)
    memory: HeadMemory | None = field(default=None, compare=False, repr=False)

    def common_fields(self, model: str, actor: Actor | None = None) -> dict[str, Any]:
        """The fields common to all entries."""
        versions = {"mlflow": installed_mlflow_version()}
        backend_ref = BackendRef(kind=self.backend.kind, uri=self.backend.uri, versions=versions)
        return {"model": model, "recorded_at": format_timestamp(self.clock()), "by": actor or self.actor, "backend": backend_ref}


def read_book(backend: Backend, book_id: str) -> BookState:
    """The state of a book, with all its volumes. `book_id` is the run id of the first one; finished ones are fetched once per process.

    Raises LedgerBroken if a run was deleted, NotFound if it does not exist.
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
    """The state of a book with a deleted run, computed as if none were deleted; None if all runs are active, or it does not exist."""
    with translate_errors("The book of this model"), relaxed_gc():
        volumes = read_volumes(partial(read_named_params, backend), book_id, None, book_cache.decode_volume_cached)
    return replay(volumes.book) if volumes and volumes.deleted_run_ids else None


def read_volume_params(backend: Backend, run_id: str) -> VolumeParams | None:
    """One run of a book; None if it does not exist, or if the id is not valid."""
    run = _find_run(backend, run_id)
    return VolumeParams(run.data.params, run.info.lifecycle_stage == "active") if run else None


def read_named_params(backend: Backend, run_id: str) -> VolumeParams | None:
    """The same for a run named by an entry or the index, which anyone can write: None also if this user may not read it."""
    try:
        return read_volume_params(backend, run_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            return None
        raise


def _find_run(backend: Backend, run_id: str) -> Run | None:
    if not RUN_ID.fullmatch(run_id):
        return None
    try:
        return client(backend).get_run(run_id)
    except MlflowException as error:
        if error.error_code == _NOT_FOUND:
            return None
        raise


def _fetch_active_volume(backend: Backend, book_id: str, run_id: str) -> VolumeParams | None:
    volume = read_volume_params(backend, run_id) if run_id == book_id else read_named_params(backend, run_id)
    if volume is None and run_id == book_id:
        raise to_podium_error(_NOT_FOUND, "", "The book of this model")
    if volume and not volume.is_active and _is_beside(backend, book_id, run_id):
        raise LedgerBroken("The book of this model was deleted.", next=f"Restore run {run_id} in MLflow, then try again.")
    return volume if volume and volume.is_active else None


def _is_beside(backend: Backend, book_id: str, run_id: str) -> bool:
    """Is a volume in the same experiment as its book? An attacker could name a run that only they can restore."""
    book_run, run = _find_run(backend, book_id), _find_run(backend, run_id)
    return bool(book_run and run and book_run.info.experiment_id == run.info.experiment_id)


@single_wait()
def append(
    writer: Writer, book_id: str, make_body: BodyFactory, anchors: tuple[Anchor, ...] = (), *, settles: bool = False
) -> str | None:
    """Append the entry built by `make_body(state)` and return its id; None if there is nothing to append.

    `make_body` may raise ActionRefused; then nothing is written. Raises LedgerBroken if a finding blocks writing or the book does not
    continue from its remembered head, unless this entry `settles` that, or if no position could be taken; NotWritable if this user may not
    write or the signing key is unusable, Busy if the database stays locked, NoAnswer if the server does not answer and the book does not
    show whether the entry was written.
    """
    require_one_registry(os.environ, writer.backend)
    attempts, is_locked = AppendAttempts(), False
    guard, has_ended_bodies = BookGuard(writer.backend, book_id, writer.memory, anchors, settles), False
    for _ in range(MAX_ATTEMPTS):
        with attempts.explain_doubt():
            guard.read_known_head()
            state = read_book(writer.backend, book_id)
            if written_id := attempts.find_written_id(state):
                guard.remember_head(state, writer.clock())
                return written_id
            if is_locked:
                raise Busy("The database has been locked by another program for too long.", next="Wait a moment, then try again.")
            attempts.require_answers()
            guard.require_sound_book(state)
            if (body := make_body(state)) is None:
                return None
            attempts.entry = f"The entry {body.type}"
            try:
                if state.book.open_part_keys and not has_ended_bodies:
                    _end_open_bodies(writer.backend, state.book)
                    has_ended_bodies = True  # once per position: what is still open then is ended by the next append
                    continue
                has_ended_bodies = False
                is_locked = _take_position(writer, (book_id, state), body, attempts) == _LOCKED
            except NoAnswer as error:
                attempts.add_unanswered(error)
    raise LedgerBroken(
        f"No place could be taken in book {book_id[:8]}… after {MAX_ATTEMPTS} tries.",
        next="Try again when there are fewer concurrent writes.",
    )


def _take_position(writer: Writer, located_state: tuple[str, BookState], body: Body, attempts: AppendAttempts) -> str:
    """Send an entry for the next position, or first continue a full book in another run. Returns the error code of `_try_to_log`."""
    book_id, state = located_state
    if is_volume_full(state.book):
        return _roll_over(writer, book_id, state, body)
    entry_id = str(ULID())
    text = _sign_body(writer, state.book, entry_id, body)
    attempts.chains[entry_id] = next_chain(state.book.tip, hash_text(text))
    error_code = _try_to_log(writer, state.book, (entry_id, text))
    attempts.is_accepted = not error_code
    return error_code


def _end_open_bodies(backend: Backend, book: DecodedBook) -> None:
    """End bodies that do not match their hash, oldest first, so that none can be completed after later entries are written."""
    params = [Param(key, END_OF_BODY) for key in book.open_part_keys[:MAX_PARAMS_PER_CALL]]
    try:
        client(backend).log_batch(book.volumes[-1].run_id, params=params)
    except MlflowException as error:  # already ended by another writer; a missing permission is reported by the entry itself
        if unanswered_cause(error):
            raise translate_error(error) from error


def _sign_body(writer: Writer, book: DecodedBook, entry_id: str, body: Body) -> str:
    """The text of a body for the next position, signed if the writer has a key."""
    signed_at = SignedPosition(book.volumes[0].run_id, book.volumes[-1].run_id, book.head + 1, entry_id, book.tip)
    key = writer.signer.load_key() if writer.signer else None
    return signed_body_text(body, signed_at, key) if key else canonical_json(body)


def _try_to_log(writer: Writer, book: DecodedBook, entry: tuple[str, str]) -> str:
    """Try to take the next position. Returns the error code, which does not prove success or failure: the caller reads the book.

    Raises NoAnswer if the server does not answer, NotWritable if it or its database refuses this user or any write.
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
        podium_error = translate_error(error)
        if isinstance(podium_error, NoAnswer | NotWritable):
            raise podium_error from error
        time.sleep(secrets.randbelow(20) / 1000)
        return str(error.error_code)
    return ""


def _roll_over(writer: Writer, book_id: str, state: BookState, cause: Body) -> str:
    """Continue the book in another run. Of several concurrent attempts, one takes the position; the runs of the others stay empty."""
    backend = writer.backend
    with translate_errors("The next volume of this book"):
        first_run = client(backend).get_run(book_id)
        tags = {KIND_TAG: "book", BOOK_MODEL_TAG: first_run.data.tags.get(BOOK_MODEL_TAG, cause.model)}
        number = len(state.book.volumes) + 1
        name = f"{first_run.info.run_name[:200]}, volume {number}"
        candidate = client(backend).create_run(first_run.info.experiment_id, run_name=name, tags=tags).info.run_id
        client(backend).set_terminated(candidate)
    entry_id = str(ULID())
    text = _sign_body(writer, state.book, entry_id, make_volume_end(state, cause, candidate))
    error_code = _try_to_log(writer, state.book, (entry_id, text))
    if error_code:
        return error_code
    with suppress(MlflowException):  # only saves readers of many books from fetching known volumes
        client(backend).set_tag(state.book.volumes[-1].run_id, KIND_TAG, FINISHED_VOLUME_KIND)
    return error_code
