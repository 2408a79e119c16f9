"""The check of artifact locations (the guide's §4, §6 and §12): every experiment, run, logged model and version, judged and told.

One finding per kind of trouble, with a row per experiment, so that a thousand runs in the same trouble are one thing to mend.
"""

from collections import Counter
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.doctor import fix_ids
from lib.doctor.artifacts.inventory import ArtifactInventory, describe_machine, read_inventory
from lib.doctor.artifacts.problem_texts import PROBLEM_TEXTS
from lib.doctor.artifacts.rules import CLOUD_STORES, LocationProblem, RecordedLocation, diagnose, is_local_server
from lib.doctor.evidence import MAX_ROWS
from lib.doctor.types import Check, Clock, Finding, ProgressCallback, offer_fix
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS

CHECK_ID = "locations"
ID_SEPARATOR = ","
"""Between the ids of several experiments in what a cure is given."""
_MANY = {"experiment": "the experiment itself", "run": "runs", "model": "models", "version": "versions"}
_ONE = {"run": "run", "model": "model", "version": "version"}


def check_artifact_locations(backend: Backend, _: Clock, progress: ProgressCallback) -> tuple[Finding, ...]:
    """Judge all places of a backend. Raises PodiumError when it stops answering."""
    found, here = read_inventory(backend, progress), describe_machine(backend)
    ill: dict[LocationProblem, list[RecordedLocation]] = {}
    judged: dict[tuple[str, bool], LocationProblem | None] = {}
    for place in found.locations:
        stem = (_stem(place), place.owner_type == "experiment")
        if stem not in judged:
            judged[stem] = diagnose(place.uri, backend, here)
        if trouble := judged[stem]:
            ill.setdefault(trouble, []).append(place)
    findings = tuple(_finding(backend, found, trouble, places) for trouble, places in ill.items())
    return findings or ARTIFACT_LOCATIONS_CHECK.fine_findings(_all(found))


def _stem(place: RecordedLocation) -> str:
    """Places of one experiment stand or fall together: they differ only by the ids that follow."""
    return place.uri.partition(f"/{place.owner_id}/")[0] if place.owner_type == "run" else place.uri


def _all(found: ArtifactInventory) -> str:
    counted = Counter(place.owner_type for place in found.locations)
    more = "the newest " if found.is_truncated else ""
    return f"{_number(counted['experiment'], 'experiment')}, {more}{_number(counted['run'], 'run')}"


def _finding(backend: Backend, found: ArtifactInventory, trouble: LocationProblem, places: list[RecordedLocation]) -> Finding:
    said, homes = PROBLEM_TEXTS[trouble], _homes(places)
    shown = [home for home in homes if found.experiment_names.get(home) not in HIDDEN_EXPERIMENTS] or list(homes)
    where = found.experiment_names.get(shown[0]) or "versions without a run" if len(shown) == 1 else f"{len(shown)} experiments"
    words = {"where": where, "place": _example(places, shown[0]), **_cloud(places)}
    active = any(not place.is_deleted for place in places)
    level = "notice" if trouble == "trap" and is_local_server(backend) else said.level if active else "notice"
    own = [home for home in shown if home and found.experiment_names.get(home) not in HIDDEN_EXPERIMENTS]
    given = {"experiment": ID_SEPARATOR.join(own), "place": words["place"], "trouble": trouble}
    return Finding(
        CHECK_ID,
        level,
        said.title.format(**words),
        f"{len(shown)} of {len(found.experiment_names)} wrong",
        ("Experiment", "Files belong at", "Concerns"),
        tuple(_row(found, home, homes[home]) for home in shown[:MAX_ROWS]),
        said.means.format(**words) + ("" if active else " All of it is deleted, so nothing is lost at the moment."),
        said.next.format(**words),
        tuple(offer_fix(cure, **given) for cure in said.fix_ids if own or cure != fix_ids.NEW_EXPERIMENT),
    )


def _homes(places: Iterable[RecordedLocation]) -> dict[str, list[RecordedLocation]]:
    homes: dict[str, list[RecordedLocation]] = {}
    for place in places:
        homes.setdefault(place.experiment_id, []).append(place)
    return homes


def _example(places: list[RecordedLocation], home: str) -> str:
    """The experiment's own location if it is in trouble, else the first place that is."""
    mine = [place for place in places if place.experiment_id == home]
    return next(
        (strip_credentials(place.uri) for place in mine if place.owner_type == "experiment"), strip_credentials(mine[0].uri)
    )


def strip_credentials(uri: str) -> str:
    """A place as it may be shown: without user and password."""
    scheme, sep, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{sep}{host.rpartition('@')[2]}{slash}{path}" if sep else uri


def _row(found: ArtifactInventory, home: str, places: list[RecordedLocation]) -> tuple[str, str, str]:
    name = found.experiment_names.get(home) or ", ".join(place.owner_id for place in places[:3])
    gone = " (deleted)" if all(place.is_deleted for place in places) else ""
    counted = Counter(place.owner_type for place in places)
    what = [_MANY["experiment"]] * bool(counted["experiment"])
    what += [_number(counted[owner], one) for owner, one in _ONE.items() if counted[owner]]  # type: ignore[index]
    return f"{name}{gone}", _example(places, home), ", ".join(what)


def _cloud(places: list[RecordedLocation]) -> dict[str, str]:
    package, name = CLOUD_STORES.get(places[0].uri.partition("://")[0], ("", ""))
    return {"package": package, "cloud": name}


def _number(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


ARTIFACT_LOCATIONS_CHECK = Check(
    CHECK_ID,
    "Artifact locations",
    "Can files be kept where every experiment, run, model and version says?",
    check_artifact_locations,
)
CHECKS = (ARTIFACT_LOCATIONS_CHECK,)
