"""Record what a comparison of registry and ledger found: a new record, a version, an outside move, a closing, a head.

Every entry is built from the book as it is when its position is taken, so nothing is recorded twice or reported wrongly.
"""

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, translate_error
from lib.backends.permissions import Resource, explain_refusal
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG
from lib.errors import NotFound
from lib.ledger.chain.anchor_text import Head
from lib.ledger.chain.hash_chain import Anchor, Entry
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Body, Closing, Decided, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, RESTORED_NOTE, SLOTS, UNKNOWN_ACTOR, Actor, Reason
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.registry.explanation import is_explained
from lib.registry.lineage import read_lineage
from lib.registry.model_status import GRACE_PERIOD, ModelStatus
from lib.registry.moves import is_in_force, settled_or
from lib.registry.reader import find_renamed_model
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, version_sort_key

GIVEN_UP = "It was given up before it was carried out."
_LAST_EXPLAINED: dict[tuple[Backend, str], str] = {}
"""When this process last found a model exactly as recorded, as a timestamp: a later outside move cannot be older than that."""


def append_missing_entries(writer: Writer, status: ModelStatus) -> bool:
    """Append what the registry shows and the record lacks. Returns False if nothing is missing."""
    state, snapshot = status.state, status.snapshot
    if not state.is_opened or state.model_created_at != snapshot.created_at:
        return _append_opened(writer, status)
    if unknown_versions := _unknown_versions(writer, status):
        for version in unknown_versions:
            append_registered(writer, status, version, UNKNOWN_ACTOR)
        return True
    if state.model_name not in ("", snapshot.model):
        return _append_renamed(writer, status)
    deleted_versions = state.known_versions - state.deleted_versions - set(snapshot.versions)
    if deleted_versions or not is_explained([state], snapshot, status.in_flight):
        return _append_observed(writer, status, frozenset(deleted_versions))
    if dict(state.observed_slots) == snapshot.slot_states:
        _LAST_EXPLAINED[writer.backend, snapshot.model] = status.at
    return False


def append_registered(writer: Writer, status: ModelStatus, version: VersionSnapshot, actor: Actor | None = None) -> str | None:
    """Record a new version with its lineage by value. Returns None if already recorded. `actor` defaults to the writer's."""
    lineage = read_lineage(writer.backend, status.snapshot.model, version)

    def make(state: BookState) -> Body | None:
        if version.number in state.registered_versions:
            return None
        common_fields = writer.common_fields(status.snapshot.model, actor)
        note = version.description[:500] or None
        return Registered(**common_fields, version=version.number, identity=version.identity, lineage=lineage, note=note)

    return append(writer, status.book_id, make, status.snapshot.anchors(status.book_id))


def append_closing(writer: Writer, status: ModelStatus, intent: Entry, reason: Reason | None = None) -> str | None:
    """Record how an intent ended. Returns None if it was closed elsewhere, or if the decisions changed since the status was read.

    `reason` is given by a person who finishes someone else's decision.
    """
    snapshot, converged_state = status.snapshot, status.state
    outcome = _outcome(intent, converged_state, snapshot)
    desired = converged_state.holders_decided_by(settled_or((intent.id,), converged_state, snapshot))

    def make(state: BookState) -> Body | None:
        if (
            intent.id in state.outcomes
            or state.model_created_at != converged_state.model_created_at
            or _outcome(intent, state, snapshot) != outcome
            or state.holders_decided_by(settled_or((intent.id,), state, snapshot)) != desired
        ):
            return None
        return Closing(
            **writer.common_fields(snapshot.model),
            type=outcome,  # type: ignore[arg-type]
            intent=intent.id,
            version=intent.body.version,
            reason=reason,
            now=snapshot.slot_states,
            displaced=_displaced_versions(intent, state, snapshot),
            effective_at=_effective_time(intent, snapshot) if outcome == "APPLIED" else None,
            why="The version was deleted or replaced by another one." if outcome == "FAILED" else None,
        )

    return append(writer, status.book_id, make, snapshot.anchors(status.book_id))


def append_give_up(writer: Writer, status: ModelStatus, intent: Entry, reason: Reason) -> str | None:
    """Record that a person gave up an open decision, and what the slots show now. Returns None if it was closed elsewhere."""
    snapshot = status.snapshot

    def make(state: BookState) -> Body | None:
        if intent.id in state.outcomes or state.model_created_at != status.state.model_created_at:
            return None
        return Closing(
            **writer.common_fields(snapshot.model),
            type="FAILED",
            intent=intent.id,
            version=intent.body.version,
            reason=reason,
            now=snapshot.slot_states,
            why=GIVEN_UP,
        )

    return append(writer, status.book_id, make, snapshot.anchors(status.book_id))


def tag_version_head(writer: Writer, status: ModelStatus, intent: Entry) -> None:
    """Tag the version with the head of the book, out of reach of changes to the book. The decision is valid even if this fails."""
    book, versions = status.state.book, status.snapshot.versions
    version = intent.body.version if intent.body.version in versions else next(iter(versions), "")
    if not version:
        return
    head = Head(Anchor(book.head, book.chain), status.book_id)
    try:
        client(writer.backend).set_model_version_tag(status.snapshot.model, version, HEAD_TAG, head.text)
    except MlflowException:  # the next closing tags a later head
        return


def tag_model_book(writer: Writer, model: str, book_id: str) -> None:
    """Tag a model with the run id of its book, so that a renamed model still finds it."""
    try:
        client(writer.backend).set_registered_model_tag(model, BOOK_TAG, book_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_refusal(writer.backend, Resource("registered_model", model, model), "EDIT") from error
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"):  # gone, or the same tag was written concurrently
            raise translate_error(error, model) from error


def _append_opened(writer: Writer, status: ModelStatus) -> bool:
    """Record that a life of the model begins or ended. Intents of the previous life are closed first: they can no longer be carried out."""
    snapshot, previous_state = status.snapshot, status.state
    if (
        snapshot.created_at is None
        and previous_state.model_created_at
        and (name := find_renamed_model(writer.backend, previous_state.model_created_at))
    ):
        raise NotFound(f"{snapshot.model} is now called {name}.", next=f"Its record continues under {name}.")
    for intent in previous_state.open_intents:
        _append_failed(writer, status, intent)
    why = "first look" if not previous_state.is_opened else "re-created" if snapshot.created_at else "deleted"
    identities = {number: version.identity for number, version in snapshot.versions.items()}

    def make(state: BookState) -> Body | None:
        if (state.is_opened, state.model_created_at) != (previous_state.is_opened, previous_state.model_created_at):
            return None  # recorded elsewhere since then: read again
        common_fields = writer.common_fields(snapshot.model, PODIUM_ACTOR)
        return Opened(
            **common_fields,
            why=why,  # type: ignore[arg-type]
            created=snapshot.created_at,
            now=snapshot.slot_states,
            versions=identities,
        )

    append(writer, status.book_id, make, snapshot.anchors(status.book_id))
    return True


def _append_failed(writer: Writer, status: ModelStatus, intent: Entry) -> None:
    """Close an intent whose model no longer exists."""

    def make(state: BookState) -> Body | None:
        if intent.id in state.outcomes or state.model_created_at != status.state.model_created_at:
            return None
        return Closing(
            **writer.common_fields(status.snapshot.model),
            type="FAILED",
            intent=intent.id,
            version=intent.body.version,
            now=dict(state.observed_slots),
            why="The model was deleted or re-created.",
        )

    append(writer, status.book_id, make, status.snapshot.anchors(status.book_id))


def _unknown_versions(writer: Writer, status: ModelStatus) -> list[VersionSnapshot]:
    """Versions unknown to the record, oldest first. A version just created is left to the process that is registering it."""
    deadline, known = format_timestamp(writer.clock() - GRACE_PERIOD), status.state.known_versions
    unknown = [v for v in status.snapshot.versions.values() if v.number not in known and v.created_at < deadline]
    return sorted(unknown, key=lambda version: version_sort_key(version.number))


def _append_observed(writer: Writer, status: ModelStatus, deleted_versions: frozenset[str]) -> bool:
    """Record what was moved or deleted outside, and the time window."""
    snapshot, previous_state = status.snapshot, status.state

    def make(state: BookState) -> Body | None:
        # this state was read after the registry, so a writer in flight is never reported
        if not (deleted_versions - state.deleted_versions) and is_explained([previous_state, state], snapshot, status.in_flight):
            return None
        until = format_timestamp(writer.clock())
        last_explained = max(
            format_timestamp(previous_state.last_observed_at) if previous_state.last_observed_at else "",
            _LAST_EXPLAINED.get((writer.backend, snapshot.model), ""),
        )
        since = min(until, last_explained or until)
        return Observed(
            **writer.common_fields(snapshot.model, UNKNOWN_ACTOR),
            was=dict(state.observed_slots),
            now=snapshot.slot_states,
            gone=tuple(sorted(deleted_versions)),
            window=(since, until),
        )

    append(writer, status.book_id, make, snapshot.anchors(status.book_id))
    return True


def _append_renamed(writer: Writer, status: ModelStatus) -> bool:
    """Record that the model was renamed. Its record continues, and no holding changes."""
    snapshot, previous_state = status.snapshot, status.state

    def make(state: BookState) -> Body | None:
        if state.model_created_at != previous_state.model_created_at or state.model_name in ("", snapshot.model):
            return None
        return _observed_note(writer, snapshot, state, f"The model was renamed from {state.model_name} to {snapshot.model}")

    append(writer, status.book_id, make, snapshot.anchors(status.book_id))
    return True


def append_restored(writer: Writer, status: ModelStatus, deleted_at: str) -> None:
    """Record that the book was found deleted at that time and was restored."""

    def make(state: BookState) -> Body | None:
        if not state.is_opened or deleted_at in state.recorded_deletion_times:
            return None
        return _observed_note(writer, status.snapshot, state, RESTORED_NOTE, deleted_at)

    append(writer, status.book_id, make, status.snapshot.anchors(status.book_id))


def _observed_note(writer: Writer, snapshot: RegistrySnapshot, state: BookState, note: str, since: str = "") -> Observed:
    """An outside change that moved no version. Its window starts when the registry was last observed, or at `since`.

    `since` is stored unchanged, whatever this writer's clock says: it shows a second writer that the change is recorded.
    """
    until = format_timestamp(writer.clock())
    window = (
        (since, max(since, until))
        if since
        else (min(until, format_timestamp(state.last_observed_at) if state.last_observed_at else until), until)
    )
    slot_states = dict(state.observed_slots)
    return Observed(
        **writer.common_fields(snapshot.model, UNKNOWN_ACTOR), was=slot_states, now=slot_states, window=window, note=note
    )


def _displaced_versions(intent: Entry, state: BookState, snapshot: RegistrySnapshot) -> tuple[str, ...]:
    """The versions that held the slots of an intent before, by the record, and hold none now."""
    body = intent.body
    slots = body.slots if isinstance(body, Decided) else ()
    before = {version for slot in slots for version in state.observed_slots[slot].holders}
    after = {body.version, *(version for slot in SLOTS for version in snapshot.slot_states[slot].holders)}
    return tuple(sorted(before - after, key=version_sort_key))


def _effective_time(intent: Entry, snapshot: RegistrySnapshot) -> str | None:
    """When the move took effect by the store's clock: the version's last update, if later than the decision."""
    version = snapshot.versions.get(intent.body.version or "")
    return version.updated_at if version and version.updated_at >= intent.body.recorded_at else None


def _outcome(intent: Entry, state: BookState, snapshot: RegistrySnapshot) -> str:
    """How an intent ends: APPLIED while it determines where its version is, by all decisions including open ones."""
    if not snapshot.is_possible(intent):
        return "FAILED"
    return "APPLIED" if is_in_force(state, intent, lambda entry: state.is_effective(entry, snapshot.is_possible)) else "OVERTAKEN"
