"""Fourth option: a purely local store, a new database with its files next to it. Existing data stays in place."""

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
    """Ask for the folder of the new store, by default a new one next to the database."""
    parent = context.backend.path.parent if context.backend.path else context.podium_home
    free_folder = next(
        path for number in range(1, 1000) if not (path := parent / f"local-store{'' if number == 1 else f'-{number}'}").exists()
    )
    return (FixInput(FOLDER_INPUT, "Folder of the new store", str(free_folder)),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return what would be created. Raises ActionRefused if a database already exists there."""
    store, names = _new_store(context, offer), _read_experiment_names(context.backend, offer)
    folder = store.artifact_folder
    return FixPreview(
        title="Create a new local store?",
        changes=(
            f"A new, empty database is created: {store.path}.",
            *(f"Experiment {name} is created in it. Its files go below {folder}." for name in names),
            "A test file is written there, listed, read back and deleted.",
            f"{context.backend.label} and all its runs stay unchanged. Nothing is copied.",
        ),
        snippets=(Snippet(_snippet_code(store, names)),),
        undo=f"Remove the folder {store.path.parent if store.path else ''}.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Create the store and its experiments, and verify that files can be stored."""
    store, names = _new_store(context, offer), _read_experiment_names(context.backend, offer)
    progress(f"Testing whether files can be stored in {store.artifact_folder}…")
    verify_writable(store, str(store.artifact_folder))
    progress("Creating the database (takes a few seconds)…")
    sqlite_store.ensure_database(store)
    rows = [("Database", str(store.path))]
    for name in names:
        progress(f"Creating {name}…")
        with translate_errors(f"Experiment {name}"):
            location = client(store).get_experiment(experiment_changes.create(store, name)).artifact_location
        rows += [("New experiment", name), *((label, value) for label, value in verify_writable(store, location))]
    return FixResult(
        "A new local store is ready, and files can be stored in it", tuple(rows), f"Use {store.uri} from now on.", store
    )


def _new_store(context: FixContext, offer: FixOffer) -> Backend:
    folder = folder_search.parse_folder(offer[FOLDER_INPUT] or inputs(context, offer)[0].default)
    store = sqlite_backend(folder / "mlflow.db")
    if (folder / "mlflow.db").exists():
        raise ActionRefused(f"A database already exists in {folder}.", next="Choose another folder, or use that database.")
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
        "Leaves the old experiment in place.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
