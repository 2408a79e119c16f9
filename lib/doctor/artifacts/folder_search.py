"""Finds the folder here in which files of unreachable locations really lie: what a server was given as --artifacts-destination, or a copy.

A folder is believed when the folders of runs and models are found below it under their own ids, never by its name alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_path_map import PathMapping
from lib.backends.backend import Backend
from lib.doctor.artifacts.inventory import read_inventory
from lib.doctor.artifacts.rules import RecordedLocation
from lib.doctor.types import FixOffer
from lib.errors import BadInput

SAMPLE_SIZE = 200
USUAL_FOLDER_NAMES = ("mlartifacts", "mlruns", "artifacts")
PROXY_PREFIX = "mlflow-artifacts:/"


@dataclass(frozen=True)
class LocationSample:
    """The locations of runs and models that begin with a prefix (at most 200 of them), and how many there are in all."""

    prefix: str
    locations: tuple[RecordedLocation, ...]
    total: int

    def count_below(self, folder: Path) -> int:
        """How many of them have their folder below this one."""
        return sum(
            1
            for location in self.locations
            if (path := PathMapping("", self.prefix, str(folder)).local_path(location.uri)) and path.is_dir()
        )


def sample_locations(backend: Backend, offer: FixOffer) -> LocationSample:
    """The locations that a finding is about, under the prefix among the fix's arguments, else the one they have in common."""
    experiment_ids = set(filter(None, offer["experiment"].split(",")))
    locations = [
        location for location in read_inventory(backend, lambda _: None).locations if location.owner_type in ("run", "model")
    ]
    candidates = [location for location in locations if not experiment_ids or location.experiment_id in experiment_ids]
    prefix = offer["prefix"] or _default_prefix(offer["place"])
    matching_locations = [
        location for location in candidates if PathMapping("", prefix, "/").local_path(location.uri) is not None
    ]
    return LocationSample(prefix, tuple(matching_locations[:SAMPLE_SIZE]), len(matching_locations))


def _default_prefix(uri: str) -> str:
    """What stands before the part that belongs to one experiment: everything up to its last part, or the whole of a server's scheme."""
    if uri.startswith("mlflow-artifacts:"):
        return PROXY_PREFIX
    end = max(uri.rstrip("/\\").rfind("/"), uri.rstrip("/\\").rfind("\\"))
    return uri[:end] if end > 0 else uri


def guess_folder(backend: Backend, sample: LocationSample) -> Path | None:
    """The folder below which most of the locations are found: the usual names beside the database and here, then their neighbours."""
    candidates = [(sample.count_below(folder), folder) for folder in _candidate_folders(backend)]
    best = max(candidates, key=lambda candidate: candidate[0], default=(0, None))
    return best[1] if best[0] else None


def parse_folder(text: str) -> Path:
    """A folder as a person types it. Raises BadInput for one that is not a whole path."""
    path = Path(text.strip()).expanduser()
    if not text.strip() or not path.is_absolute():
        raise BadInput(f"{text.strip() or 'Nothing'} is not a whole path.", next="Type the folder from its root on.")
    return path


def _candidate_folders(backend: Backend) -> Iterable[Path]:
    roots = dict.fromkeys([backend.path.parent if backend.path else Path.cwd(), Path.cwd()])
    usual_folders = [root / name for root in roots for name in USUAL_FOLDER_NAMES]
    siblings = [child for root in roots for child in sorted(root.iterdir())[:100] if child.is_dir()]
    return dict.fromkeys([*usual_folders, *roots, *siblings])
