"""Views of runs kept under a name in the backend, so that the team finds them: one tag of the experiment for each.

The key of the tag is ours (`podium.view.<ULID>`), name, address, person and time stand in its value. Two people who save at once
write two tags, so nobody loses a view. What stands in a tag may come from anyone: what does not fit the shape is skipped and counted.
What the address means is the page's affair.
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
    """A view under its name. `query` is the address after the question mark; `by` is the name that was typed, not verified."""

    key: str
    experiment_id: str
    name: str
    query: str
    by: str
    at: datetime


@dataclass(frozen=True)
class SavedViews:
    """The views of an experiment by name, and how many of its tags look like views but are none."""

    views: tuple[SavedView, ...] = ()
    skipped_count: int = 0


class _ViewRecord(BaseModel):
    """The value of a tag. `deleted` is set where a store cannot drop a tag."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)] = ""
    query: str = ""
    by: Annotated[str, StringConstraints(max_length=MAX_NAME_LENGTH)] = ""
    at: Annotated[AwareDatetime, Field(strict=False)] = datetime.min.replace(tzinfo=UTC)
    deleted: bool = False


def read_saved_views(backend: Backend, experiment_id: str) -> SavedViews:
    """The views kept with an experiment. Writes nothing."""
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
    """Keep a view with its experiment, under a key of its own; `view.key` is not looked at.

    Raises BadInput for a name that is empty, too long or taken, and for a view that is too long to be kept.
    """
    new_view = SavedView(VIEW_TAG_PREFIX + str(ULID()), view.experiment_id, _check_name(view.name), view.query, view.by, view.at)
    _check_name_is_free(backend, new_view)
    _write_view(backend, new_view)
    return new_view


def rename(backend: Backend, view: SavedView, name: str) -> None:
    """Give a view another name. Raises NotFound when someone has deleted it, BadInput for a name that does not fit."""
    current = next((other for other in read_saved_views(backend, view.experiment_id).views if other.key == view.key), None)
    if current is None:
        raise NotFound(f"The view {view.name} is not there any more.", next="Someone has deleted it: look again.")
    renamed_view = SavedView(current.key, current.experiment_id, _check_name(name), current.query, current.by, current.at)
    _check_name_is_free(backend, renamed_view)
    _write_view(backend, renamed_view)


def delete(backend: Backend, view: SavedView) -> None:
    """Take a view away, for everyone. One that is gone already is no error. A store that cannot drop tags keeps an empty one."""
    try:
        client(backend).delete_experiment_tag(view.experiment_id, view.key)
    except MlflowException as error:
        if error.error_code == "PERMISSION_DENIED":
            raise translate_error(error, "This view") from error
        if view.key in _read_view_tags(backend, view.experiment_id):
            _set_tag(backend, view, json.dumps({"schema": 1, "deleted": True}))


def code_snippet(uri: str, view: SavedView, action: Literal["Save", "Rename", "Delete"]) -> str:
    """The plain MLflow call that does the same, to be copied. It gives a new view an id of its own, as Podium does."""
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
    """The value of a tag; None for what is not ours. A view without a name or longer than we write is not ours either."""
    if len(value) > MAX_EXPERIMENT_TAG_LENGTH:
        return None
    try:
        return _ViewRecord.model_validate_json(value)
    except (ValidationError, RecursionError):
        return None


def _check_name(name: str) -> str:
    tidy_name = " ".join("".join(character if character.isprintable() else " " for character in name).split())
    if not tidy_name:
        raise BadInput("A view needs a name.", next="Type what it shows, such as: forests over 0.95.")
    if len(tidy_name) > MAX_NAME_LENGTH:
        raise BadInput(f"This name has {len(tidy_name)} characters, and {MAX_NAME_LENGTH} fit.", next="Shorten it.")
    return tidy_name


def _check_name_is_free(backend: Backend, view: SavedView) -> None:
    for other in read_saved_views(backend, view.experiment_id).views:
        if other.name.casefold() == view.name.casefold() and other.key != view.key:
            raise BadInput(f"There is a view called {other.name} already.", next="Choose another name, or delete that one first.")


def _tag_value(view: SavedView) -> str:
    """The value of the tag."""
    at = view.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    value = {"schema": 1, "name": view.name, "query": view.query, "by": view.by, "at": at}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write_view(backend: Backend, view: SavedView) -> None:
    text = _tag_value(view)
    if len(text) > MAX_EXPERIMENT_TAG_LENGTH:
        raise BadInput(
            f"This view takes {len(text):,} characters, and MLflow keeps {MAX_EXPERIMENT_TAG_LENGTH:,} in a tag.",
            next="Pick fewer runs or choose fewer columns: each one stands in the view.",
        )
    _set_tag(backend, view, text)


def _set_tag(backend: Backend, view: SavedView, text: str) -> None:
    with translate_errors(f"Experiment {view.experiment_id}"):
        client(backend).set_experiment_tag(view.experiment_id, view.key, text)
