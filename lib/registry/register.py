"""Register the model of a run as a new model or a new version, and record it with its lineage.

Uses the explicit recipe for each kind of backend: over SQL the source is the model's location, over REST its `models:/` address
with the model's id. A run whose model lies among its artifacts (servers without logged models) is registered from there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import to_podium_error, translate_errors
from lib.errors import ActionRefused, BadInput, NotWritable, PodiumError
from lib.ledger.entry.vocabulary import clean_text
from lib.ledger.storage.book import Writer, read_book
from lib.registry.ledger_writer import append_registered
from lib.registry.permission_check import require_ledger_permission, require_move_permission
from lib.registry.promote import require_version
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.runs.artifacts.mlmodel import read_model_locations
from lib.runs.reading.run_reader import Run, read_run

MAX_MODEL_NAME_LENGTH = 200
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class ModelCandidate:
    """A model of a run that could be registered. `source` and `model_id` are what the registry is given."""

    run: Run
    name: str
    source: str
    model_id: str = ""


@dataclass(frozen=True)
class NewVersion:
    """What `register` made: the version, and the entry that says so."""

    model: str
    version: str
    entry_id: str
    position: int


def find_candidates(backend: Backend, run_id: str) -> tuple[ModelCandidate, ...]:
    """The models of a run, newest first. Raises NotFound for an unknown run, Refused for one deleted, still running or without a model."""
    found = read_run(backend, run_id)
    if found.lifecycle != "active":
        raise ActionRefused(f"Run {found.name} was deleted.", next="Restore it first, or choose another run.")
    if found.status in ("RUNNING", "SCHEDULED"):
        raise ActionRefused(f"Run {found.name} is still running.", next="Wait until it has finished.")
    made = tuple(_logged(backend, found, model_id) for model_id in found.model_ids) or _among_artifacts(backend, found)
    if not made:
        raise ActionRefused(f"Run {found.name} has no model.", next="Choose a run that logged one.")
    return made


def register(writer: Writer, run_id: str, model: str, description: str = "") -> NewVersion:
    """Register the newest model of a run under `model`, made when it is missing, and record it.

    Raises BadInput for a name the registry cannot take; see `candidates` for runs that cannot be registered.
    """
    is_there = _is_there(writer.backend, model)
    name = model if is_there else parse_model_name(model)
    chosen = find_candidates(writer.backend, run_id)[0]
    require_ledger_permission(writer.backend)
    if is_there:
        require_move_permission(writer.backend, name, ())
    said = clean_text(description) or default_description(chosen)
    _make_model(writer.backend, name, default_model_description(chosen) or said)
    with _left_behind(f"The model {name} is there, but without this version."):
        found = sync_model_status(writer, name)
        number = _make_version(writer.backend, name, chosen, said)
    with _left_behind(f"Version {number} of {name} is made; a later look will add its entry. Do not register it again."):
        found = replace(found, snapshot=read_snapshot(writer.backend, name))
        append_registered(writer, found, require_version(found.snapshot, number))
        entries = read_book(writer.backend, found.book_id).book.entries
    mine = next(entry for entry in reversed(entries) if entry.body.type == "REGISTERED" and entry.body.version == number)
    return NewVersion(name, number, mine.id, mine.position)


def _is_there(backend: Backend, model: str) -> bool:
    """Is there a model of exactly this name, odd as it may be?"""
    try:
        return bool(model) and read_snapshot(backend, model).created_at is not None
    except (BadInput, NotWritable):  # where others may not be read, nobody is told whether a name is taken
        return False


@contextmanager
def _left_behind(means: str) -> Iterator[None]:
    """Say truly what an error leaves behind."""
    try:
        yield
    except PodiumError as error:
        raise type(error)(error.what, means=means, next=error.next) from error


def default_description(candidate: ModelCandidate) -> str:
    """A description that says where a version comes from and what it measured, offered to be bettered."""
    first = sorted(candidate.run.metrics.items(), key=lambda metric: (metric[0] != "accuracy", metric[0]))
    scores = ", ".join(f"{name} {value:.4f}" for name, value in first[:2])
    return f"From run {candidate.run.name}{': ' if scores else ''}{scores}."


def default_model_description(candidate: ModelCandidate) -> str:
    """What a new model is for, by the tags of its first run: "Wine classification, RandomForestClassifier"; else an empty text."""
    tags = candidate.run.tags
    return ", ".join(clean_text(tags[name]) for name in ("Project", "model_type") if tags.get(name))


def parse_model_name(text: str) -> str:
    """The name of a registered model as typed, cleaned. Raises BadInput for one the registry or an address cannot take."""
    name = clean_text(text)
    if not name:
        raise BadInput("The model has no name.", next="Give it one, for example wine-forest.")
    if len(name) > MAX_MODEL_NAME_LENGTH:
        raise BadInput(f"The name has {len(name)} characters; {MAX_MODEL_NAME_LENGTH} fit.", next="Choose a shorter one.")
    if wrong := sorted(set(re.findall(r"[^\w .\-]", name))):
        raise BadInput(f"A model name cannot contain {' '.join(wrong)}", next="Use letters, digits, spaces, dots, - and _.")
    return name


def _logged(backend: Backend, source: Run, model_id: str) -> ModelCandidate:
    with translate_errors("The logged model"):
        logged = client(backend).get_logged_model(model_id)
    place = f"models:/{model_id}" if backend.kind == "server" else logged.artifact_location
    return ModelCandidate(source, logged.name or model_id, place, model_id if backend.kind == "server" else "")


def _among_artifacts(backend: Backend, source: Run) -> tuple[ModelCandidate, ...]:
    folders = [place.name for place in read_model_locations(backend, source) if place.run_id]
    return tuple(ModelCandidate(source, folder, f"{source.artifact_uri}/{folder}") for folder in folders)


def _make_model(backend: Backend, name: str, description: str) -> None:
    try:
        client(backend).create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise to_podium_error(str(error.error_code), str(error), name) from error


def _make_version(backend: Backend, name: str, chosen: ModelCandidate, description: str) -> str:
    with translate_errors(name):
        made = client(backend).create_model_version(
            name, chosen.source, run_id=chosen.run.run_id, description=description, model_id=chosen.model_id or None
        )
    return str(made.version)
