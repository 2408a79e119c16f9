"""First option: a new experiment with a tested artifact location. The old one stays unchanged and readable."""

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
from lib.doctor import fix_ids
from lib.doctor.artifacts.inventory import describe_machine
from lib.doctor.artifacts.rules import diagnose
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.completed_steps import report_completed_steps
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, BadInput
from lib.runs.edit import experiment_changes


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """Ask for the name of a single new experiment; several are named after the old ones with a number."""
    (first_id, *other_ids) = _experiment_ids(offer)
    if other_ids:
        return ()
    return (
        FixInput(
            "name",
            "Name of the new experiment",
            _free_name(_read_experiment_name(context.backend, first_id), _read_experiment_names(context.backend)),
        ),
    )


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return the experiments that would be created. Raises BadInput if a name is taken."""
    new_names = _choose_names(context.backend, offer)
    folder = context.backend.artifact_folder
    location_text = f"in a separate folder below {folder}" if folder else "to the server's artifact store, through the server"
    creations = [f"Experiment {name} is created. Its files go {location_text}." for name in new_names.values()]
    return FixPreview(
        title=f"Create {_join_names(list(new_names.values()))}?",
        changes=(
            *creations,
            "A test file is written there, listed, read back and deleted. If that fails, the new experiment is deleted again.",
            f"{_join_names([_read_experiment_name(context.backend, experiment_id) for experiment_id in new_names])} and all runs stay unchanged.",
        ),
        snippets=(Snippet(_snippet_code(context.backend, list(new_names.values()))),),
        undo="Delete the new experiment on the Compare page.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Create the experiments and verify that files can be stored in each."""
    new_names = _choose_names(context.backend, offer)
    if context.backend.artifact_folder:
        progress(f"Testing whether files can be stored below {context.backend.artifact_folder}…")
        verify_writable(context.backend, str(context.backend.artifact_folder))
    rows, created_names = list[tuple[str, ...]](), list[str]()
    with report_completed_steps("Created", created_names):
        for name in new_names.values():
            progress(f"Creating {name}…")
            experiment_id = experiment_changes.create(context.backend, name)
            test_rows = _verify_new_experiment(context.backend, experiment_id, name)
            rows += [("New experiment", f"{name}, id {experiment_id}"), *test_rows]
            created_names.append(name)
    names = list(new_names.values())
    return FixResult(
        f"{_join_names(names)} is ready, and files can be stored in it", tuple(rows), f"Log to {_join_names(names)} from now on."
    )


def _verify_new_experiment(backend: Backend, experiment_id: str, name: str) -> tuple[tuple[str, ...], ...]:
    """Verify the location of a new experiment; delete the experiment again if that fails."""
    with translate_errors(f"Experiment {name}"):
        location = client(backend).get_experiment(experiment_id).artifact_location
    try:
        _require_usable_location(backend, name, location)
        return verify_writable(backend, location)
    except (BackendError, ActionRefused):
        experiment_changes.delete(backend, experiment_id, {})
        raise


def _require_usable_location(backend: Backend, name: str, location: str) -> None:
    if problem := diagnose(location, backend, describe_machine(backend)):
        raise ActionRefused(
            f"The backend assigned {name} the location {location}, which has the same problem ({problem}).",
            means="The new experiment was deleted again. Its name stays taken.",
            next="Ask the server's administrator to start it with --serve-artifacts.",
        )


def _choose_names(backend: Backend, offer: FixOffer) -> dict[str, str]:
    """Return the new experiment's name for each old experiment id."""
    experiment_ids, taken_names = _experiment_ids(offer), _read_experiment_names(backend)
    if len(experiment_ids) == 1:
        name = " ".join(offer["name"].split()) or _free_name(_read_experiment_name(backend, experiment_ids[0]), taken_names)
        if name in taken_names:
            raise BadInput(f"Experiment {name} already exists.", next="Choose another name.")
        return {experiment_ids[0]: name}
    new_names: dict[str, str] = {}
    for experiment_id in experiment_ids:
        new_names[experiment_id] = _free_name(
            _read_experiment_name(backend, experiment_id), taken_names | set(new_names.values())
        )
    return new_names


def _experiment_ids(offer: FixOffer) -> list[str]:
    experiment_ids = [id_ for id_ in offer["experiment"].split(",") if id_]
    if not experiment_ids:
        raise BadInput("No experiment was specified.", next="Check again.")
    return experiment_ids


def _free_name(name: str, taken_names: set[str]) -> str:
    stem = name[: experiment_changes.MAX_NAME_LENGTH - 8]
    return next(candidate for number in range(2, 10_000) if (candidate := f"{stem}-{number}") not in taken_names)


def _read_experiment_names(backend: Backend) -> set[str]:
    """Return all experiment names in use, including those of deleted experiments."""
    from mlflow.entities import ViewType

    with translate_errors("The list of experiments"):
        experiments = read_pages(lambda token: client(backend).search_experiments(ViewType.ALL, 1000, page_token=token))
    return {experiment.name for experiment in experiments}


def _read_experiment_name(backend: Backend, experiment_id: str) -> str:
    with translate_errors(f"Experiment {experiment_id}"):
        return str(client(backend).get_experiment(experiment_id).name)


def _join_names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _snippet_code(backend: Backend, names: list[str]) -> str:
    location_argument = (
        f", artifact_location={str(backend.artifact_folder / 'a-folder-of-its-own')!r}" if backend.artifact_folder else ""
    )
    return client_snippet(backend.address, [f"client.create_experiment({name!r}{location_argument})" for name in names])


FIXES = (
    Fix(
        fix_ids.NEW_EXPERIMENT,
        "Create a new experiment with a working location and log there from now on",
        "Leaves the old runs unchanged. Takes a second.",
        preview,
        apply,
        inputs,
    ),
)
