"""Removes items for good with MLflow's own `mlflow gc` in a separate process. `deletion_impact` decides what may be removed.

For each kind without ids, gc removes *everything* deleted of that kind. So each call names runs, experiments and models; if a kind
is not to be removed, the call names a decoy that was created and deleted for this purpose.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.checks.deleted_items import DECOY_PREFIX
from lib.doctor.fixes.deletion_impact import DeletionImpact
from lib.errors import BackendError, NotFound, PodiumError

TIMEOUT_SECONDS = 3600
MAX_IDS_PER_CALL = 500
"""Maximum number of ids per call, given the length limit of program arguments."""
_UNINHERITED_VARIABLES = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_ARTIFACTS_DESTINATION")


@dataclass(frozen=True)
class _Decoy:
    """An experiment, a run and a model created only to be removed."""

    experiment_id: str
    run_id: str
    model_id: str


def gc_command(uri: str, run_ids: Sequence[str], experiment_ids: Sequence[str], model_ids: Sequence[str]) -> list[str]:
    """Return the command's arguments, to run after `python -m`."""
    ids = (("--run-ids", run_ids), ("--experiment-ids", experiment_ids), ("--logged-model-ids", model_ids))
    arguments = [argument for option, values in ids for argument in (option, ",".join(values))]
    return ["mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri, *arguments]


def removal_snippet(backend: Backend, impact: DeletionImpact) -> str:
    """Return a script that removes the items of a DeletionImpact as `delete_permanently` does, in one call of gc."""
    soft_deletions = [f"client.delete_run({run_id!r})" for run_id in impact.active_run_ids]
    soft_deletions += [f"client.delete_logged_model({model.id!r})" for model in impact.models]
    ids = {
        "--run-ids": [*(run.id for run in impact.runs), "{run}"],
        "--experiment-ids": [*filter(None, [impact.experiment_id]), "{experiment}"],
        "--logged-model-ids": [*(model.id for model in impact.models), "{model}"],
    }
    uri = backend.uri
    calls = [
        *soft_deletions,
        "# gc removes everything deleted of a kind for which it gets no ids, so each kind gets at least the id of a decoy",
        f"name = {DECOY_PREFIX!r} + uuid4().hex",
        f"experiment = client.create_experiment(name, artifact_location={str(backend.artifact_folder)!r} + '/' + name)",
        "run = client.create_run(experiment).info.run_id",
        "model = client.create_logged_model(experiment, name='decoy').model_id",
        "client.delete_logged_model(model)",
        "client.delete_run(run)",
        "client.delete_experiment(experiment)",
        f"command = [sys.executable, '-m', 'mlflow', 'gc', '--backend-store-uri', {uri!r}, '--tracking-uri', {uri!r}]",
        *(f"command += [{option!r}, f{','.join(values)!r}]" for option, values in ids.items()),
        "subprocess.run(command, check=True)",
    ]
    return client_snippet(backend.address, calls, imports=["import subprocess", "import sys", "from uuid import uuid4", ""])


def delete_permanently(backend: Backend, impact: DeletionImpact) -> tuple[str, ...]:
    """Remove the items of a DeletionImpact for good, and nothing else. Returns the ids of the removed runs.

    Raises BackendError if MLflow stopped partway, stating how much was removed.
    """
    for run_id in impact.active_run_ids:
        with translate_errors(f"Run {run_id}"):
            client(backend).delete_run(run_id)
    for model in impact.models:
        with translate_errors(f"Model {model.name}"):
            client(backend).delete_logged_model(model.id)
    _remove_decoys(backend, _find_abandoned_decoys(backend))
    failure = ""
    for runs, models, experiments in _batches(impact):
        decoy = _make_decoy(backend)
        command = gc_command(backend.uri, runs or [decoy.run_id], [*experiments, decoy.experiment_id], models or [decoy.model_id])
        if failure := _run_gc(command):
            _remove_decoys(backend, [decoy.experiment_id])
            break
    remaining_runs = [run.name for run in impact.runs if _run_exists(backend, run.id)]
    if failure or remaining_runs:
        raise BackendError(
            f"MLflow stopped: {failure or 'no reason given'}",
            means=f"{len(impact.runs) - len(remaining_runs)} of {len(impact.runs)} runs were removed for good and cannot be recovered.",
            next="Fix the reported problem and remove the rest. A run that is restored instead may lack its files and models.",
        )
    return tuple(run.id for run in impact.runs)


def _batches(impact: DeletionImpact) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Yield first the models in batches, then the runs, then the experiment with the last runs.

    A model is found by its run: after an interruption, the runs that remain lead to everything that still has to be removed.
    """
    runs, models = [run.id for run in impact.runs], [model.id for model in impact.models]
    for start in range(0, len(models), MAX_IDS_PER_CALL):
        yield [], models[start : start + MAX_IDS_PER_CALL], []
    for start in range(0, max(1, len(runs)), MAX_IDS_PER_CALL):
        is_last = start + MAX_IDS_PER_CALL >= len(runs)
        experiment_ids = [impact.experiment_id] if impact.experiment_id and is_last else []
        if runs or experiment_ids:
            yield runs[start : start + MAX_IDS_PER_CALL], [], experiment_ids


def _find_abandoned_decoys(backend: Backend) -> list[str]:
    """Return decoy experiments of aborted removals: too old to belong to one still running."""
    from mlflow.entities import ViewType

    oldest_live = ULID.from_timestamp(ULID().timestamp - 2 * TIMEOUT_SECONDS)
    with translate_errors("The list of experiments"):
        experiments = client(backend).search_experiments(ViewType.ALL, filter_string=f"name LIKE '{DECOY_PREFIX}%'")
    return [
        experiment.experiment_id
        for experiment in experiments
        if experiment.name.removeprefix(DECOY_PREFIX).upper() < str(oldest_live)
    ]


def _remove_decoys(backend: Backend, experiment_ids: Sequence[str]) -> None:
    """Remove decoys left by earlier calls with gc. Any that remain are removed with a later removal."""
    if not experiment_ids:
        return
    for experiment_id in experiment_ids:
        with suppress(PodiumError), translate_errors():
            client(backend).delete_experiment(experiment_id)  # already deleted unless its creation was interrupted
    decoy = _make_decoy(backend)
    _run_gc(gc_command(backend.uri, [decoy.run_id], [*experiment_ids, decoy.experiment_id], [decoy.model_id]))


def _make_decoy(backend: Backend) -> _Decoy:
    """Create the decoy that gc removes instead of everything. Its folder is never created."""
    mlflow_client, name = client(backend), f"{DECOY_PREFIX}{str(ULID()).lower()}"
    with translate_errors("Preparing the removal"):
        experiment_id = str(mlflow_client.create_experiment(name, artifact_location=f"{backend.artifact_folder}/{name}"))
        try:
            run_id = mlflow_client.create_run(experiment_id).info.run_id
            model_id = mlflow_client.create_logged_model(experiment_id, name="decoy").model_id
            mlflow_client.delete_logged_model(model_id)
            mlflow_client.delete_run(run_id)
        finally:
            mlflow_client.delete_experiment(experiment_id)  # hide it even if its creation failed
    return _Decoy(experiment_id, run_id, model_id)


def _run_gc(command: list[str]) -> str:
    """Run MLflow. Returns an empty string on success, else the last line of its output."""
    environment = {name: value for name, value in os.environ.items() if name not in _UNINHERITED_VARIABLES}
    try:
        with tempfile.TemporaryDirectory(prefix="podium-gc-") as folder:
            result = subprocess.run(  # noqa: S603 - MLflow's own command with ids read from the store
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:200]
    if result.returncode == 0:
        return ""
    if result.returncode < 0:
        return f"it was ended by {signal.Signals(-result.returncode).name} before it had finished"
    lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    return (lines or [f"exit code {result.returncode}"])[-1][:300]


def _run_exists(backend: Backend, run_id: str) -> bool:
    try:
        with translate_errors():
            client(backend).get_run(run_id)
    except NotFound:
        return False
    return True
