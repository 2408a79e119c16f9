"""The fourth way out: a purely local store, a new database with its files beside it. What was there stays where it is."""

from pathlib import Path

from lib.backends import sqlite_store as store
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client, translated
from lib.doctor.artifacts import folder_search as folders
from lib.doctor.artifacts.problem_texts import LOCAL
from lib.doctor.artifacts.write_test import prove
from lib.doctor.types import Ask, Call, Cure, Done, Room, Snippet, Told, Treatment
from lib.errors import Refused
from lib.runs.edit import experiment_changes as experiments

FOLDER = "folder"


def asks(room: Room, _: Call) -> tuple[Ask, ...]:
    """The folder of the new store: a new one beside the database."""
    home = room.backend.path.parent if room.backend.path else room.home
    free = next(
        path for number in range(1, 1000) if not (path := home / f"local-store{'' if number == 1 else f'-{number}'}").exists()
    )
    return (Ask(FOLDER, "Folder of the new store", str(free)),)


def preview(room: Room, call: Call) -> Cure:
    """What would be made. Raises Refused when a database is there already."""
    made, names = _new(room, call), _names(room.backend, call)
    folder = made.artifacts
    return Cure(
        title="Make a new local store?",
        changes=(
            f"A new, empty database is made: {made.path}.",
            *(f"An experiment {name} is made in it. Its files go below {folder}." for name in names),
            "A trial file is written there, listed, read back and removed.",
            f"{room.backend.place} stays as it is, with all its runs. Nothing is copied.",
        ),
        code=(Snippet(_code(made, names)),),
        undo=f"Remove the folder {made.path.parent if made.path else ''}.",
    )


def carry_out(room: Room, call: Call, told: Told) -> Done:
    """Make the store and its experiments, and prove that files can be kept."""
    made, names = _new(room, call), _names(room.backend, call)
    told("Making the database: MLflow sets up its tables. This takes a few seconds…")
    store.make_ready(made)
    rows = [("Database", str(made.path))]
    for name in names:
        told(f"Making {name}…")
        with translated(f"Experiment {name}"):
            place = client(made).get_experiment(experiments.create(made, name)).artifact_location
        rows += [("New experiment", name), *((one, what) for one, what in prove(made, place))]
    return Done("A new local store is ready, and files can be kept in it", tuple(rows), f"Use {made.uri} from now on.", made)


def _new(room: Room, call: Call) -> Backend:
    folder = folders.folder_typed(call[FOLDER] or asks(room, call)[0].default)
    made = sqlite_backend(folder / "mlflow.db")
    if (folder / "mlflow.db").exists():
        raise Refused(f"There is a database in {folder} already.", next="Choose another folder, or use that database.")
    return made


def _names(backend: Backend, call: Call) -> list[str]:
    found = []
    for id_ in filter(None, call["experiment"].split(",")):
        with translated(f"Experiment {id_}"):
            found.append(str(client(backend).get_experiment(id_).name))
    return [name for name in found if name != "Default"]


def _code(made: Backend, names: list[str]) -> str:
    lines = [
        f"client.create_experiment({name!r}, artifact_location={str(Path(str(made.artifacts), 'a-folder-of-its-own'))!r})"
        for name in names
    ]
    return "\n".join(["from mlflow import MlflowClient", "", f"client = MlflowClient({made.uri!r}, {made.uri!r})", *lines])


TREATMENTS = (
    Treatment(
        LOCAL,
        "Move to a new, purely local store",
        "Leaves the old experiment where it is.",
        preview,
        carry_out,
        asks,
        on_machine=True,
    ),
)
