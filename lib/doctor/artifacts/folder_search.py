"""Finds the local folder that holds the files of unreachable locations: a server's --artifacts-destination, or a copy of it.

A folder matches if it contains run and model folders under their own ids, never by its name alone.
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
    """Run and model locations that begin with a prefix, at most 200, and their total number."""

    prefix: str
    locations: tuple[RecordedLocation, ...]
    total: int

    def count_below(self, folder: Path) -> int:
        """Return how many of the locations have their folder below this one."""
        return sum(
            1
            for location in self.locations
            if (path := PathMapping("", self.prefix, str(folder)).local_path(location.uri)) and path.is_dir()
        )


def sample_locations(backend: Backend, offer: FixOffer) -> LocationSample:
    """Return the locations a finding concerns, under the prefix given in the offer, else their common prefix."""
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
    """Return the part before the experiment's own: everything up to the last segment, or a server's entire scheme."""
    if uri.startswith("mlflow-artifacts:"):
        return PROXY_PREFIX
    end = max(uri.rstrip("/\\").rfind("/"), uri.rstrip("/\\").rfind("\\"))
    return uri[:end] if end > 0 else uri


def guess_folder(backend: Backend, sample: LocationSample) -> Path | None:
    """Return the folder containing most of the locations: first the usual names next to the database and here, then sibling folders."""
    candidates = [(sample.count_below(folder), folder) for folder in _candidate_folders(backend)]
    best = max(candidates, key=lambda candidate: candidate[0], default=(0, None))
    return best[1] if best[0] else None


def parse_folder(text: str) -> Path:
    """Parse a typed folder. Raises BadInput unless it is an absolute path."""
    path = expand_path(text)
    if path is None or not path.is_absolute():
        raise BadInput(
            f"{text.strip()[:200] or 'An empty text'} is not an absolute path.", next="Enter the folder's absolute path."
        )
    return path


def expand_path(text: str) -> Path | None:
    """Return a typed path with ~ expanded; None if it is empty, names an unknown user, or cannot be a path."""
    try:
        return Path(text.strip()).expanduser() if text.strip() and "\0" not in text else None
    except RuntimeError:  # ~name of a user who does not exist
        return None


def _candidate_folders(backend: Backend) -> Iterable[Path]:
    roots = dict.fromkeys([backend.path.parent if backend.path else Path.cwd(), Path.cwd()])
    usual_folders = [root / name for root in roots for name in USUAL_FOLDER_NAMES]
    siblings = [child for root in roots for child in sorted(root.iterdir())[:100] if child.is_dir()]
    return dict.fromkeys([*usual_folders, *roots, *siblings])
