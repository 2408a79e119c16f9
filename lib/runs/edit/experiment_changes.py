"""Experiments made, renamed, deleted and brought back. Podium's own ones are never listed here nor touched.

Deleting is soft: MLflow hides the experiment with its runs, its name stays taken, and `restore` brings both back. Which runs are the
source of a version that somebody holds is known a floor above, so the caller says it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import to_podium_error, translate_errors
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS, read_run, read_runs
from lib.runs.table.types import Experiment, Search

RESERVED_PREFIX = "podium-ledger"
PODIUM_TAG = "podium.index"
"""Stands on Podium's own experiments, also when somebody renamed them."""
DEFAULT_EXPERIMENT_ID = "0"
MAX_NAME_LENGTH = 250
MAX_COUNTED_RUNS = 1_000
"""Runs up to which a server is asked for their number: it can only be told by fetching them."""
PAGE_SIZE = 1000
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class ExperimentContents:
    """What goes along when an experiment is deleted: how many active runs (more than that when not `exact`), and the held versions.

    `held` are texts such as "forest v3 in Production", for versions whose source run lies in the experiment.
    """

    run_count: int
    is_exact: bool
    held_versions: tuple[str, ...]


def read_deleted_experiments(backend: Backend) -> tuple[Experiment, ...]:
    """The deleted experiments, by name."""
    with translate_errors("The list of deleted experiments"):
        found, token = list[MlflowExperiment](), None
        while True:
            page = client(backend).search_experiments(ViewType.DELETED_ONLY, PAGE_SIZE, page_token=token)
            found += page
            if not (token := page.token):
                break
    gone = [Experiment(str(one.experiment_id), one.name, lifecycle="deleted") for one in found if not _is_own(one)]
    return tuple(sorted(gone, key=lambda one: one.name.casefold()))


def create(backend: Backend, name: str) -> str:
    """Make an experiment and return its id. On a local file its artifacts lie beside the database, wherever the app was started.

    Raises BadInput for a name that is empty, too long, reserved, or taken, also by a deleted experiment.
    """
    fitting = _free(backend, name)
    place = str(backend.artifact_folder / str(ULID()).lower()) if backend.artifact_folder else None
    try:
        return str(client(backend).create_experiment(fitting, artifact_location=place))
    except MlflowException as error:
        raise _refusal(error, fitting) from error


def rename(backend: Backend, experiment_id: str, name: str) -> None:
    """Give an experiment another name; its runs and its id stay. Raises BadInput as `create` does."""
    found = _ours(backend, experiment_id)
    if _tidy(name) == found.name:
        return
    fitting = _free(backend, name)
    try:
        client(backend).rename_experiment(experiment_id, fitting)
    except MlflowException as error:
        raise _refusal(error, fitting) from error


def read_experiment_contents(backend: Backend, experiment_id: str, held_versions: Mapping[str, str]) -> ExperimentContents:
    """What a deletion would take along. `held` maps the source run of each held version to what people call it. Writes nothing."""
    _ours(backend, experiment_id)
    found = read_runs(backend, Search((experiment_id,), limit=MAX_COUNTED_RUNS))
    exact = found.total is not None
    return ExperimentContents(
        found.total if found.total is not None else len(found), exact, _held_in(backend, experiment_id, held_versions)
    )


def delete(
    backend: Backend, experiment_id: str, held_versions: Mapping[str, str], confirmed_versions: Collection[str] = ()
) -> None:
    """Delete an experiment with its runs, softly.

    Raises Refused when one of its runs is the source of a held version that the person has not `insisted` on. Models that lie with
    the experiment can still be loaded, until somebody runs `mlflow gc`.
    """
    found = _ours(backend, experiment_id)
    if experiment_id == DEFAULT_EXPERIMENT_ID:
        raise ActionRefused(f"{found.name} takes the runs that name no experiment.", next="Delete its runs instead.")
    if open_ := [text for text in _held_in(backend, experiment_id, held_versions) if text not in confirmed_versions]:
        raise ActionRefused(
            f"Runs of {found.name} are the source of {_listed(open_)}.",
            next="Archive what is held first, or say that you want it all the same.",
        )
    with translate_errors(f"Experiment {found.name}"):
        client(backend).delete_experiment(experiment_id)


def restore(backend: Backend, experiment_id: str) -> None:
    """Bring a deleted experiment back with all its runs, also those that were deleted one by one before."""
    found = _ours(backend, experiment_id)
    if found.lifecycle_stage != "deleted":
        raise ActionRefused(f"{found.name} is not deleted.", next="Look again: somebody was quicker.")
    with translate_errors(f"Experiment {found.name}"):
        client(backend).restore_experiment(experiment_id)


def _held_in(backend: Backend, experiment: str, held: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(text for run_id, text in held.items() if _home(backend, run_id) == experiment))


def _home(backend: Backend, run_id: str) -> str:
    try:
        return read_run(backend, run_id).experiment_id
    except NotFound:
        return ""


def _ours(backend: Backend, experiment: str) -> MlflowExperiment:
    with translate_errors(f"Experiment {experiment}"):
        found = client(backend).get_experiment(experiment)
    if _is_own(found):
        raise ActionRefused(
            "Podium keeps its record in this experiment.", next="Leave it alone: without it nobody can say who decided what."
        )
    return found


def _is_own(found: MlflowExperiment) -> bool:
    return found.name in HIDDEN_EXPERIMENTS or PODIUM_TAG in (found.tags or {})


def _free(backend: Backend, name: str) -> str:
    """The tidy name, when it may be used."""
    fitting = _tidy(name)
    if not fitting:
        raise BadInput("An experiment needs a name.", next="Type what is tried in it, such as: card-fraud.")
    if len(fitting) > MAX_NAME_LENGTH:
        raise BadInput(f"This name has {len(fitting)} characters, and {MAX_NAME_LENGTH} fit.", next="Shorten it.")
    if fitting.casefold().startswith(RESERVED_PREFIX):
        raise BadInput(f"Names that begin with {RESERVED_PREFIX} are kept for Podium's record.", next="Choose another name.")
    with translate_errors(f"Experiment {fitting}"):
        other = client(backend).get_experiment_by_name(fitting)
    if other is not None:
        raise _taken(fitting, other.lifecycle_stage)
    return fitting


def _tidy(name: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())


def _refusal(error: MlflowException, name: str) -> Exception:
    if error.error_code == _EXISTS or "UNIQUE constraint" in str(error):
        return _taken(name, "active")
    return to_podium_error(str(error.error_code), str(error), f"Experiment {name}")


def _taken(name: str, lifecycle: str) -> BadInput:
    if lifecycle == "deleted":
        return BadInput(
            f"A deleted experiment is called {name}, and its name stays taken.", next="Restore it, or choose another name."
        )
    return BadInput(f"There is an experiment called {name} already.", next="Choose another name.")


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
