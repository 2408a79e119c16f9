"""Local folders that replace unreachable artifact locations: for reading files only, never stored in the database.

The backend's URIs stay unchanged. A mapping means "locations with this prefix are read from that folder on this machine". All mappings
are in one small file in Podium's own folder (`app_files`).
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from lib.backends.app_files import make_private_folder, podium_home, write_private_file
from lib.backends.backend import Backend
from lib.errors import NotWritable


@dataclass(frozen=True)
class PathMapping:
    """On one backend, files whose location starts with `prefix` are read from `folder`."""

    uri: str
    prefix: str
    folder: str

    def local_path(self, location: str) -> Path | None:
        """Return the local path for a location; None if it does not start with the prefix or would leave the folder."""
        rest = location.replace("\\", "/").removeprefix(self.prefix.replace("\\", "/"))
        has_prefix = location.replace("\\", "/") != rest or not self.prefix
        if not has_prefix or (rest and not rest.startswith("/") and not self.prefix.endswith(("/", "\\"))):
            return None
        parts = PurePosixPath(unquote(rest) if "://" in location or location.startswith("mlflow-artifacts:") else rest).parts
        return None if ".." in parts else Path(self.folder, *(part for part in parts if part != "/"))


def read_mappings(folder: Path) -> tuple[PathMapping, ...]:
    """Return the mappings in Podium's folder; none if their file is missing or invalid."""
    try:
        entries = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))
        return tuple(PathMapping(str(entry["uri"]), str(entry["prefix"]), str(entry["folder"])) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def save_mapping(folder: Path, mapping: PathMapping) -> None:
    """Save a mapping, replacing one for the same prefix."""
    _write_mappings(
        folder,
        (*(other for other in read_mappings(folder) if (other.uri, other.prefix) != (mapping.uri, mapping.prefix)), mapping),
    )


def remove_mapping(folder: Path, mapping: PathMapping) -> None:
    """Remove a mapping."""
    _write_mappings(folder, tuple(other for other in read_mappings(folder) if other != mapping))


def mapped_location(backend: Backend, location: str) -> str:
    """Return the location to read files from: the mapped folder, else the location itself."""
    for mapping in read_mappings(podium_home(os.environ)):
        if mapping.uri == backend.uri and (path := mapping.local_path(location)) is not None:
            return str(path)
    return location


def _write_mappings(folder: Path, mappings: tuple[PathMapping, ...]) -> None:
    try:
        make_private_folder(folder)
        write_private_file(folder / "mapped.json", json.dumps([asdict(mapping) for mapping in mappings], indent=2).encode())
    except OSError as error:
        raise NotWritable(
            f"{folder} cannot be written ({error.strerror}).", next="Check the permissions of Podium's folder."
        ) from error
