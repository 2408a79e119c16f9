"""The fourth way out: a purely local store, a new database with its files beside it. What was there stays where it is."""

from pathlib import Path

from lib.backends import sqlite_store
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.artifacts import folder_search
from lib.doctor.artifacts.problem_texts import NEW_STORE_FIX_ID
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused
from lib.runs.edit import experiment_changes

FOLDER_INPUT = "folder"


def inputs(context: FixContext, _: FixOffer) -> tuple[FixInput, ...]:
    """The folder of the new store: a new one beside the database."""
    home = context.backend.path.parent if context.backend.path else context.podium_home
    free = next(
        path for number in range(1, 1000) if not (path := home / f"local-store{'' if number == 1 else f'-{number}'}").exists()
    )
    return (FixInput(FOLDER_INPUT, "Folder of the new store", str(free)),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """What would be made. Raises Refused when a database is there already."""
    made, names = _new(context, offer), _names(context.backend, offer)
    folder = made.artifact_folder
    return FixPreview(
        title="Make a new local store?",
        changes=(
            f"A new, empty database is made: {made.path}.",
            *(f"An experiment {name} is made in it. Its files go below {folder}." for name in names),
            "A trial file is written there, listed, read back and removed.",
            f"{context.backend.label} stays as it is, with all its runs. Nothing is copied.",
        ),
        snippets=(Snippet(_code(made, names)),),
        undo=f"Remove the folder {made.path.parent if made.path else ''}.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Make the store and its experiments, and prove that files can be kept."""
    made, names = _new(context, offer), _names(context.backend, offer)
    progress("Making the database: MLflow sets up its tables. This takes a few seconds…")
    sqlite_store.ensure_database(made)
    rows = [("Database", str(made.path))]
    for name in names:
        progress(f"Making {name}…")
        with translate_errors(f"Experiment {name}"):
            place = client(made).get_experiment(experiment_changes.create(made, name)).artifact_location
        rows += [("New experiment", name), *((one, what) for one, what in verify_writable(made, place))]
    return FixResult("A new local store is ready, and files can be kept in it", tuple(rows), f"Use {made.uri} from now on.", made)


def _new(room: FixContext, call: FixOffer) -> Backend:
    folder = folder_search.parse_folder(call[FOLDER_INPUT] or inputs(room, call)[0].default)
    made = sqlite_backend(folder / "mlflow.db")
    if (folder / "mlflow.db").exists():
        raise ActionRefused(f"There is a database in {folder} already.", next="Choose another folder, or use that database.")
    return made


def _names(backend: Backend, call: FixOffer) -> list[str]:
    found = []
    for id_ in filter(None, call["experiment"].split(",")):
        with translate_errors(f"Experiment {id_}"):
            found.append(str(client(backend).get_experiment(id_).name))
    return [name for name in found if name != "Default"]


def _code(made: Backend, names: list[str]) -> str:
    lines = [
        f"client.create_experiment({name!r}, artifact_location={str(Path(str(made.artifact_folder), 'a-folder-of-its-own'))!r})"
        for name in names
    ]
    return "\n".join(["from mlflow import MlflowClient", "", f"client = MlflowClient({made.uri!r}, {made.uri!r})", *lines])


FIXES = (
    Fix(
        NEW_STORE_FIX_ID,
        "Move to a new, purely local store",
        "Leaves the old experiment where it is.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
