"""Finds the folder here in which files of unreachable places really lie: what a server was given as --artifacts-destination, or a copy.

A folder is believed when the folders of runs and models are found below it under their own ids, never by its name alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_path_map import Mapped
from lib.backends.backend import Backend
from lib.doctor.artifacts.inventory import kept
from lib.doctor.artifacts.rules import Place
from lib.doctor.types import Call
from lib.errors import BadInput

SAMPLE = 200
USUAL = ("mlartifacts", "mlruns", "artifacts")
PROXY = "mlflow-artifacts:/"


@dataclass(frozen=True)
class Searched:
    """The places of runs and models that begin with a prefix (at most 200 of them), and how many there are in all."""

    prefix: str
    places: tuple[Place, ...]
    total: int

    def below(self, folder: Path) -> int:
        """How many of them have their folder below this one."""
        return sum(
            1 for place in self.places if (found := Mapped("", self.prefix, str(folder)).leads(place.uri)) and found.is_dir()
        )


def searched(backend: Backend, call: Call) -> Searched:
    """The places that a finding is about, under the prefix that a cure was given, else the one they have in common."""
    homes = set(filter(None, call["experiment"].split(",")))
    every = [one for one in kept(backend, lambda _: None).places if one.owner in ("run", "model")]
    mine = [one for one in every if not homes or one.experiment in homes]
    prefix = call["prefix"] or usual_prefix(call["place"])
    fitting = [one for one in mine if Mapped("", prefix, "/").leads(one.uri) is not None]
    return Searched(prefix, tuple(fitting[:SAMPLE]), len(fitting))


def usual_prefix(place: str) -> str:
    """What stands before the part that belongs to one experiment: everything up to its last part, or the whole of a server's scheme."""
    if place.startswith("mlflow-artifacts:"):
        return PROXY
    cut = max(place.rstrip("/\\").rfind("/"), place.rstrip("/\\").rfind("\\"))
    return place[:cut] if cut > 0 else place


def guess(backend: Backend, of: Searched) -> Path | None:
    """The folder below which most of the places are found: the usual names beside the database and here, then their neighbours."""
    counted = [(of.below(folder), folder) for folder in _near(backend)]
    best = max(counted, key=lambda one: one[0], default=(0, None))
    return best[1] if best[0] else None


def folder_typed(text: str) -> Path:
    """A folder as a person types it. Raises BadInput for one that is not a whole path."""
    path = Path(text.strip()).expanduser()
    if not text.strip() or not path.is_absolute():
        raise BadInput(f"{text.strip() or 'Nothing'} is not a whole path.", next="Type the folder from its root on.")
    return path


def _near(backend: Backend) -> Iterable[Path]:
    homes = dict.fromkeys([backend.path.parent if backend.path else Path.cwd(), Path.cwd()])
    usual = [home / name for home in homes for name in USUAL]
    beside = [one for home in homes for one in sorted(home.iterdir())[:100] if one.is_dir()]
    return dict.fromkeys([*usual, *homes, *beside])
