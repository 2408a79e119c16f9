"""Second option: an MLflow server on the same database, with the artifact folder its experiments were created for."""

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
from lib.errors import ActionRefused, BackendError, PodiumError

DESTINATION_INPUT = "destination"


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """Ask for the artifact folder, by default where the run folders were found, else MLflow's default next to the database."""
    folder = folder_search.guess_folder(context.backend, folder_search.sample_locations(context.backend, offer))
    path = folder or _database_path(context).parent / "mlartifacts"
    return (FixInput(DESTINATION_INPUT, "Artifact folder", str(path), "The --artifacts-destination of the original server."),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return the command and how many old run folders are below the artifact folder."""
    folder, port = _destination_folder(context, offer), local_server.find_free_port()
    sample = folder_search.sample_locations(context.backend, offer)
    count_text = (
        f"{sample.count_below(folder)} of the first {len(sample.locations)}"
        if sample.total > len(sample.locations)
        else f"{sample.count_below(folder)} of {sample.total}"
    )
    old_files_text = (
        f"{count_text} old run and model folders are below {folder}." if sample.total else "No run has old files there."
    )
    return FixPreview(
        title="Start a server on this database?",
        changes=(
            f"An MLflow server {installed_mlflow_version()} starts on this machine at http://{local_server.HOST}:{port}, or the next free port.",
            f"It uses the same database, {_database_path(context)}, and stores files in {folder}, which is created if missing.",
            old_files_text,
            "A test file is written through it, read back and deleted. The database is not changed.",
            "All users of this machine can access it without signing in; it is not reachable from outside.",
            "It stops when Podium stops, or when you stop it here.",
        ),
        snippets=(Snippet(_shell_command(local_server.server_command(context.backend, folder, port)), "bash"),),
        undo="Stop the server on this page.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Start the server, wait for it, and verify that it serves this database and stores files."""
    folder = _destination_folder(context, offer)
    running_server = local_server.find_server(context.backend)
    server = local_server.start(context.backend, folder, context.podium_home, context.clock(), progress)
    try:
        progress("Verifying that it shows the same experiments and stores files…")
        rows = _verify_server(context.backend, server.backend, offer)
    except PodiumError:
        if running_server is None:
            local_server.stop(server)
        raise
    address = server.backend.uri
    return FixResult(
        f"A server is running at {address} on this database",
        (("Address", address), ("Files", str(folder)), ("Log", str(server.log_file)), *rows),
        f"Use {address} as the tracking address from now on, in Podium and in scripts.",
        server.backend,
    )


def _verify_server(database: Backend, server: Backend, offer: FixOffer) -> Rows:
    """Verify that database and server show the same experiments, and write a test file to each affected one."""
    rows = list[tuple[str, ...]]()
    for experiment_id in filter(None, offer["experiment"].split(",")):
        with translate_errors(f"Experiment {experiment_id}"):
            experiment, served_experiment = (
                client(database).get_experiment(experiment_id),
                client(server).get_experiment(experiment_id),
            )
        if experiment.name != served_experiment.name or experiment.artifact_location != served_experiment.artifact_location:
            raise BackendError(f"Experiment {experiment_id} differs between the server and the database.")
        rows += [("Experiment", str(experiment.name)), *verify_writable(server, served_experiment.artifact_location)]
    return tuple(rows) or verify_writable(server, folder_search.PROXY_PREFIX)


def _database_path(context: FixContext) -> Path:
    if context.backend.path is None:
        raise ActionRefused(
            "The backend already is a server.", next="Ask its administrator to restart it with the required options."
        )
    return context.backend.path


def _destination_folder(context: FixContext, offer: FixOffer) -> Path:
    return folder_search.parse_folder(offer[DESTINATION_INPUT] or inputs(context, offer)[0].default)


def _shell_command(arguments: list[str]) -> str:
    return " \\\n  ".join([" ".join(arguments[:2]), *(shlex.quote(argument) for argument in arguments[2:])])


FIXES = (
    Fix(
        fix_ids.START_SERVER,
        "Start a server on this database and use it",
        "Works for old and new runs. Stops when Podium stops.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
