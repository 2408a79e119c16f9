"""The first way out: a fresh experiment, with an artifact location that was tested. The old one stays as it is, readable."""

from lib.backends.backend import Backend
from lib.backends.client_snippet import client_snippet
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor import fix_ids
from lib.doctor.artifacts.inventory import describe_machine
from lib.doctor.artifacts.rules import diagnose
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, BadInput
from lib.runs.edit import experiment_changes


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The name of the new experiment, when it is one; several take the names of the old ones with a number."""
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
    """Names the experiments that would be made. Raises BadInput for a name that is taken."""
    new_names = _choose_names(context.backend, offer)
    folder = context.backend.artifact_folder
    location_text = f"in a folder of its own below {folder}" if folder else "where the server keeps files, handed on by it"
    creations = [f"An experiment {name} is made. Its files go {location_text}." for name in new_names.values()]
    return FixPreview(
        title=f"Make {_join_names(list(new_names.values()))}?",
        changes=(
            *creations,
            "A trial file is written there, listed, read back and removed. If that fails, the new experiment is taken away again.",
            f"{_join_names([_read_experiment_name(context.backend, experiment_id) for experiment_id in new_names])} with all runs: nothing of it is changed.",
        ),
        snippets=(Snippet(_snippet_code(context.backend, list(new_names.values()))),),
        undo="Delete the new experiment on the page Compare.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Make the experiments and prove that files can be kept in each."""
    new_names = _choose_names(context.backend, offer)
    if context.backend.artifact_folder:
        progress(f"Can files be kept below {context.backend.artifact_folder}?")
        verify_writable(context.backend, str(context.backend.artifact_folder))
    rows = []
    for name in new_names.values():
        progress(f"Making {name}…")
        experiment_id = experiment_changes.create(context.backend, name)
        rows += [("New experiment", f"{name}, id {experiment_id}"), *_verify_new_experiment(context.backend, experiment_id, name)]
    names = list(new_names.values())
    return FixResult(
        f"{_join_names(names)} is ready, and files can be kept in it", tuple(rows), f"Log to {_join_names(names)} from now on."
    )


def _verify_new_experiment(backend: Backend, experiment_id: str, name: str) -> tuple[tuple[str, ...], ...]:
    """Prove the place of a new experiment; take the experiment away again when that fails."""
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
            f"The backend gave {name} the place {location}, which has the same kind of trouble ({problem}).",
            means="The new experiment was taken away again; its name stays taken.",
            next="Ask whoever runs the server to start it with --serve-artifacts.",
        )


def _choose_names(backend: Backend, offer: FixOffer) -> dict[str, str]:
    """Id of each old experiment → name of the new one."""
    experiment_ids, taken_names = _experiment_ids(offer), _read_experiment_names(backend)
    if len(experiment_ids) == 1:
        name = " ".join(offer["name"].split()) or _free_name(_read_experiment_name(backend, experiment_ids[0]), taken_names)
        if name in taken_names:
            raise BadInput(f"There is an experiment {name} already.", next="Choose another name.")
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
        raise BadInput("No experiment was named.", next="Check again.")
    return experiment_ids


def _free_name(name: str, taken_names: set[str]) -> str:
    stem = name[: experiment_changes.MAX_NAME_LENGTH - 8]
    return next(candidate for number in range(2, 10_000) if (candidate := f"{stem}-{number}") not in taken_names)


def _read_experiment_names(backend: Backend) -> set[str]:
    """All names that are taken, also by deleted experiments."""
    from mlflow.entities import ViewType

    names, token = set[str](), None
    with translate_errors("The list of experiments"):
        while True:
            page = client(backend).search_experiments(ViewType.ALL, 1000, page_token=token)
            names |= {experiment.name for experiment in page}
            if not (token := page.token):
                return names


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
        "Make a new experiment with a place that works, and log there from now on",
        "Keeps the old runs as they are. Takes a second.",
        preview,
        apply,
        inputs,
    ),
)
