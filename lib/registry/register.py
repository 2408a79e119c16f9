"""Register the model of a run as a new model or a new version, and record it with its lineage.

Uses the explicit form for each kind of backend: over SQL the source is the model's location, over REST its `models:/` URI with the model
id. A model stored among the artifacts of its run (servers without logged models) is registered from there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_error, translate_errors
from lib.errors import ActionRefused, BadInput, NoAnswer, NotWritable, PodiumError
from lib.ledger.storage.book import Writer, read_book
from lib.registry.change_recorder import append_registered
from lib.registry.delete_run import RUNNING_STATUSES
from lib.registry.permission_check import require_ledger_permission, require_move_permission
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import require_version
from lib.runs.artifacts.mlmodel import read_model_locations
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import Run
from lib.text import clean_text

_MAX_MODEL_NAME_LENGTH = 200
_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class ModelCandidate:
    """A model of a run that can be registered. `source` and `model_id` are passed to the registry."""

    run: Run
    name: str
    source: str
    model_id: str = ""


@dataclass(frozen=True)
class NewVersion:
    """The result of `register`: the version, and the entry that records it."""

    model: str
    version: str
    entry_id: str
    position: int


def find_candidates(backend: Backend, run_id: str) -> tuple[ModelCandidate, ...]:
    """The models of a run, newest first. Raises NotFound for an unknown run, ActionRefused if deleted, running or without a model."""
    run = read_run(backend, run_id)
    if run.lifecycle != "active":
        raise ActionRefused(f"Run {run.name} was deleted.", next="Restore it first, or choose another run.")
    if run.status in RUNNING_STATUSES:
        raise ActionRefused(f"Run {run.name} is still running.", next="Wait until it finishes.")
    candidates = tuple(_logged_model_candidate(backend, run, model_id) for model_id in run.model_ids)
    candidates = candidates or _artifact_candidates(backend, run)
    if not candidates:
        raise ActionRefused(f"Run {run.name} has no model.", next="Choose a run that logged one.")
    return candidates


@single_wait()
def register(writer: Writer, run_id: str, model: str, description: str = "") -> NewVersion:
    """Register the newest model of a run under `model`, created if missing, and record it.

    Raises BadInput for a name the registry does not accept; see `find_candidates` for runs that cannot be registered.
    """
    exists = _model_exists(writer.backend, model)
    name = model if exists else parse_model_name(model)
    candidate = find_candidates(writer.backend, run_id)[0]
    require_ledger_permission(writer.backend)
    if exists:
        require_move_permission(writer.backend, name, ())
    version_description = clean_text(description) or default_description(candidate)
    _create_model(writer.backend, name, default_model_description(candidate) or version_description)
    with _explain_leftovers(f"The model {name} exists, but without this version."):
        status = sync_model_status(writer, name)
    number = _create_version(writer.backend, name, candidate, version_description)
    leftover = (
        f"Version {number} of {name} was created. Its entry may be missing and will be added later. Do not register it again."
    )
    with _explain_leftovers(leftover):
        status = replace(status, snapshot=read_snapshot(writer.backend, name))
        append_registered(writer, status, require_version(status.snapshot, number))
        entries = read_book(writer.backend, status.book_id).book.entries
    entry = next(entry for entry in reversed(entries) if entry.body.type == "REGISTERED" and entry.body.version == number)
    return NewVersion(name, number, entry.id, entry.position)


def _model_exists(backend: Backend, model: str) -> bool:
    """Does a model with exactly this name exist, even one that Podium would not create?"""
    try:
        return bool(model) and read_snapshot(backend, model).created_at is not None
    except (BadInput, NotWritable):  # without read access to other models it is unknown whether the name is taken
        return False


@contextmanager
def _explain_leftovers(means: str) -> Iterator[None]:
    """Add to an error what it leaves behind."""
    try:
        yield
    except PodiumError as error:
        raise type(error)(error.what, means=means, next=error.next) from error


def default_description(candidate: ModelCandidate) -> str:
    """A default description with the run and metrics of a version, offered for editing."""
    metrics = sorted(candidate.run.metrics.items(), key=lambda metric: (metric[0] != "accuracy", metric[0]))
    scores = ", ".join(f"{name} {value:.4f}" for name, value in metrics[:2])
    return f"From run {candidate.run.name}{': ' if scores else ''}{scores}."


def default_model_description(candidate: ModelCandidate) -> str:
    """A default description of a new model from the tags of its first run: "Wine classification, RandomForestClassifier"; else empty."""
    tags = candidate.run.tags
    return ", ".join(clean_text(tags[name]) for name in ("Project", "model_type") if tags.get(name))


def parse_model_name(text: str) -> str:
    """The name of a registered model as typed, cleaned. Raises BadInput if the registry or a URI does not accept it."""
    name = clean_text(text)
    if not name:
        raise BadInput("The model name is empty.", next="Enter a name, for example wine-forest.")
    if len(name) > _MAX_MODEL_NAME_LENGTH:
        raise BadInput(
            f"The name has {len(name)} characters; the limit is {_MAX_MODEL_NAME_LENGTH}.", next="Choose a shorter name."
        )
    if invalid_characters := sorted(set(re.findall(r"[^\w .\-]", name))):
        raise BadInput(
            f"A model name cannot contain {' '.join(invalid_characters)}", next="Use letters, digits, spaces, dots, - and _."
        )
    return name


def _logged_model_candidate(backend: Backend, run: Run, model_id: str) -> ModelCandidate:
    with translate_errors("The logged model"):
        logged_model = client(backend).get_logged_model(model_id)
    is_server = backend.kind == "server"
    source = f"models:/{model_id}" if is_server else logged_model.artifact_location
    return ModelCandidate(run, logged_model.name or model_id, source, model_id if is_server else "")


def _artifact_candidates(backend: Backend, run: Run) -> tuple[ModelCandidate, ...]:
    folders = [location.name for location in read_model_locations(backend, run) if location.run_id]
    return tuple(ModelCandidate(run, folder, f"{run.artifact_uri}/{folder}") for folder in folders)


def _create_model(backend: Backend, name: str, description: str) -> None:
    try:
        client(backend).create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != _ALREADY_EXISTS:
            raise translate_error(error, name) from error
        if _is_prompt(backend, name):
            raise BadInput(
                f"A prompt in this registry is already called {name}.", next="Choose another name for the model."
            ) from error


def _is_prompt(backend: Backend, name: str) -> bool:
    """Does a prompt have this name? In MLflow, models and prompts share one namespace, but only models are listed."""
    try:
        return client(backend).get_prompt(name) is not None
    except MlflowException:  # an older server without prompts
        return False


def _create_version(backend: Backend, name: str, candidate: ModelCandidate, description: str) -> str:
    try:
        version = client(backend).create_model_version(
            name,
            candidate.source,
            run_id=candidate.run.run_id,
            description=description,
            await_creation_for=None,  # otherwise MLflow polls for up to five minutes until the server has finished copying
            model_id=candidate.model_id or None,
        )
    except MlflowException as error:
        translated = translate_error(error, name)
        is_uncertain = isinstance(translated, NoAnswer)
        means = f"The model {name} exists, {'and the version may be registered' if is_uncertain else 'but without this version'}."
        advice = (
            f"Check the versions of {name} before you register it again. If the version exists, its entry will be added later."
        )
        raise type(translated)(translated.what, means=means, next=advice if is_uncertain else translated.next) from error
    return str(version.version)
