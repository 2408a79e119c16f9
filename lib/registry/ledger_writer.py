"""Writing down what a look found: the record begins, a version came to be, a move outside, how an intent ended, the head.

Every entry is made from the book as it is when its place is taken, so nothing is recorded twice and nobody is accused falsely.
"""

from dataclasses import dataclass
from datetime import timedelta

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import PERMISSION_ERROR_CODES, client, to_podium_error
from lib.backends.permissions import Resource, explain_refusal
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import Anchor, Entry
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Body, Closing, Decided, Observed, Opened, Registered
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, RESTORED_NOTE, SLOTS, UNKNOWN_ACTOR, Actor
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.ledger.storage.book_index import BOOK_TAG
from lib.registry.lineage import read_lineage
from lib.registry.move_plan import is_explained
from lib.registry.reader import find_renamed_model
from lib.registry.snapshot import HEAD_TAG, Head, RegistrySnapshot, VersionSnapshot, version_sort_key

GRACE_PERIOD = timedelta(seconds=120)
"""How long a look leaves a stranger's open intent, and a version somebody is registering, alone."""


_SEEN_WELL: dict[tuple[Backend, str], str] = {}
"""When this process last saw a model as the record has it, as ledger text: a later outside move cannot be older than that."""


@dataclass(frozen=True)
class ModelStatus:
    """Ledger and registry of one model at one look. `book` is the run id of its book, `at` when the look began, as ledger text."""

    state: BookState
    snapshot: RegistrySnapshot
    book_id: str
    at: str = ""


def append_missing_entries(writer: Writer, status: ModelStatus) -> bool:
    """Append what a look found and the record lacks; False when nothing is missing."""
    state, seen = status.state, status.snapshot
    if not state.is_opened or state.model_created_at != seen.created_at:
        return _append_opened(writer, status)
    if unknown := _unknown_versions(writer, status):
        for version in unknown:
            append_registered(writer, status, version, UNKNOWN_ACTOR)
        return True
    if state.model_name not in ("", seen.model):
        return _append_renamed(writer, status)
    gone = state.known_versions - state.deleted_versions - set(seen.versions)
    if gone or not is_explained([state], seen):
        return _append_observed(writer, status, frozenset(gone))
    if not state.open_intents:
        _SEEN_WELL[writer.backend, seen.model] = status.at
    return False


def append_registered(writer: Writer, status: ModelStatus, version: VersionSnapshot, actor: Actor | None = None) -> str | None:
    """Record that a version came to be, with its lineage by value; None when the record has it. `by` None: the writer."""
    came_from = read_lineage(writer.backend, status.snapshot.model, version)

    def make(state: BookState) -> Body | None:
        if version.number in state.registered_versions:
            return None
        stamp = writer.common_fields(status.snapshot.model, actor)
        note = version.description[:500] or None
        return Registered(**stamp, version=version.number, identity=version.identity, lineage=came_from, note=note)

    return append(writer.backend, status.book_id, make, status.snapshot.anchors(status.book_id))


def append_closing(writer: Writer, status: ModelStatus, intent: Entry) -> None:
    """Record how an intent ended, unless the wish changed since the look."""
    seen, converged = status.snapshot, status.state
    want = converged.desired_holders(seen.is_possible)
    ended = "FAILED" if not seen.is_possible(intent) else "APPLIED" if _is_wanted(intent, converged, seen) else "OVERTAKEN"

    def make(state: BookState) -> Body | None:
        if (
            intent.id in state.outcomes
            or state.model_created_at != converged.model_created_at
            or state.desired_holders(seen.is_possible) != want
        ):
            return None
        return Closing(
            **writer.common_fields(seen.model),
            type=ended,  # type: ignore[arg-type]
            intent=intent.id,
            version=intent.body.version,
            now=seen.slot_states,
            displaced=_displaced(intent, state, seen),
            effective_at=_effective(intent, seen) if ended == "APPLIED" else None,
            why="The version was deleted or is another one now." if ended == "FAILED" else None,
        )

    append(writer.backend, status.book_id, make, seen.anchors(status.book_id))


def tag_version_head(writer: Writer, status: ModelStatus, intent: Entry) -> None:
    """Note the head on the version, where a cut or rewritten book cannot reach it. A decision stands even when this fails."""
    reading, there = status.state.book, status.snapshot.versions
    version = intent.body.version if intent.body.version in there else next(iter(there), "")
    if not version:
        return
    head = Head(Anchor(reading.head, reading.chain), status.book_id)
    try:
        client(writer.backend).set_model_version_tag(status.snapshot.model, version, HEAD_TAG, head.text)
    except MlflowException:  # the next closing notes a later head
        return


def tag_model_book(writer: Writer, model: str, book_id: str) -> None:
    """Let a model carry the run id of its book, so that a renamed model finds it again."""
    try:
        client(writer.backend).set_registered_model_tag(model, BOOK_TAG, book_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_refusal(writer.backend, Resource("registered_model", model, model), "EDIT") from error
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"):  # gone, or several wrote the same tag at once
            raise to_podium_error(str(error.error_code), str(error), model) from error


def _append_opened(writer: Writer, found: ModelStatus) -> bool:
    """Record that a life begins or ended. Intents of the life before are closed first: nobody can carry them out any more."""
    seen, before = found.snapshot, found.state
    if (
        seen.created_at is None
        and before.model_created_at
        and (name := find_renamed_model(writer.backend, before.model_created_at))
    ):
        raise NotFound(f"{seen.model} is now called {name}.", next=f"Its record goes on under {name}.")
    for intent in before.open_intents:
        _append_lost(writer, found, intent)
    why = "first look" if not before.is_opened else "re-created" if seen.created_at else "deleted"
    known = {number: version.identity for number, version in seen.versions.items()}

    def make(state: BookState) -> Body | None:
        if (state.is_opened, state.model_created_at) != (before.is_opened, before.model_created_at):
            return None  # somebody wrote it meanwhile: look again
        stamp = writer.common_fields(seen.model, PODIUM_ACTOR)
        return Opened(**stamp, why=why, created=seen.created_at, now=seen.slot_states, versions=known)  # type: ignore[arg-type]

    append(writer.backend, found.book_id, make, seen.anchors(found.book_id))
    return True


def _append_lost(writer: Writer, found: ModelStatus, intent: Entry) -> None:
    """Close an intent whose model is gone."""

    def make(state: BookState) -> Body | None:
        if intent.id in state.outcomes or state.model_created_at != found.state.model_created_at:
            return None
        why = "The model was deleted or made anew."
        stamp = writer.common_fields(found.snapshot.model)
        return Closing(
            **stamp, type="FAILED", intent=intent.id, version=intent.body.version, now=dict(state.observed_slots), why=why
        )

    append(writer.backend, found.book_id, make, found.snapshot.anchors(found.book_id))


def _unknown_versions(writer: Writer, found: ModelStatus) -> list[VersionSnapshot]:
    """Versions the record does not know, oldest first. One just made is left to whoever is registering it."""
    young = format_timestamp(writer.clock() - GRACE_PERIOD)
    unknown = [v for v in found.snapshot.versions.values() if v.number not in found.state.known_versions and v.created_at < young]
    return sorted(unknown, key=lambda version: version_sort_key(version.number))


def _append_observed(writer: Writer, found: ModelStatus, gone: frozenset[str]) -> bool:
    seen, before = found.snapshot, found.state

    def make(state: BookState) -> Body | None:
        # the ledger is read here after the look at the registry, so a writer in flight is never accused
        if not (gone - state.deleted_versions) and is_explained([before, state], seen):
            return None
        until = format_timestamp(writer.clock())
        known = max(
            format_timestamp(before.last_observed_at) if before.last_observed_at else "",
            _SEEN_WELL.get((writer.backend, seen.model), ""),
        )
        since = min(until, known or until)
        stamp = writer.common_fields(seen.model, UNKNOWN_ACTOR)
        return Observed(
            **stamp, was=dict(state.observed_slots), now=seen.slot_states, gone=tuple(sorted(gone)), window=(since, until)
        )

    append(writer.backend, found.book_id, make, seen.anchors(found.book_id))
    return True


def _append_renamed(writer: Writer, found: ModelStatus) -> bool:
    """Record that the model has another name now: its record goes on, and nobody's holding changes."""
    seen, before = found.snapshot, found.state

    def make(state: BookState) -> Body | None:
        if state.model_created_at != before.model_created_at or state.model_name in ("", seen.model):
            return None
        return _unmoved(writer, seen, state, f"The model was renamed from {state.model_name} to {seen.model}")

    append(writer.backend, found.book_id, make, seen.anchors(found.book_id))
    return True


def append_restored(writer: Writer, status: ModelStatus, deleted_at: str) -> None:
    """Record that the book was found deleted at that time, and is back."""

    def make(state: BookState) -> Body | None:
        if not state.is_opened or deleted_at in state.recorded_deletion_times:
            return None
        return _unmoved(writer, status.snapshot, state, RESTORED_NOTE, deleted_at)

    append(writer.backend, status.book_id, make, status.snapshot.anchors(status.book_id))


def _unmoved(writer: Writer, seen: RegistrySnapshot, state: BookState, note: str, since: str = "") -> Observed:
    """Something was done outside that moved no version. The window opens at the last sight, or when it was first noticed.

    That time stays as it was noted, whatever the clock of this writer says: by it a second writer knows that it is recorded.
    """
    until = format_timestamp(writer.clock())
    window = (
        (since, max(since, until))
        if since
        else (min(until, format_timestamp(state.last_observed_at) if state.last_observed_at else until), until)
    )
    now = dict(state.observed_slots)
    return Observed(**writer.common_fields(seen.model, UNKNOWN_ACTOR), was=now, now=now, window=window, note=note)


def _displaced(intent: Entry, state: BookState, seen: RegistrySnapshot) -> tuple[str, ...]:
    """Who stood in the slots of an intent by the record before, and stands in none of them now."""
    body = intent.body
    slots = body.slots if isinstance(body, Decided) else ()
    before = {version for slot in slots for version in state.observed_slots[slot].holders}
    after = {body.version, *(version for slot in SLOTS for version in seen.slot_states[slot].holders)}
    return tuple(sorted(before - after, key=version_sort_key))


def _effective(intent: Entry, seen: RegistrySnapshot) -> str | None:
    """When the move took effect by the store's clock: a stage that was set after the decision says so."""
    version = seen.versions.get(intent.body.version or "")
    return version.updated_at if version and version.updated_at >= intent.body.recorded_at else None


def _is_wanted(intent: Entry, state: BookState, seen: RegistrySnapshot) -> bool:
    """Is it this intent that the ledger follows? One that only empties a slot is, while no later one speaks of its version."""
    if intent.id in {want.intent_id for want in state.desired_holders(seen.is_possible).values()}:
        return True
    body = intent.body
    later = [i.body for i in state.intents if i.position > intent.position and isinstance(i.body, Decided)]
    overtaken = any(other.version == body.version for other in later)
    return isinstance(body, Decided) and body.to in ("None", "Archived") and not overtaken
