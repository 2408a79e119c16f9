"""The first way out: a fresh experiment, with a place for its files that was tried out. The old one stays as it is, readable."""

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.artifacts.inventory import describe_machine
from lib.doctor.artifacts.problem_texts import NEW_EXPERIMENT_FIX_ID
from lib.doctor.artifacts.rules import diagnose
from lib.doctor.artifacts.write_test import verify_writable
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, BadInput
from lib.runs.edit import experiment_changes

MAX_NAME_LENGTH = 250


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The name of the new experiment, when it is one; several take the names of the old ones with a number."""
    (first, *more) = _asked(offer)
    if more:
        return ()
    return (FixInput("name", "Name of the new experiment", _free(_name(context.backend, first), _names(context.backend))),)


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Names the experiments that would be made. Raises BadInput for a name that is taken."""
    wanted = _wanted(context.backend, offer)
    folder = context.backend.artifact_folder
    where = f"in a folder of its own below {folder}" if folder else "where the server keeps files, handed on by it"
    made = [f"An experiment {new} is made. Its files go {where}." for new in wanted.values()]
    return FixPreview(
        title=f"Make {_listed(list(wanted.values()))}?",
        changes=(
            *made,
            "A trial file is written there, listed, read back and removed. If that fails, the new experiment is taken away again.",
            f"{_listed([_name(context.backend, old) for old in wanted])} with all runs: nothing of it is changed.",
        ),
        snippets=(Snippet(_code(context.backend, list(wanted.values()))),),
        undo="Delete the new experiment on the page Compare.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Make the experiments and prove that files can be kept in each."""
    wanted = _wanted(context.backend, offer)
    if context.backend.artifact_folder:
        progress(f"Can files be kept below {context.backend.artifact_folder}?")
        verify_writable(context.backend, str(context.backend.artifact_folder))
    rows = []
    for new in wanted.values():
        progress(f"Making {new}…")
        id_ = experiment_changes.create(context.backend, new)
        rows += [("New experiment", f"{new}, id {id_}"), *_proved(context.backend, id_, new)]
    names = list(wanted.values())
    return FixResult(
        f"{_listed(names)} is ready, and files can be kept in it", tuple(rows), f"Log to {_listed(names)} from now on."
    )


def _proved(backend: Backend, experiment: str, name: str) -> tuple[tuple[str, ...], ...]:
    """Prove the place of a new experiment; take the experiment away again when that fails."""
    with translate_errors(f"Experiment {name}"):
        place = client(backend).get_experiment(experiment).artifact_location
    try:
        _must_fit(backend, name, place)
        return verify_writable(backend, place)
    except (BackendError, ActionRefused):
        experiment_changes.delete(backend, experiment, {})
        raise


def _must_fit(backend: Backend, name: str, place: str) -> None:
    if trouble := diagnose(place, backend, describe_machine(backend)):
        raise ActionRefused(
            f"The backend gave {name} the place {place}, which has the same kind of trouble ({trouble}).",
            means="The new experiment was taken away again; its name stays taken.",
            next="Ask whoever runs the server to start it with --serve-artifacts.",
        )


def _wanted(backend: Backend, call: FixOffer) -> dict[str, str]:
    """Id of each old experiment → name of the new one."""
    old, taken = _asked(call), _names(backend)
    if len(old) == 1:
        name = " ".join(call["name"].split()) or _free(_name(backend, old[0]), taken)
        if name in taken:
            raise BadInput(f"There is an experiment {name} already.", next="Choose another name.")
        return {old[0]: name}
    wanted: dict[str, str] = {}
    for id_ in old:
        wanted[id_] = _free(_name(backend, id_), taken | set(wanted.values()))
    return wanted


def _asked(call: FixOffer) -> list[str]:
    found = [one for one in call["experiment"].split(",") if one]
    if not found:
        raise BadInput("No experiment was named.", next="Check again.")
    return found


def _free(name: str, taken: set[str]) -> str:
    stem = name[: MAX_NAME_LENGTH - 8]
    return next(new for number in range(2, 10_000) if (new := f"{stem}-{number}") not in taken)


def _names(backend: Backend) -> set[str]:
    """All names that are taken, also by deleted experiments."""
    from mlflow.entities import ViewType

    found, token = set[str](), None
    with translate_errors("The list of experiments"):
        while True:
            page = client(backend).search_experiments(ViewType.ALL, 1000, page_token=token)
            found |= {one.name for one in page}
            if not (token := page.token):
                return found


def _name(backend: Backend, id_: str) -> str:
    with translate_errors(f"Experiment {id_}"):
        return str(client(backend).get_experiment(id_).name)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _code(backend: Backend, names: list[str]) -> str:
    place = f", artifact_location={str(backend.artifact_folder / 'a-folder-of-its-own')!r}" if backend.artifact_folder else ""
    made = "\n".join(f"client.create_experiment({name!r}{place})" for name in names)
    return f"from mlflow import MlflowClient\n\nclient = MlflowClient({backend.uri!r}, {backend.uri!r})\n{made}\n"


FIXES = (
    Fix(
        NEW_EXPERIMENT_FIX_ID,
        "Make a new experiment with a place that works, and log there from now on",
        "Keeps the old runs as they are. Takes a second.",
        preview,
        apply,
        inputs,
    ),
)
