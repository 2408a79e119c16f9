"""Removing for good, by `mlflow gc` as MLflow ships it, in a process of its own. What may be removed is judged in `removal`.

A surprise decides the shape of this module: gc takes *everything* that is deleted of each kind it is given no ids for. So each call
names runs, experiments and models; where none of a kind is meant, it names a decoy that was made and deleted for this one call.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.fixes.deletion_impact import DeletionImpact
from lib.errors import BackendError, NotFound

TIMEOUT_SECONDS = 3600
MAX_IDS_PER_CALL = 500
"""Ids in one call: an argument of a program has its limits."""
DECOY_PREFIX = "podium-removal-"
_NOT_FOR_A_CHILD = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_ARTIFACTS_DESTINATION")


@dataclass(frozen=True)
class Decoy:
    """An experiment, a run and a model that exist to be removed."""

    experiment_id: str
    run_id: str
    model_id: str


def gc_command(uri: str, run_ids: Sequence[str], experiment_ids: Sequence[str], model_ids: Sequence[str]) -> list[str]:
    """The words of the call, to be shown and to be run after `python -m`."""
    ids = (("--run-ids", run_ids), ("--experiment-ids", experiment_ids), ("--logged-model-ids", model_ids))
    named = [word for option, given in ids for word in (option, ",".join(given))]
    return ["mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri, *named]


def delete_permanently(backend: Backend, impact: DeletionImpact) -> tuple[str, ...]:
    """Remove for good what a loss names, and nothing else. Gives the ids of runs that are gone.

    Raises BackendError when MLflow stopped half-way, and says what is gone and what is left.
    """
    for run_id in impact.active_run_ids:
        with translate_errors(f"Run {run_id}"):
            client(backend).delete_run(run_id)
    for one in impact.models:
        with translate_errors(f"Model {one.name}"):
            client(backend).delete_logged_model(one.id)
    said = ""
    for runs, models, experiments in _portions(impact):
        decoy = _decoy(backend)
        call = gc_command(backend.uri, runs or [decoy.run_id], [*experiments, decoy.experiment_id], models or [decoy.model_id])
        if said := _run(call):
            break
    left = [one.name for one in impact.runs if _is_there(backend, one.id)]
    if said or left:
        raise BackendError(
            f"MLflow stopped: {said or 'it did not say why'}",
            means=f"{len(impact.runs) - len(left)} of {len(impact.runs)} runs are gone for good, and what is gone does not come back.",
            next="Mend what it names, then look again: what is left can still be restored or removed.",
        )
    return tuple(one.id for one in impact.runs)


def _portions(loss: DeletionImpact) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Runs and models in portions; the experiment with the last one."""
    runs, models = [one.id for one in loss.runs], [one.id for one in loss.models]
    steps = max(1, -(-len(runs) // MAX_IDS_PER_CALL), -(-len(models) // MAX_IDS_PER_CALL))
    for step in range(steps):
        here = slice(step * MAX_IDS_PER_CALL, (step + 1) * MAX_IDS_PER_CALL)
        last = [loss.experiment_id] if loss.experiment_id and step == steps - 1 else []
        yield runs[here], models[here], last


def _decoy(backend: Backend) -> Decoy:
    """Make what gc may take instead of everything. Its folder is never made."""
    there, name = client(backend), f"{DECOY_PREFIX}{str(ULID()).lower()}"
    with translate_errors("Preparing the removal"):
        experiment = str(there.create_experiment(name, artifact_location=f"{backend.artifact_folder}/{name}"))
        run = there.create_run(experiment).info.run_id
        model = there.create_logged_model(experiment, name="decoy").model_id
        there.delete_logged_model(model)
        there.delete_run(run)
        there.delete_experiment(experiment)
    return Decoy(experiment, run, model)


def _run(call: list[str]) -> str:
    """Run MLflow. An empty text when it went well, else its last line."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_A_CHILD}
    try:
        with tempfile.TemporaryDirectory(prefix="podium-gc-") as folder:
            done = subprocess.run(  # noqa: S603 - MLflow's own command with ids that were read from the store
                [sys.executable, "-m", *call],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:200]
    if done.returncode == 0:
        return ""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return (lines or [f"exit code {done.returncode}"])[-1][:300]


def _is_there(backend: Backend, run_id: str) -> bool:
    try:
        with translate_errors():
            client(backend).get_run(run_id)
    except NotFound:
        return False
    return True
