"""The second way out: an MLflow server on the same database, with the folder of files that its experiments were made for."""

import shlex
from pathlib import Path

from lib.backends import local_server as server
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, mlflow_version, translated
from lib.doctor.artifacts import folder_search as folders
from lib.doctor.artifacts.problem_texts import SERVER
from lib.doctor.artifacts.write_test import prove
from lib.doctor.types import Ask, Call, Cure, Done, Room, Rows, Snippet, Told, Treatment
from lib.errors import BackendError, Refused

FOLDER = "destination"


def asks(room: Room, call: Call) -> tuple[Ask, ...]:
    """The folder of files: where the runs' folders were found, else MLflow's usual one beside the database."""
    found = folders.guess(room.backend, folders.searched(room.backend, call))
    path = found or _database(room).parent / "mlartifacts"
    return (Ask(FOLDER, "Folder of the files", str(path), "What the first server was given as --artifacts-destination."),)


def preview(room: Room, call: Call) -> Cure:
    """The command, and how many of the old runs' folders lie below the folder."""
    folder, port = _folder(room, call), server.free_port()
    found = folders.searched(room.backend, call)
    many = (
        f"{found.below(folder)} of the first {len(found.places)}"
        if found.total > len(found.places)
        else f"{found.below(folder)} of {found.total}"
    )
    old = f"{many} folders of old runs and models lie below {folder}." if found.total else "No run is waiting for its old files."
    return Cure(
        title="Start a server on this database?",
        changes=(
            f"An MLflow server {mlflow_version()} starts on this machine at http://{server.HOST}:{port}, or the next free port.",
            f"It uses the same database, {_database(room)}, and keeps files in {folder}, which is made if it is missing.",
            old,
            "A trial file is written through it, read back and removed. Nothing in the database is changed.",
            "Everybody on this machine can reach it, without a sign-in; nobody from outside can.",
            "It ends with Podium, or when you stop it here.",
        ),
        code=(Snippet(_line(server.command(room.backend, folder, port)), "bash"),),
        undo="Stop the server on this page.",
    )


def carry_out(room: Room, call: Call, told: Told) -> Done:
    """Start the server, wait for it, and prove that it is this database's and keeps files."""
    folder = _folder(room, call)
    running = server.on(room.backend)
    served = server.start(room.backend, folder, room.home, room.clock(), told)
    try:
        told("Does it show the same experiments and keep files?")
        rows = _proved(room.backend, served.backend, call)
    except BackendError:
        if running is None:
            server.stop(served)
        raise
    address = served.backend.uri
    return Done(
        f"A server runs at {address} on this database",
        (("Address", address), ("Files", str(folder)), ("Log", str(served.log)), *rows),
        f"Use {address} as the tracking address from now on, in Podium and in scripts.",
        served.backend,
    )


def _proved(database: Backend, served: Backend, call: Call) -> Rows:
    """The same experiments by both roads, and a trial file in each of those that could keep none."""
    rows = list[tuple[str, ...]]()
    for id_ in filter(None, call["experiment"].split(",")):
        with translated(f"Experiment {id_}"):
            here, there = client(database).get_experiment(id_), client(served).get_experiment(id_)
        if here.name != there.name or here.artifact_location != there.artifact_location:
            raise BackendError(f"The server shows another experiment {id_} than the database does.")
        rows += [("Experiment", str(here.name)), *prove(served, there.artifact_location)]
    return tuple(rows) or prove(served, folders.PROXY)


def _database(room: Room) -> Path:
    if room.backend.path is None:
        raise Refused("A server is in use already.", next="Its own start is up to whoever runs it.")
    return room.backend.path


def _folder(room: Room, call: Call) -> Path:
    return folders.folder_typed(call[FOLDER] or asks(room, call)[0].default)


def _line(words: list[str]) -> str:
    return " \\\n  ".join([" ".join(words[:2]), *(shlex.quote(word) for word in words[2:])])


TREATMENTS = (
    Treatment(
        SERVER,
        "Start a server on this database and use it",
        "Old and new runs work. It runs as long as Podium does.",
        preview,
        carry_out,
        asks,
        on_machine=True,
    ),
)
