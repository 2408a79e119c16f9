"""The check of artifact locations (the guide's §4, §6 and §12): every experiment, run, logged model and version, judged and told.

One finding per kind of trouble, with a row per experiment, so that a thousand runs in the same trouble are one thing to mend.
"""

from collections import Counter
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.doctor.artifacts.inventory import Kept, kept, machine
from lib.doctor.artifacts.problem_texts import FRESH, SAID
from lib.doctor.artifacts.rules import CLOUDS, Place, Trouble, is_local_server, judge
from lib.doctor.types import Check, Clock, Finding, Told, call
from lib.runs.reading.run_reader import HIDDEN

ID = "locations"
MOST_ROWS = 50
ALL = ","
"""Between the ids of several experiments in what a cure is given."""
_MANY = {"experiment": "the experiment itself", "run": "runs", "model": "models", "version": "versions"}
_ONE = {"run": "run", "model": "model", "version": "version"}


def look(backend: Backend, _: Clock, told: Told) -> tuple[Finding, ...]:
    """Judge all places of a backend. Raises PodiumError when it stops answering."""
    found, here = kept(backend, told), machine(backend)
    ill: dict[Trouble, list[Place]] = {}
    judged: dict[tuple[str, bool], Trouble | None] = {}
    for place in found.places:
        stem = (_stem(place), place.owner == "experiment")
        if stem not in judged:
            judged[stem] = judge(place.uri, backend, here)
        if trouble := judged[stem]:
            ill.setdefault(trouble, []).append(place)
    findings = tuple(_finding(backend, found, trouble, places) for trouble, places in ill.items())
    return findings or CHECK.fine(_all(found))


def _stem(place: Place) -> str:
    """Places of one experiment stand or fall together: they differ only by the ids that follow."""
    return place.uri.partition(f"/{place.id}/")[0] if place.owner == "run" else place.uri


def _all(found: Kept) -> str:
    counted = Counter(place.owner for place in found.places)
    more = "the newest " if found.more else ""
    return f"{_number(counted['experiment'], 'experiment')}, {more}{_number(counted['run'], 'run')}"


def _finding(backend: Backend, found: Kept, trouble: Trouble, places: list[Place]) -> Finding:
    said, homes = SAID[trouble], _homes(places)
    shown = [home for home in homes if found.names.get(home) not in HIDDEN] or list(homes)
    where = found.names.get(shown[0]) or "versions without a run" if len(shown) == 1 else f"{len(shown)} experiments"
    words = {"where": where, "place": _example(places, shown[0]), **_cloud(places)}
    active = any(not place.deleted for place in places)
    level = "notice" if trouble == "trap" and is_local_server(backend) else said.level if active else "notice"
    own = [home for home in shown if home and found.names.get(home) not in HIDDEN]
    given = {"experiment": ALL.join(own), "place": words["place"], "trouble": trouble}
    return Finding(
        ID,
        level,
        said.title.format(**words),
        f"{len(shown)} of {len(found.names)} wrong",
        ("Experiment", "Files belong at", "Concerns"),
        tuple(_row(found, home, homes[home]) for home in shown[:MOST_ROWS]),
        said.means.format(**words) + ("" if active else " All of it is deleted, so nothing is lost at the moment."),
        said.next.format(**words),
        tuple(call(cure, **given) for cure in said.cures if own or cure != FRESH),
    )


def _homes(places: Iterable[Place]) -> dict[str, list[Place]]:
    homes: dict[str, list[Place]] = {}
    for place in places:
        homes.setdefault(place.experiment, []).append(place)
    return homes


def _example(places: list[Place], home: str) -> str:
    """The experiment's own location if it is in trouble, else the first place that is."""
    mine = [place for place in places if place.experiment == home]
    return next((shown(place.uri) for place in mine if place.owner == "experiment"), shown(mine[0].uri))


def shown(uri: str) -> str:
    """A place as it may be shown: without user and password."""
    scheme, sep, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{sep}{host.rpartition('@')[2]}{slash}{path}" if sep else uri


def _row(found: Kept, home: str, places: list[Place]) -> tuple[str, str, str]:
    name = found.names.get(home) or ", ".join(place.id for place in places[:3])
    gone = " (deleted)" if all(place.deleted for place in places) else ""
    counted = Counter(place.owner for place in places)
    what = [_MANY["experiment"]] * bool(counted["experiment"])
    what += [_number(counted[owner], one) for owner, one in _ONE.items() if counted[owner]]  # type: ignore[index]
    return f"{name}{gone}", _example(places, home), ", ".join(what)


def _cloud(places: list[Place]) -> dict[str, str]:
    package, name = CLOUDS.get(places[0].uri.partition("://")[0], ("", ""))
    return {"package": package, "cloud": name}


def _number(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


CHECK = Check(
    ID,
    "Artifact locations",
    "Can files be kept where every experiment, run, model and version says?",
    look,
)
CHECKS = (CHECK,)
