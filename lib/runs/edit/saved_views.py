"""Named views of runs, stored in the backend for the team: one experiment tag per view.

The tag key is Podium's (`podium.view.<ULID>`); name, address, user and time are in its value. Two people saving at once write two
tags, so no view is lost. Anyone may have written a tag: values of an unexpected shape are skipped and counted. Interpreting the
address is left to the page.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from mlflow.exceptions import MlflowException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.length_limits import MAX_EXPERIMENT_TAG_LENGTH
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_error, translate_errors
from lib.errors import BadInput, NotFound

VIEW_TAG_PREFIX = "podium.view."
MAX_NAME_LENGTH = 80


@dataclass(frozen=True)
class SavedView:
    """A named view. `query` is the address after the question mark; `by` is the name as typed, not verified."""

    key: str
    experiment_id: str
    name: str
    query: str
    by: str
    at: datetime


@dataclass(frozen=True)
class SavedViews:
    """The views of an experiment by name, and how many of its view tags are invalid."""

    views: tuple[SavedView, ...] = ()
    skipped_count: int = 0


class _ViewRecord(BaseModel):
    """The value of a tag. `deleted` is set if a store cannot delete tags."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)] = ""
    query: str = ""
    by: Annotated[str, StringConstraints(max_length=MAX_NAME_LENGTH)] = ""
    at: Annotated[AwareDatetime, Field(strict=False)] = datetime.min.replace(tzinfo=UTC)
    deleted: bool = False


def read_saved_views(backend: Backend, experiment_id: str) -> SavedViews:
    """Return the views stored with an experiment. Writes nothing."""
    records = {key: _parse_record(value) for key, value in sorted(_read_view_tags(backend, experiment_id).items())}
    views = [
        SavedView(key, experiment_id, record.name, record.query, record.by, record.at)
        for key, record in records.items()
        if record and record.name
    ]
    deleted_count = sum(record is not None and record.deleted for record in records.values())
    return SavedViews(
        tuple(sorted(views, key=lambda view: (view.name.casefold(), view.key))), len(records) - len(views) - deleted_count
    )


def save(backend: Backend, view: SavedView) -> SavedView:
    """Store a view with its experiment under a new key; `view.key` is ignored.

    Raises BadInput if the name is empty, too long or taken, and if the view is too long to store.
    """
    new_view = SavedView(VIEW_TAG_PREFIX + str(ULID()), view.experiment_id, _check_name(view.name), view.query, view.by, view.at)
    _check_name_is_free(backend, new_view)
    _write_view(backend, new_view)
    return new_view


def rename(backend: Backend, view: SavedView, name: str) -> None:
    """Rename a view. Raises NotFound if it has been deleted, BadInput for an invalid name."""
    current = next((other for other in read_saved_views(backend, view.experiment_id).views if other.key == view.key), None)
    if current is None:
        raise NotFound(f"The view {view.name} no longer exists.", next="It has been deleted. Reload the page.")
    renamed_view = SavedView(current.key, current.experiment_id, _check_name(name), current.query, current.by, current.at)
    _check_name_is_free(backend, renamed_view)
    _write_view(backend, renamed_view)


def delete(backend: Backend, view: SavedView) -> None:
    """Delete a view for everyone. A missing view is not an error. A store that cannot delete tags keeps an empty one."""
    try:
        client(backend).delete_experiment_tag(view.experiment_id, view.key)
    except MlflowException as error:
        if error.error_code == "PERMISSION_DENIED":
            raise translate_error(error, "This view") from error
        if view.key in _read_view_tags(backend, view.experiment_id):
            _set_tag(backend, view, json.dumps({"schema": 1, "deleted": True}))


def code_snippet(uri: str, view: SavedView, action: Literal["Save", "Rename", "Delete"]) -> str:
    """Return the equivalent plain MLflow call, ready to copy. It gives a new view its own id, as Podium does."""
    if action == "Delete":
        return client_snippet(uri, [f"client.delete_experiment_tag({view.experiment_id!r}, {view.key!r})"])
    key = repr(view.key) if view.key else f"{VIEW_TAG_PREFIX!r} + uuid4().hex"
    call = f"client.set_experiment_tag({view.experiment_id!r}, {key}, {_tag_value(view)!r})"
    return client_snippet(uri, [call], imports=[] if view.key else ["from uuid import uuid4", ""])


def _read_view_tags(backend: Backend, experiment_id: str) -> Mapping[str, str]:
    with translate_errors(f"Experiment {experiment_id}"):
        tags = client(backend).get_experiment(experiment_id).tags or {}
    return {str(key): str(value) for key, value in tags.items() if str(key).startswith(VIEW_TAG_PREFIX)}


def _parse_record(value: str) -> _ViewRecord | None:
    """Parse a tag value; None if it is not from Podium. A view without a name, or longer than Podium writes, is not either."""
    if len(value) > MAX_EXPERIMENT_TAG_LENGTH:
        return None
    try:
        return _ViewRecord.model_validate_json(value)
    except (ValidationError, RecursionError):
        return None


def _check_name(name: str) -> str:
    tidy_name = " ".join("".join(character if character.isprintable() else " " for character in name).split())
    if not tidy_name:
        raise BadInput("A view needs a name.", next="Enter what it shows, such as: forests over 0.95.")
    if len(tidy_name) > MAX_NAME_LENGTH:
        raise BadInput(f"This name has {len(tidy_name)} characters; the limit is {MAX_NAME_LENGTH}.", next="Shorten it.")
    return tidy_name


def _check_name_is_free(backend: Backend, view: SavedView) -> None:
    for other in read_saved_views(backend, view.experiment_id).views:
        if other.name.casefold() == view.name.casefold() and other.key != view.key:
            raise BadInput(f"A view called {other.name} already exists.", next="Choose another name, or delete that view first.")


def _tag_value(view: SavedView) -> str:
    """Return the value of the tag."""
    at = view.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    value = {"schema": 1, "name": view.name, "query": view.query, "by": view.by, "at": at}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write_view(backend: Backend, view: SavedView) -> None:
    text = _tag_value(view)
    if len(text) > MAX_EXPERIMENT_TAG_LENGTH:
        raise BadInput(
            f"This view takes {len(text):,} characters; the limit of a tag is {MAX_EXPERIMENT_TAG_LENGTH:,}.",
            next="Pick fewer runs or choose fewer columns: the view lists each of them.",
        )
    _set_tag(backend, view, text)


def _set_tag(backend: Backend, view: SavedView, text: str) -> None:
    with translate_errors(f"Experiment {view.experiment_id}"):
        client(backend).set_experiment_tag(view.experiment_id, view.key, text)
