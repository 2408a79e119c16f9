"""Checks the artifact locations of every experiment, run, logged model and version (the guide's §4, §6 and §12).

Reports one finding per kind of problem with a row per experiment, so that a thousand runs with the same problem are one fix.
"""

from collections import Counter
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.doctor import fix_ids
from lib.doctor.artifacts.inventory import ArtifactInventory, describe_machine, read_inventory
from lib.doctor.artifacts.problem_texts import PROBLEM_TEXTS
from lib.doctor.artifacts.rules import CLOUD_STORES, LocationOwner, LocationProblem, RecordedLocation, diagnose, is_local_server
from lib.doctor.report import MAX_ROWS
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, ProgressCallback, offer_fix
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS
from lib.text import format_count

CHECK_ID = "locations"
ID_SEPARATOR = ","
"""Separates several experiment ids in a fix argument."""
_CONTENT_TYPES: tuple[LocationOwner, ...] = ("run", "model", "version")


def check_artifact_locations(backend: Backend, _: Clock, progress: ProgressCallback) -> tuple[Finding, ...]:
    """Diagnose all artifact locations of a backend. Raises PodiumError if it stops responding."""
    inventory, machine = read_inventory(backend, progress), describe_machine(backend)
    affected_locations: dict[LocationProblem, list[RecordedLocation]] = {}
    diagnoses: dict[tuple[str, bool], LocationProblem | None] = {}
    for location in inventory.locations:
        key = (_shared_prefix(location), location.owner_type == "experiment")
        if key not in diagnoses:
            diagnoses[key] = diagnose(location.uri, backend, machine)
        if problem := diagnoses[key]:
            affected_locations.setdefault(problem, []).append(location)
    findings = tuple(
        _problem_finding(backend, inventory, problem, locations) for problem, locations in affected_locations.items()
    )
    if not findings and machine.serves_artifacts is None and _needs_server(backend, inventory):
        return (_unknown_finding(),)
    return findings or ARTIFACT_LOCATIONS_CHECK.fine_findings(_describe_scope(inventory))


def _needs_server(backend: Backend, inventory: ArtifactInventory) -> bool:
    """Return whether any location is provided by the server only."""
    return backend.kind == "server" and any(location.uri.startswith("mlflow-artifacts:") for location in inventory.locations)


def _unknown_finding() -> Finding:
    return Finding(
        CHECK_ID,
        "skipped",
        ARTIFACT_LOCATIONS_CHECK.title,
        "not checked",
        means="The server did not say whether it serves artifacts, which its experiments need.",
    )


def _shared_prefix(location: RecordedLocation) -> str:
    """Return the location up to the experiment; what follows are only ids, so all such locations share a diagnosis."""
    return location.uri.partition(f"/{location.owner_id}/")[0] if location.owner_type == "run" else location.uri


def _describe_scope(inventory: ArtifactInventory) -> str:
    counts = Counter(location.owner_type for location in inventory.locations)
    qualifier = "the newest " if inventory.is_truncated else ""
    return f"{format_count(counts['experiment'], 'experiment')}, {qualifier}{format_count(counts['run'], 'run')}"


def _problem_finding(
    backend: Backend, inventory: ArtifactInventory, problem: LocationProblem, locations: list[RecordedLocation]
) -> Finding:
    text, locations_by_experiment = PROBLEM_TEXTS[problem], _group_by_experiment(locations)
    experiment_ids = [
        experiment_id
        for experiment_id in locations_by_experiment
        if inventory.experiment_names.get(experiment_id) not in HIDDEN_EXPERIMENTS
    ] or list(locations_by_experiment)
    subject = (
        inventory.experiment_names.get(experiment_ids[0]) or "versions without a run"
        if len(experiment_ids) == 1
        else f"{len(experiment_ids)} experiments"
    )
    values = {"where": subject, "place": _example_location(locations, experiment_ids[0]), **_cloud_values(locations)}
    is_active = any(not location.is_deleted for location in locations)
    level = "notice" if problem == "trap" and is_local_server(backend) else text.level if is_active else "notice"
    fixable_ids = [
        experiment_id
        for experiment_id in experiment_ids
        if experiment_id and inventory.experiment_names.get(experiment_id) not in HIDDEN_EXPERIMENTS
    ]
    arguments = {"experiment": ID_SEPARATOR.join(fixable_ids), "place": values["place"], "trouble": problem}
    return Finding(
        CHECK_ID,
        level,
        text.title.format(**values),
        f"{len(experiment_ids)} of {len(inventory.experiment_names)} wrong",
        ("Experiment", "Files belong at", "Concerns"),
        tuple(
            _evidence_row(inventory, experiment_id, locations_by_experiment[experiment_id])
            for experiment_id in experiment_ids[:MAX_ROWS]
        ),
        text.means.format(**values) + ("" if is_active else " All of these are deleted, so nothing is lost for now."),
        text.next.format(**values),
        tuple(offer_fix(fix_id, **arguments) for fix_id in text.fix_ids if fixable_ids or fix_id != fix_ids.NEW_EXPERIMENT),
    )


def _group_by_experiment(locations: Iterable[RecordedLocation]) -> dict[str, list[RecordedLocation]]:
    groups: dict[str, list[RecordedLocation]] = {}
    for location in locations:
        groups.setdefault(location.experiment_id, []).append(location)
    return groups


def _example_location(locations: list[RecordedLocation], experiment_id: str) -> str:
    """Return the experiment's own location if affected, else the first affected location."""
    candidates = [location for location in locations if location.experiment_id == experiment_id]
    return next(
        (_strip_credentials(location.uri) for location in candidates if location.owner_type == "experiment"),
        _strip_credentials(candidates[0].uri),
    )


def _strip_credentials(uri: str) -> str:
    """Return the location without user, password and secrets, for display."""
    scheme, sep, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return mask_secrets(f"{scheme}{sep}{host.rpartition('@')[2]}{slash}{path}" if sep else uri)


def _evidence_row(inventory: ArtifactInventory, experiment_id: str, locations: list[RecordedLocation]) -> tuple[str, str, str]:
    name = inventory.experiment_names.get(experiment_id) or ", ".join(location.owner_id for location in locations[:3])
    suffix = " (deleted)" if all(location.is_deleted for location in locations) else ""
    counts = Counter(location.owner_type for location in locations)
    concerns = ["the experiment itself"] * bool(counts["experiment"])
    concerns += [format_count(counts[owner], owner) for owner in _CONTENT_TYPES if counts[owner]]
    return f"{name}{suffix}", _example_location(locations, experiment_id), ", ".join(concerns)


def _cloud_values(locations: list[RecordedLocation]) -> dict[str, str]:
    package, name = CLOUD_STORES.get(locations[0].uri.partition("://")[0], ("", ""))
    return {"package": package, "cloud": name}


ARTIFACT_LOCATIONS_CHECK = Check(
    CHECK_ID,
    "Artifact locations",
    "Can files be stored at the location of every experiment, run, model and version?",
    check_artifact_locations,
)
CHECKS = (ARTIFACT_LOCATIONS_CHECK,)
