"""Files that runs and models keep: which places there are, what lies in them, and the bytes of one file. Writes nothing.

Everything asked for stays inside its place: a path is checked before anybody sees it, a link is checked where it leads, and another
host is never asked with this backend's credentials. What the bytes are is told by `previews`; nothing is loaded or run here.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.artifact_path_map import mapped_location
from lib.backends.backend import Backend
from lib.backends.credentials import client_uri
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused, BackendError, BadInput, NotFound
from lib.runs.artifacts import local_files, server_files
from lib.runs.reading.run_reader import read_run

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

MAX_PREVIEW_BYTES = 10_000_000
"""Bytes of a file up to which it is fetched to be shown."""
MAX_DOWNLOAD_BYTES = 200_000_000
MAX_MODELS = 10
CLOUD_SCHEMES = frozenset({"s3", "gs", "wasbs", "abfss"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class ArtifactLocation:
    """The files of one run or of one model it logged: exactly one of the ids is set. `uri` is the root of the files.

    `name` is the model's name and `status` how far it was written. Where MLflow 2 wrote it a model is a `folder` among the run's files.
    """

    uri: str
    run_id: str = ""
    model_id: str = ""
    name: str = ""
    folder: str = ""
    status: str = ""


@dataclass(frozen=True)
class ArtifactEntry:
    """A file or folder, by its path from the place's root. The size in bytes is None for a folder and where nobody tells it."""

    path: str
    is_folder: bool
    size: int | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class ArtifactTree:
    """Files and folders below a folder, parents before what they hold. With `more`, there are more than were listed."""

    entries: tuple[ArtifactEntry, ...]
    has_more: bool = False


@dataclass(frozen=True)
class FileContent:
    """A file, whole."""

    path: str
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, as hex digits."""
        return sha256(self.data).hexdigest()


def read_locations(backend: Backend, run_id: str) -> tuple[ArtifactLocation, ...]:
    """The run's own files first, then those of the models it logged, at most ten. A model that is gone is left out."""
    found = read_run(backend, run_id)
    made = [ArtifactLocation(mapped_location(backend, found.artifact_uri), run_id=run_id)]
    for model_id in found.model_ids[:MAX_MODELS]:
        try:
            with translate_errors(f"Model {model_id}"):
                model = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        made.append(
            ArtifactLocation(mapped_location(backend, model.artifact_location), model_id=model_id, name=model.name or model_id)
        )
    return tuple(made)


def list_folder(backend: Backend, location: ArtifactLocation, path: str = "") -> tuple[ArtifactEntry, ...]:
    """What lies in one folder: folders first, then by name. Names that could not be asked for again are left out.

    Raises Refused for a path that leads out of the place, NotFound for a folder that is not there (a server gives an empty list
    instead), BackendError for a place that cannot be reached from here.
    """
    inner = _checked(path)
    below = f"{inner}/" if inner else ""
    match _road(backend, location):
        case "here":
            found = [
                ArtifactEntry(below + name, is_folder, size)
                for name, is_folder, size in local_files.list_folder(_folder(location), inner)
            ]
        case "served":
            found = [ArtifactEntry(*told) for told in server_files.list_folder(backend, _owner(location), inner)]
        case _:
            found = _through_mlflow(backend, location, inner)
    kept = [one for one in found if _is_safe(one.path) and str(PurePosixPath(one.path).parent) in (inner or ".",)]
    return tuple(sorted(kept, key=lambda one: (not one.is_folder, one.name.casefold(), one.name)))


def walk_tree(backend: Backend, location: ArtifactLocation, path: str = "", max_entries: int = 300) -> ArtifactTree:
    """All below a folder, level by level until `most` entries are known; a folder too deep to be listed stays closed."""
    found: dict[str, tuple[ArtifactEntry, ...]] = {}
    waiting, known = [_checked(path)], 0
    while waiting and known < max_entries:
        above = waiting.pop(0)
        found[above] = _listed(backend, location, above, must=above == _checked(path))
        known += len(found[above])
        waiting += [one.path for one in found[above] if one.is_folder and one.path.count("/") < 12]
    entries = list(_in_order(found, _checked(path)))
    return ArtifactTree(tuple(entries[:max_entries]), bool(waiting) or len(entries) > max_entries)


def fetch_file(backend: Backend, location: ArtifactLocation, path: str, max_bytes: int = MAX_PREVIEW_BYTES) -> FileContent:
    """The bytes of a file. Raises Refused for one larger than `most` bytes, before it is fetched wherever its size is told."""
    inner = _checked(path)
    if not inner:
        raise BadInput("No file was named.")
    match _road(backend, location):
        case "here":
            data, size = local_files.read_file(_folder(location), inner, max_bytes)
        case "served":
            data, size = server_files.read_file(backend, _owner(location), inner, max_bytes)
        case _:
            data, size = _downloaded(backend, location, inner, max_bytes)
    if size > max_bytes:
        raise _too_large(inner, size, max_bytes)
    return FileContent(inner, data)


def _listed(backend: Backend, place: ArtifactLocation, path: str, *, must: bool) -> tuple[ArtifactEntry, ...]:
    try:
        return list_folder(backend, place, path)
    except (ActionRefused, NotFound):  # a link that leads out, or a folder that went: the rest of the tree is still worth seeing
        if must:
            raise
        return ()


def _in_order(found: dict[str, tuple[ArtifactEntry, ...]], above: str) -> Iterator[ArtifactEntry]:
    for one in found.get(above, ()):
        yield one
        yield from _in_order(found, one.path) if one.is_folder else ()


def _checked(path: str) -> str:
    """The path in one spelling. Raises Refused for one that could name something outside."""
    if not _is_safe(path):
        raise ActionRefused(f"{path[:120]!r} is no path inside the files of this run.", next="Choose one from the list.")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _is_safe(path: str) -> bool:
    if len(path) > 1000 or path.startswith("/") or _CONTROL.search(path) or re.match(r"[A-Za-z]:", path):
        return False
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 on disk
        return False
    return ".." not in path.split("/")


def _road(backend: Backend, place: ArtifactLocation) -> Literal["here", "served", "mlflow"]:
    """How to reach a place. A folder is read here only where the backend is a file here too: a server's folders are the server's."""
    if local_files.folder_of_uri(place.uri) is None:
        return "mlflow"
    return "served" if backend.kind == "server" else "here"


def _folder(place: ArtifactLocation) -> Path:
    folder = local_files.folder_of_uri(place.uri)
    assert folder is not None
    return folder


def _owner(place: ArtifactLocation) -> server_files.ArtifactOwner:
    return ("model", place.model_id) if place.model_id else ("run", place.run_id)


def _through_mlflow(backend: Backend, place: ArtifactLocation, path: str) -> list[ArtifactEntry]:
    with _asking(path or "The list of files"):
        told = _repository(backend, place).list_artifacts(path or None)
    return [ArtifactEntry(one.path, bool(one.is_dir), None if one.is_dir else one.file_size) for one in told]


def _repository(backend: Backend, place: ArtifactLocation) -> "ArtifactRepository":
    """MLflow's own access to the place, with the tracking URI explicit."""
    far = unreadable_scheme(place.uri, backend)
    if far == "mlflow-artifacts" and backend.kind != "server":
        raise BackendError(
            "These files were logged through an MLflow server, and this backend is the bare database.",
            means="Runs, parameters and metrics are here, the files are reached only through the server.",
            next="Start the MLflow server on this database and set MLFLOW_TRACKING_URI to its address.",
        )
    if not place.uri or (far and far not in CLOUD_SCHEMES):
        host = urlsplit(place.uri).netloc.rpartition("@")[2] if far != "unreadable" else ""
        raise BackendError(f"Podium does not read files from {far or 'nowhere'}{f'://{host}' if host else ''}.")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(place.uri, tracking_uri=client_uri(backend), registry_uri=client_uri(backend))


def _downloaded(backend: Backend, place: ArtifactLocation, path: str, most: int) -> tuple[bytes, int]:
    """Through a temporary folder that is removed. The parent is listed first: it tells the size, and a file from a folder."""
    parent = str(PurePosixPath(path).parent)
    entry = next((one for one in list_folder(backend, place, "" if parent == "." else parent) if one.path == path), None)
    if entry is None or entry.is_folder:
        raise NotFound(f"{path} is {'a folder, not a file' if entry else 'not there'}.")
    if entry.size is not None and entry.size > most:
        return b"", entry.size
    if re.search(r"[#?%]", path):
        raise ActionRefused(
            f"{path} has a name that MLflow cannot ask its server for.", next="Fetch it from the server's own folder."
        )
    with tempfile.TemporaryDirectory(prefix="podium-file-") as folder, _asking(path):
        saved = Path(_repository(backend, place).download_artifacts(path, folder))
        return local_files.read_file(Path(folder), saved.resolve().relative_to(Path(folder).resolve()).as_posix(), most)


def _too_large(path: str, size: int, most: int) -> ActionRefused:
    where = "Download it to look at it." if size <= MAX_DOWNLOAD_BYTES else "Fetch it with the MLflow client."
    return ActionRefused(f"{path} has {size / 1e6:,.1f} MB, and at most {most / 1e6:,.0f} MB are read here.", next=where)


@contextmanager
def _asking(subject: str) -> Iterator[None]:
    """Translate what MLflow, the network and the clouds' own clients raise."""
    try:
        with translate_errors(subject):
            yield
    except ImportError as error:
        raise BackendError(f"Reading these files needs a package that is not installed: {error.name}.") from error
    except _faults() as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 404:
            raise NotFound(f"{subject} was not found.", next="It may have been removed since the list was read.") from error
        raise BackendError(f"{subject} could not be read: {str(error)[:200]}", next="Try again.") from error


def _faults() -> tuple[type[Exception], ...]:
    """What the network and the clouds' own clients raise. Asked once something was raised: before, no client may have been loaded."""
    clouds = sys.modules.get("botocore.exceptions")
    return (OSError, ValueError, *((clouds.BotoCoreError, clouds.ClientError) if clouds else ()))
