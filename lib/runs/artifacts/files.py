"""Artifact files of runs and models: their locations, listings, and the bytes of a file. Writes nothing.

Every request stays inside its location: paths are checked first, links are resolved, and another host never receives this backend's
credentials. Interpreting the bytes is left to `previews`; nothing is loaded or run here.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.artifact_path_map import mapped_location
from lib.backends.backend import Backend
from lib.backends.call_deadline import DeadlineExceeded, call_seconds, run_with_deadline, run_with_progress
from lib.backends.credentials import client_uri
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused, BackendError, BadInput, NoAnswer, NotFound
from lib.runs.artifacts import local_files, server_files
from lib.runs.reading.run_reader import read_run
from lib.text import CONTROLS

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

MAX_PREVIEW_BYTES = 10_000_000
"""Maximum bytes of a file fetched for a preview."""
MAX_DOWNLOAD_BYTES = 200_000_000
MAX_MODELS = 10
CLOUD_SCHEMES = frozenset({"s3", "gs", "wasbs", "abfss"})
_FORBIDDEN_CHARACTERS = re.compile(rf"[{CONTROLS}\\]")


@dataclass(frozen=True)
class ArtifactLocation:
    """The files of one run or of one of its logged models: exactly one of the ids is set. `uri` is the root of the files.

    `name` is the model's name and `status` its upload status. A model written by MLflow 2 is a `folder` among the run's files.
    """

    uri: str
    run_id: str = ""
    model_id: str = ""
    name: str = ""
    folder: str = ""
    status: str = ""


@dataclass(frozen=True)
class ArtifactEntry:
    """A file or folder, with its path from the location's root. The size in bytes is None for a folder or if unknown."""

    path: str
    is_folder: bool
    size: int | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class ArtifactTree:
    """Files and folders below a folder, parents before their content. With `has_more` there are more than were listed."""

    entries: tuple[ArtifactEntry, ...]
    has_more: bool = False


@dataclass(frozen=True)
class FileContent:
    """A complete file."""

    path: str
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, as hex digits."""
        return sha256(self.data).hexdigest()


def read_locations(backend: Backend, run_id: str) -> tuple[ArtifactLocation, ...]:
    """Return the run's own files first, then those of its logged models, at most ten. Missing models are skipped."""
    run = read_run(backend, run_id)
    locations = [ArtifactLocation(mapped_location(backend, run.artifact_uri), run_id=run_id)]
    for model_id in run.model_ids[:MAX_MODELS]:
        try:
            with translate_errors(f"Model {model_id}"):
                model = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        locations.append(
            ArtifactLocation(mapped_location(backend, model.artifact_location), model_id=model_id, name=model.name or model_id)
        )
    return tuple(locations)


def list_folder(backend: Backend, location: ArtifactLocation, path: str = "") -> tuple[ArtifactEntry, ...]:
    """List one folder: folders first, then by name. Names that could not be requested again are skipped.

    Raises ActionRefused if the path leads out of the location, NotFound if the folder does not exist (a server returns an empty list
    instead), BackendError if the location cannot be reached from here.
    """
    folder = _check_path(path)
    prefix = f"{folder}/" if folder else ""
    match _access_route(backend, location):
        case "here":
            entries = [
                ArtifactEntry(prefix + name, is_folder, size)
                for name, is_folder, size in local_files.list_folder(_local_folder(location), folder)
            ]
        case "served":
            entries = [ArtifactEntry(*fields) for fields in server_files.list_folder(backend, _artifact_owner(location), folder)]
        case _:
            entries = _list_through_mlflow(backend, location, folder)
    safe_entries = [
        entry for entry in entries if _is_safe_path(entry.path) and str(PurePosixPath(entry.path).parent) in (folder or ".",)
    ]
    return tuple(sorted(safe_entries, key=lambda entry: (not entry.is_folder, entry.name.casefold(), entry.name)))


def walk_tree(backend: Backend, location: ArtifactLocation, path: str = "", max_entries: int = 300) -> ArtifactTree:
    """List everything below a folder, level by level up to `max_entries`; folders beyond that are not expanded."""
    entries_by_folder: dict[str, tuple[ArtifactEntry, ...]] = {}
    pending, count = [_check_path(path)], 0
    while pending and count < max_entries:
        folder = pending.pop(0)
        entries_by_folder[folder] = _list_for_tree(backend, location, folder, is_root=folder == _check_path(path))
        count += len(entries_by_folder[folder])
        pending += [entry.path for entry in entries_by_folder[folder] if entry.is_folder and entry.path.count("/") < 12]
    entries = list(_walk_in_order(entries_by_folder, _check_path(path)))
    return ArtifactTree(tuple(entries[:max_entries]), bool(pending) or len(entries) > max_entries)


def fetch_file(backend: Backend, location: ArtifactLocation, path: str, max_bytes: int = MAX_PREVIEW_BYTES) -> FileContent:
    """Return the bytes of a file. Raises ActionRefused if it exceeds `max_bytes`, before fetching it if the size is known."""
    file_path = _check_path(path)
    if not file_path:
        raise BadInput("No file was specified.")
    match _access_route(backend, location):
        case "here":
            data, size = local_files.read_file(_local_folder(location), file_path, max_bytes)
        case "served":
            data, size = server_files.read_file(backend, _artifact_owner(location), file_path, max_bytes)
        case _:
            data, size = _download_file(backend, location, file_path, max_bytes)
    if size > max_bytes:
        raise _too_large_error(file_path, size, max_bytes)
    return FileContent(file_path, data)


def _list_for_tree(backend: Backend, location: ArtifactLocation, path: str, *, is_root: bool) -> tuple[ArtifactEntry, ...]:
    try:
        return list_folder(backend, location, path)
    except (ActionRefused, NotFound):  # a link that leads out, or a removed folder: the rest of the tree is still useful
        if is_root:
            raise
        return ()


def _walk_in_order(entries_by_folder: dict[str, tuple[ArtifactEntry, ...]], folder: str) -> Iterator[ArtifactEntry]:
    for entry in entries_by_folder.get(folder, ()):
        yield entry
        yield from _walk_in_order(entries_by_folder, entry.path) if entry.is_folder else ()


def _check_path(path: str) -> str:
    """Return the normalised path. Raises ActionRefused if it could lead outside."""
    if not _is_safe_path(path):
        raise ActionRefused(f"{path[:120]!r} is not a path within this run's files.", next="Choose one from the list.")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _is_safe_path(path: str) -> bool:
    if len(path) > 1000 or path.startswith("/") or _FORBIDDEN_CHARACTERS.search(path) or re.match(r"[A-Za-z]:", path):
        return False
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 on disk
        return False
    return ".." not in path.split("/")


def _access_route(backend: Backend, location: ArtifactLocation) -> Literal["here", "served", "mlflow"]:
    """Return how to reach a location. A folder is read locally only if the backend is local too: a server's folders are on the server."""
    if local_files.folder_of_uri(location.uri) is None:
        return "mlflow"
    return "served" if backend.kind == "server" else "here"


def _local_folder(location: ArtifactLocation) -> Path:
    folder = local_files.folder_of_uri(location.uri)
    assert folder is not None
    return local_files.own_root(folder, location.model_id or location.run_id)


def _artifact_owner(location: ArtifactLocation) -> server_files.ArtifactOwner:
    return ("model", location.model_id) if location.model_id else ("run", location.run_id)


def _list_through_mlflow(backend: Backend, location: ArtifactLocation, path: str) -> list[ArtifactEntry]:
    with _translate_read_errors(path or "The list of files"):
        repository = _artifact_repository(backend, location)
        files = run_with_deadline(lambda: repository.list_artifacts(path or None), call_seconds())
    return [ArtifactEntry(file.path, bool(file.is_dir), None if file.is_dir else file.file_size) for file in files]


def _artifact_repository(backend: Backend, location: ArtifactLocation) -> "ArtifactRepository":
    """MLflow's own access to the location, with the tracking URI explicit."""
    scheme = unreadable_scheme(location.uri, backend)
    if scheme == "mlflow-artifacts" and backend.kind != "server":
        raise BackendError(
            "These files were logged through an MLflow server, but this backend is the bare database.",
            means="Runs, parameters and metrics are available; the files can be read only through the server.",
            next="Start the MLflow server on this database and set MLFLOW_TRACKING_URI to its address.",
        )
    if not location.uri or (scheme and scheme not in CLOUD_SCHEMES):
        host = urlsplit(location.uri).netloc.rpartition("@")[2] if scheme != "unreadable" else ""
        raise BackendError(f"Podium does not read files from {scheme or 'nowhere'}{f'://{host}' if host else ''}.")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location.uri, tracking_uri=client_uri(backend), registry_uri=client_uri(backend))


def _download_file(backend: Backend, location: ArtifactLocation, path: str, max_bytes: int) -> tuple[bytes, int]:
    """Download through a temporary folder. The parent is listed first, for the size and to distinguish a file from a folder."""
    parent = str(PurePosixPath(path).parent)
    entry = next((item for item in list_folder(backend, location, "" if parent == "." else parent) if item.path == path), None)
    if entry is None or entry.is_folder:
        raise NotFound(f"{path} {'is a folder, not a file' if entry else 'does not exist'}.")
    if entry.size is not None and entry.size > max_bytes:
        return b"", entry.size
    if re.search(r"[#?%]", path):
        raise ActionRefused(
            f"{path} has a name that MLflow cannot request from its server.", next="Copy it from the server's own folder."
        )
    with (
        tempfile.TemporaryDirectory(prefix="podium-file-", ignore_cleanup_errors=True) as folder,
        _translate_read_errors(path),
    ):
        repository = _artifact_repository(backend, location)
        saved_file = Path(
            run_with_progress(
                lambda: repository.download_artifacts(path, folder), lambda: _folder_size(Path(folder)), call_seconds()
            )
        )
        root = Path(folder).resolve()
        return local_files.read_file(root, saved_file.resolve().relative_to(root).as_posix(), max_bytes)


def _folder_size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a partial file that was just renamed
            size += path.lstat().st_size
    return size


def _too_large_error(path: str, size: int, max_bytes: int) -> ActionRefused:
    advice = "Download it to view it." if size <= MAX_DOWNLOAD_BYTES else "Fetch it with the MLflow client."
    return ActionRefused(f"{path} has {size / 1e6:,.1f} MB; the limit here is {max_bytes / 1e6:,.0f} MB.", next=advice)


@contextmanager
def _translate_read_errors(subject: str) -> Iterator[None]:
    """Translate errors of MLflow, the network and cloud clients."""
    try:
        with translate_errors(subject):
            yield
    except DeadlineExceeded as error:
        raise NoAnswer(f"{subject} could not be downloaded.", next="Check that the store is running, then try again.") from error
    except ImportError as error:
        raise BackendError(f"Reading these files needs a package that is not installed: {error.name}.") from error
    except _read_error_types() as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 404:
            raise NotFound(f"{subject} was not found.", next="It may have been removed since the list was read.") from error
        raise BackendError(f"{subject} could not be read: {str(error)[:200]}", next="Try again.") from error


def _read_error_types() -> tuple[type[Exception], ...]:
    """Return the errors of the network and cloud clients. Evaluated after an error: before that, a client may not be loaded."""
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, ValueError, *((botocore.BotoCoreError, botocore.ClientError) if botocore else ()))
