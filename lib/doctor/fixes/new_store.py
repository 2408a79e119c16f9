"""The fourth way out: a purely local store, a new database with its files beside it. What was there stays where it is."""

from pathlib import Path

from lib.backends import sqlite_store
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor import fix_ids
from lib.doctor.artifacts import folder_search
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused
from lib.runs.edit import experiment_changes

FOLDER_INPUT = "folder"


def inputs(context: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    """The folder of the new store: a new one beside the database."""
    parent = context.backend.path.parent if context.backend.path else context.podium_home
    free_folder = next(
        path for number in range(1, 1000) if not (path := parent / f"local-store{'' if number == 1 else f'-{number}'}").exists()
    )
    return (FixInput(FOLDER_INPUT, "Folder of the new store", str(free_folder)),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """What would be made. Raises ActionRefused when a database is there already."""
    store, names = _new_store(context, offer), _read_experiment_names(context.backend, offer)
    folder = store.artifact_folder
    return FixPreview(
        title="Make a new local store?",
        changes=(
            f"A new, empty database is made: {store.path}.",
            *(f"An experiment {name} is made in it. Its files go below {folder}." for name in names),
            "A trial file is written there, listed, read back and removed.",
            f"{context.backend.label} stays as it is, with all its runs. Nothing is copied.",
        ),
        snippets=(Snippet(_snippet_code(store, names)),),
        undo=f"Remove the folder {store.path.parent if store.path else ''}.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Make the store and its experiments, and prove that files can be kept."""
    store, names = _new_store(context, offer), _read_experiment_names(context.backend, offer)
    progress("Making the database: MLflow sets up its tables. This takes a few seconds…")
    sqlite_store.ensure_database(store)
    rows = [("Database", str(store.path))]
    for name in names:
        progress(f"Making {name}…")
        with translate_errors(f"Experiment {name}"):
            location = client(store).get_experiment(experiment_changes.create(store, name)).artifact_location
        rows += [("New experiment", name), *((label, value) for label, value in verify_writable(store, location))]
    return FixResult(
        "A new local store is ready, and files can be kept in it", tuple(rows), f"Use {store.uri} from now on.", store
    )


def _new_store(context: FixContext, offer: FixOffer) -> Backend:
    folder = folder_search.parse_folder(offer[FOLDER_INPUT] or inputs(context, offer)[0].default)
    store = sqlite_backend(folder / "mlflow.db")
    if (folder / "mlflow.db").exists():
        raise ActionRefused(f"There is a database in {folder} already.", next="Choose another folder, or use that database.")
    return store


def _read_experiment_names(backend: Backend, offer: FixOffer) -> list[str]:
    names = []
    for experiment_id in filter(None, offer["experiment"].split(",")):
        with translate_errors(f"Experiment {experiment_id}"):
            names.append(str(client(backend).get_experiment(experiment_id).name))
    return [name for name in names if name != "Default"]


def _snippet_code(store: Backend, names: list[str]) -> str:
    lines = [
        f"client.create_experiment({name!r}, artifact_location={str(Path(str(store.artifact_folder), 'a-folder-of-its-own'))!r})"
        for name in names
    ]
    return client_snippet(store.address, lines)


FIXES = (
    Fix(
        fix_ids.NEW_STORE,
        "Move to a new, purely local store",
        "Leaves the old experiment where it is.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
