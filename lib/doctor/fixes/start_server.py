"""The second way out: an MLflow server on the same database, with the folder of files that its experiments were made for."""

import shlex
from pathlib import Path

from lib.backends import local_server
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, installed_mlflow_version
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.artifacts import folder_search
from lib.doctor.artifacts.problem_texts import START_SERVER_FIX_ID
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Rows, Snippet
from lib.errors import ActionRefused, BackendError

DESTINATION_INPUT = "destination"


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The folder of files: where the runs' folders were found, else MLflow's usual one beside the database."""
    found = folder_search.guess_folder(context.backend, folder_search.sample_locations(context.backend, offer))
    path = found or _database(context).parent / "mlartifacts"
    return (
        FixInput(
            DESTINATION_INPUT, "Folder of the files", str(path), "What the first server was given as --artifacts-destination."
        ),
    )


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """The command, and how many of the old runs' folders lie below the folder."""
    folder, port = _folder(context, offer), local_server.find_free_port()
    found = folder_search.sample_locations(context.backend, offer)
    many = (
        f"{found.count_below(folder)} of the first {len(found.locations)}"
        if found.total > len(found.locations)
        else f"{found.count_below(folder)} of {found.total}"
    )
    old = f"{many} folders of old runs and models lie below {folder}." if found.total else "No run is waiting for its old files."
    return FixPreview(
        title="Start a server on this database?",
        changes=(
            f"An MLflow server {installed_mlflow_version()} starts on this machine at http://{local_server.HOST}:{port}, or the next free port.",
            f"It uses the same database, {_database(context)}, and keeps files in {folder}, which is made if it is missing.",
            old,
            "A trial file is written through it, read back and removed. Nothing in the database is changed.",
            "Everybody on this machine can reach it, without a sign-in; nobody from outside can.",
            "It ends with Podium, or when you stop it here.",
        ),
        snippets=(Snippet(_line(local_server.server_command(context.backend, folder, port)), "bash"),),
        undo="Stop the server on this page.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Start the server, wait for it, and prove that it is this database's and keeps files."""
    folder = _folder(context, offer)
    running = local_server.find_server(context.backend)
    served = local_server.start(context.backend, folder, context.podium_home, context.clock(), progress)
    try:
        progress("Does it show the same experiments and keep files?")
        rows = _proved(context.backend, served.backend, offer)
    except BackendError:
        if running is None:
            local_server.stop(served)
        raise
    address = served.backend.uri
    return FixResult(
        f"A server runs at {address} on this database",
        (("Address", address), ("Files", str(folder)), ("Log", str(served.log_file)), *rows),
        f"Use {address} as the tracking address from now on, in Podium and in scripts.",
        served.backend,
    )


def _proved(database: Backend, served: Backend, call: FixOffer) -> Rows:
    """The same experiments by both roads, and a trial file in each of those that could keep none."""
    rows = list[tuple[str, ...]]()
    for id_ in filter(None, call["experiment"].split(",")):
        with translate_errors(f"Experiment {id_}"):
            here, there = client(database).get_experiment(id_), client(served).get_experiment(id_)
        if here.name != there.name or here.artifact_location != there.artifact_location:
            raise BackendError(f"The server shows another experiment {id_} than the database does.")
        rows += [("Experiment", str(here.name)), *verify_writable(served, there.artifact_location)]
    return tuple(rows) or verify_writable(served, folder_search.PROXY_PREFIX)


def _database(room: FixContext) -> Path:
    if room.backend.path is None:
        raise ActionRefused("A server is in use already.", next="Its own start is up to whoever runs it.")
    return room.backend.path


def _folder(room: FixContext, call: FixOffer) -> Path:
    return folder_search.parse_folder(call[DESTINATION_INPUT] or inputs(room, call)[0].default)


def _line(words: list[str]) -> str:
    return " \\\n  ".join([" ".join(words[:2]), *(shlex.quote(word) for word in words[2:])])


FIXES = (
    Fix(
        START_SERVER_FIX_ID,
        "Start a server on this database and use it",
        "Old and new runs work. It runs as long as Podium does.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
