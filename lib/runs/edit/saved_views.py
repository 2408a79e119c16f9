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
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import to_podium_error, translate_errors
from lib.errors import BadInput, NotFound

TAG_PREFIX = "podium.view."
MAX_TAG_LENGTH = 5_000
"""Characters of an experiment's tag that every store of MLflow keeps."""
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


class _Written(BaseModel):
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
    read = {key: (value, _read(value)) for key, value in sorted(_tags(backend, experiment_id).items())}
    views = [
        SavedView(key, experiment_id, one.name, one.query, one.by, one.at) for key, (_, one) in read.items() if one and one.name
    ]
    gone = sum(one is not None and one.deleted for _, one in read.values())
    return SavedViews(tuple(sorted(views, key=lambda view: (view.name.casefold(), view.key))), len(read) - len(views) - gone)


def save(backend: Backend, view: SavedView) -> SavedView:
    """Keep a view with its experiment, under a key of its own; `view.key` is not looked at.

    Raises BadInput for a name that is empty, too long or taken, and for a view that is too long to be kept.
    """
    made = SavedView(TAG_PREFIX + str(ULID()), view.experiment_id, _fit(view.name), view.query, view.by, view.at)
    _not_taken(backend, made)
    _write(backend, made)
    return made


def rename(backend: Backend, view: SavedView, name: str) -> None:
    """Give a view another name. Raises NotFound when someone has deleted it, BadInput for a name that does not fit."""
    found = next((one for one in read_saved_views(backend, view.experiment_id).views if one.key == view.key), None)
    if found is None:
        raise NotFound(f"The view {view.name} is not there any more.", next="Someone has deleted it: look again.")
    renamed = SavedView(found.key, found.experiment_id, _fit(name), found.query, found.by, found.at)
    _not_taken(backend, renamed)
    _write(backend, renamed)


def delete(backend: Backend, view: SavedView) -> None:
    """Take a view away, for everyone. One that is gone already is no error. A store that cannot drop tags keeps an empty one."""
    try:
        client(backend).delete_experiment_tag(view.experiment_id, view.key)
    except MlflowException as error:
        if error.error_code == "PERMISSION_DENIED":
            raise to_podium_error(error.error_code, str(error), "This view") from error
        if view.key in _tags(backend, view.experiment_id):
            _set(backend, view, json.dumps({"schema": 1, "deleted": True}))


def code_snippet(uri: str, view: SavedView, action: Literal["Save", "Rename", "Delete"]) -> str:
    """The plain MLflow call that does the same, to be copied. A new view gets its own id in the key when it is saved."""
    key = view.key or f"{TAG_PREFIX}<id>"
    what = f"delete_experiment_tag({view.experiment_id!r}, {key!r})" if action == "Delete" else ""
    what = what or f"set_experiment_tag({view.experiment_id!r}, {key!r}, {_text(view)!r})"
    return f"from mlflow import MlflowClient\n\nclient = MlflowClient(tracking_uri={uri!r})\nclient.{what}\n"


def _tags(backend: Backend, experiment: str) -> Mapping[str, str]:
    with translate_errors(f"Experiment {experiment}"):
        tags = client(backend).get_experiment(experiment).tags or {}
    return {str(key): str(value) for key, value in tags.items() if str(key).startswith(TAG_PREFIX)}


def _read(value: str) -> _Written | None:
    """The value of a tag; None for what is not ours. A view without a name or longer than we write is not ours either."""
    if len(value) > MAX_TAG_LENGTH:
        return None
    try:
        return _Written.model_validate_json(value)
    except (ValidationError, RecursionError):
        return None


def _fit(name: str) -> str:
    tidy = " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())
    if not tidy:
        raise BadInput("A view needs a name.", next="Type what it shows, such as: forests over 0.95.")
    if len(tidy) > MAX_NAME_LENGTH:
        raise BadInput(f"This name has {len(tidy)} characters, and {MAX_NAME_LENGTH} fit.", next="Shorten it.")
    return tidy


def _not_taken(backend: Backend, view: SavedView) -> None:
    for one in read_saved_views(backend, view.experiment_id).views:
        if one.name.casefold() == view.name.casefold() and one.key != view.key:
            raise BadInput(f"There is a view called {one.name} already.", next="Choose another name, or delete that one first.")


def _text(view: SavedView) -> str:
    """The value of the tag."""
    at = view.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    value = {"schema": 1, "name": view.name, "query": view.query, "by": view.by, "at": at}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write(backend: Backend, view: SavedView) -> None:
    text = _text(view)
    if len(text) > MAX_TAG_LENGTH:
        raise BadInput(
            f"This view takes {len(text):,} characters, and MLflow keeps {MAX_TAG_LENGTH:,} in a tag.",
            next="Pick fewer runs or choose fewer columns: each one stands in the view.",
        )
    _set(backend, view, text)


def _set(backend: Backend, view: SavedView, text: str) -> None:
    with translate_errors(f"Experiment {view.experiment_id}"):
        client(backend).set_experiment_tag(view.experiment_id, view.key, text)
