"""The second way out: an MLflow server on the same database, with the folder of files that its experiments were made for."""

import shlex
from pathlib import Path

from lib.backends import local_server
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, installed_mlflow_version
from lib.backends.mlflow_errors import translate_errors
from lib.doctor import fix_ids
from lib.doctor.artifacts import folder_search
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Rows, Snippet
from lib.errors import ActionRefused, BackendError

DESTINATION_INPUT = "destination"


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The folder of files: where the runs' folders were found, else MLflow's usual one beside the database."""
    folder = folder_search.guess_folder(context.backend, folder_search.sample_locations(context.backend, offer))
    path = folder or _database_path(context).parent / "mlartifacts"
    return (
        FixInput(
            DESTINATION_INPUT, "Folder of the files", str(path), "What the first server was given as --artifacts-destination."
        ),
    )


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """The command, and how many of the old runs' folders lie below the folder."""
    folder, port = _destination_folder(context, offer), local_server.find_free_port()
    sample = folder_search.sample_locations(context.backend, offer)
    count_text = (
        f"{sample.count_below(folder)} of the first {len(sample.locations)}"
        if sample.total > len(sample.locations)
        else f"{sample.count_below(folder)} of {sample.total}"
    )
    old_files_text = (
        f"{count_text} folders of old runs and models lie below {folder}."
        if sample.total
        else "No run is waiting for its old files."
    )
    return FixPreview(
        title="Start a server on this database?",
        changes=(
            f"An MLflow server {installed_mlflow_version()} starts on this machine at http://{local_server.HOST}:{port}, or the next free port.",
            f"It uses the same database, {_database_path(context)}, and keeps files in {folder}, which is made if it is missing.",
            old_files_text,
            "A trial file is written through it, read back and removed. Nothing in the database is changed.",
            "Everybody on this machine can reach it, without a sign-in; nobody from outside can.",
            "It ends with Podium, or when you stop it here.",
        ),
        snippets=(Snippet(_shell_command(local_server.server_command(context.backend, folder, port)), "bash"),),
        undo="Stop the server on this page.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Start the server, wait for it, and prove that it is this database's and keeps files."""
    folder = _destination_folder(context, offer)
    running_server = local_server.find_server(context.backend)
    server = local_server.start(context.backend, folder, context.podium_home, context.clock(), progress)
    try:
        progress("Does it show the same experiments and keep files?")
        rows = _verify_server(context.backend, server.backend, offer)
    except BackendError:
        if running_server is None:
            local_server.stop(server)
        raise
    address = server.backend.uri
    return FixResult(
        f"A server runs at {address} on this database",
        (("Address", address), ("Files", str(folder)), ("Log", str(server.log_file)), *rows),
        f"Use {address} as the tracking address from now on, in Podium and in scripts.",
        server.backend,
    )


def _verify_server(database: Backend, server: Backend, offer: FixOffer) -> Rows:
    """The same experiments by both roads, and a trial file in each of those that could keep none."""
    rows = list[tuple[str, ...]]()
    for experiment_id in filter(None, offer["experiment"].split(",")):
        with translate_errors(f"Experiment {experiment_id}"):
            experiment, served_experiment = (
                client(database).get_experiment(experiment_id),
                client(server).get_experiment(experiment_id),
            )
        if experiment.name != served_experiment.name or experiment.artifact_location != served_experiment.artifact_location:
            raise BackendError(f"The server shows another experiment {experiment_id} than the database does.")
        rows += [("Experiment", str(experiment.name)), *verify_writable(server, served_experiment.artifact_location)]
    return tuple(rows) or verify_writable(server, folder_search.PROXY_PREFIX)


def _database_path(context: FixContext) -> Path:
    if context.backend.path is None:
        raise ActionRefused("A server is in use already.", next="Its own start is up to whoever runs it.")
    return context.backend.path


def _destination_folder(context: FixContext, offer: FixOffer) -> Path:
    return folder_search.parse_folder(offer[DESTINATION_INPUT] or inputs(context, offer)[0].default)


def _shell_command(arguments: list[str]) -> str:
    return " \\\n  ".join([" ".join(arguments[:2]), *(shlex.quote(argument) for argument in arguments[2:])])


FIXES = (
    Fix(
        fix_ids.START_SERVER,
        "Start a server on this database and use it",
        "Old and new runs work. It runs as long as Podium does.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
