"""Create, rename, delete and restore experiments. Podium's own experiments are never listed or changed here.

Deleting is soft: MLflow hides the experiment with its runs, its name stays taken, and `restore` brings both back. A higher layer knows
which runs are the source of a version that holds a stage or alias, so the caller passes them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import IntegrityError
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_error, translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS, read_run, read_runs
from lib.runs.table.types import Experiment, Search

PODIUM_TAG = "podium.index"
"""Tag on Podium's own experiments, present even after a rename."""
DEFAULT_EXPERIMENT_ID = "0"
MAX_NAME_LENGTH = 250
MAX_COUNTED_RUNS = 1_000
"""Maximum runs counted on a server: counting requires fetching them."""
PAGE_SIZE = 1000
_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class ExperimentContents:
    """What a deletion of an experiment includes: the number of active runs (a minimum unless `is_exact`) and the held versions.

    `held_versions` are texts such as "forest v3 in Production", for versions whose source run is in the experiment.
    """

    run_count: int
    is_exact: bool
    held_versions: tuple[str, ...]


def read_deleted_experiments(backend: Backend) -> tuple[Experiment, ...]:
    """Return the deleted experiments, sorted by name."""
    with translate_errors("The list of deleted experiments"):
        entities = read_pages(
            lambda token: client(backend).search_experiments(ViewType.DELETED_ONLY, PAGE_SIZE, page_token=token)
        )
    experiments = [
        Experiment(str(entity.experiment_id), entity.name, lifecycle="deleted")
        for entity in entities
        if not _is_podium_experiment(entity)
    ]
    return tuple(sorted(experiments, key=lambda experiment: experiment.name.casefold()))


def create(backend: Backend, name: str) -> str:
    """Create an experiment and return its id. For a local file its artifacts are next to the database, wherever the app was started.

    Raises BadInput if the name is empty, too long, reserved, or taken, even by a deleted experiment.
    """
    free_name = _check_name(backend, name)
    location = str(backend.artifact_folder / str(ULID()).lower()) if backend.artifact_folder else None
    try:
        return str(client(backend).create_experiment(free_name, artifact_location=location))
    except MlflowException as error:
        raise _name_error(error, free_name) from error


def rename(backend: Backend, experiment_id: str, name: str) -> None:
    """Rename an experiment; its runs and id stay. Raises BadInput as `create` does."""
    experiment = _read_editable(backend, experiment_id)
    if _tidy_name(name) == experiment.name:
        return
    free_name = _check_name(backend, name)
    try:
        client(backend).rename_experiment(experiment_id, free_name)
    except MlflowException as error:
        raise _name_error(error, free_name) from error


def read_experiment_contents(backend: Backend, experiment_id: str, held_versions: Mapping[str, str]) -> ExperimentContents:
    """Return what a deletion would include. `held_versions` maps each held version's source run to its display text. Writes nothing."""
    _read_editable(backend, experiment_id)
    runs = read_runs(backend, Search((experiment_id,), limit=MAX_COUNTED_RUNS))
    is_exact = runs.total is not None
    return ExperimentContents(
        runs.total if runs.total is not None else len(runs), is_exact, _held_versions_in(backend, experiment_id, held_versions)
    )


def delete(
    backend: Backend, experiment_id: str, held_versions: Mapping[str, str], confirmed_versions: Collection[str] = ()
) -> None:
    """Soft-delete an experiment with its runs.

    Raises ActionRefused if one of its runs is the source of a held version not in `confirmed_versions`. Models stored with the experiment
    can still be loaded until `mlflow gc` is run.
    """
    experiment = _read_editable(backend, experiment_id)
    if experiment_id == DEFAULT_EXPERIMENT_ID:
        raise ActionRefused(f"{experiment.name} receives the runs that name no experiment.", next="Delete its runs instead.")
    if unconfirmed := [
        text for text in _held_versions_in(backend, experiment_id, held_versions) if text not in confirmed_versions
    ]:
        raise ActionRefused(
            f"Runs of {experiment.name} are the source of {_join_texts(unconfirmed)}.",
            next="Archive these versions first, or confirm that you want to delete it anyway.",
        )
    with translate_errors(f"Experiment {experiment.name}"):
        client(backend).delete_experiment(experiment_id)


def restore(backend: Backend, experiment_id: str) -> None:
    """Restore a deleted experiment with all its runs, including those deleted individually before."""
    experiment = _read_editable(backend, experiment_id)
    if experiment.lifecycle_stage != "deleted":
        raise ActionRefused(f"{experiment.name} is not deleted.", next="It may have been restored since. Reload the page.")
    with translate_errors(f"Experiment {experiment.name}"):
        client(backend).restore_experiment(experiment_id)


def _held_versions_in(backend: Backend, experiment_id: str, held_versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(text for run_id, text in held_versions.items() if _read_experiment_id(backend, run_id) == experiment_id))


def _read_experiment_id(backend: Backend, run_id: str) -> str:
    try:
        return read_run(backend, run_id).experiment_id
    except NotFound:
        return ""


def _read_editable(backend: Backend, experiment_id: str) -> MlflowExperiment:
    with translate_errors(f"Experiment {experiment_id}"):
        experiment = client(backend).get_experiment(experiment_id)
    if _is_podium_experiment(experiment):
        raise ActionRefused(
            "Podium stores its record in this experiment.",
            next="Leave it unchanged: without it the history of decisions is lost.",
        )
    return experiment


def _is_podium_experiment(experiment: MlflowExperiment) -> bool:
    return experiment.name in HIDDEN_EXPERIMENTS or PODIUM_TAG in (experiment.tags or {})


def _check_name(backend: Backend, name: str) -> str:
    """Return the normalised name if it may be used."""
    tidy_name = _tidy_name(name)
    if not tidy_name:
        raise BadInput("An experiment needs a name.", next="Enter what it is about, such as: card-fraud.")
    if len(tidy_name) > MAX_NAME_LENGTH:
        raise BadInput(f"This name has {len(tidy_name)} characters; the limit is {MAX_NAME_LENGTH}.", next="Shorten it.")
    if tidy_name.casefold().startswith(LEDGER_EXPERIMENT):
        raise BadInput(
            f"Names that start with {LEDGER_EXPERIMENT} are reserved for Podium's record.", next="Choose another name."
        )
    with translate_errors(f"Experiment {tidy_name}"):
        existing = client(backend).get_experiment_by_name(tidy_name)
    if existing is not None:
        raise _taken_error(tidy_name, existing.lifecycle_stage)
    return tidy_name


def _tidy_name(name: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in name).split())


def _name_error(error: MlflowException, name: str) -> Exception:
    if error.error_code == _ALREADY_EXISTS or isinstance(error.__cause__, IntegrityError):
        return _taken_error(name, "active")
    return translate_error(error, f"Experiment {name}")


def _taken_error(name: str, lifecycle: str) -> BadInput:
    if lifecycle == "deleted":
        return BadInput(
            f"A deleted experiment is called {name}, so the name is still taken.", next="Restore it, or choose another name."
        )
    return BadInput(f"An experiment called {name} already exists.", next="Choose another name.")


def _join_texts(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
