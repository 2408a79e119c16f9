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

from lib.backends.artifact_access import out_of_reach
from lib.backends.artifact_path_map import read_from
from lib.backends.backend import Backend
from lib.backends.credentials import wire
from lib.backends.mlflow_client import client, translated
from lib.errors import BackendError, BadInput, NotFound, Refused
from lib.runs.artifacts import local_files as local
from lib.runs.artifacts import server_files as served
from lib.runs.reading.run_reader import run as read_run

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

MOST_SHOWN = 10_000_000
"""Bytes of a file up to which it is fetched to be shown."""
MOST_DOWNLOADED = 200_000_000
MOST_MODELS = 10
CLOUDS = frozenset({"s3", "gs", "wasbs", "abfss"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class Place:
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
class Entry:
    """A file or folder, by its path from the place's root. The size in bytes is None for a folder and where nobody tells it."""

    path: str
    is_folder: bool
    size: int | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Tree:
    """Files and folders below a folder, parents before what they hold. With `more`, there are more than were listed."""

    entries: tuple[Entry, ...]
    more: bool = False


@dataclass(frozen=True)
class Content:
    """A file, whole."""

    path: str
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, as hex digits."""
        return sha256(self.data).hexdigest()


def places(backend: Backend, run_id: str) -> tuple[Place, ...]:
    """The run's own files first, then those of the models it logged, at most ten. A model that is gone is left out."""
    found = read_run(backend, run_id)
    made = [Place(read_from(backend, found.artifact_uri), run_id=run_id)]
    for model_id in found.model_ids[:MOST_MODELS]:
        try:
            with translated(f"Model {model_id}"):
                model = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        made.append(Place(read_from(backend, model.artifact_location), model_id=model_id, name=model.name or model_id))
    return tuple(made)


def listing(backend: Backend, place: Place, path: str = "") -> tuple[Entry, ...]:
    """What lies in one folder: folders first, then by name. Names that could not be asked for again are left out.

    Raises Refused for a path that leads out of the place, NotFound for a folder that is not there (a server gives an empty list
    instead), BackendError for a place that cannot be reached from here.
    """
    inner = _checked(path)
    below = f"{inner}/" if inner else ""
    match _road(backend, place):
        case "here":
            found = [Entry(below + name, is_folder, size) for name, is_folder, size in local.entries(_folder(place), inner)]
        case "served":
            found = [Entry(*told) for told in served.entries(backend, _owner(place), inner)]
        case _:
            found = _through_mlflow(backend, place, inner)
    kept = [one for one in found if _is_safe(one.path) and str(PurePosixPath(one.path).parent) in (inner or ".",)]
    return tuple(sorted(kept, key=lambda one: (not one.is_folder, one.name.casefold(), one.name)))


def walk(backend: Backend, place: Place, path: str = "", most: int = 300) -> Tree:
    """All below a folder, level by level until `most` entries are known; a folder too deep to be listed stays closed."""
    found: dict[str, tuple[Entry, ...]] = {}
    waiting, known = [_checked(path)], 0
    while waiting and known < most:
        above = waiting.pop(0)
        found[above] = _listed(backend, place, above, must=above == _checked(path))
        known += len(found[above])
        waiting += [one.path for one in found[above] if one.is_folder and one.path.count("/") < 12]
    entries = list(_in_order(found, _checked(path)))
    return Tree(tuple(entries[:most]), bool(waiting) or len(entries) > most)


def fetch(backend: Backend, place: Place, path: str, most: int = MOST_SHOWN) -> Content:
    """The bytes of a file. Raises Refused for one larger than `most` bytes, before it is fetched wherever its size is told."""
    inner = _checked(path)
    if not inner:
        raise BadInput("No file was named.")
    match _road(backend, place):
        case "here":
            data, size = local.read(_folder(place), inner, most)
        case "served":
            data, size = served.read(backend, _owner(place), inner, most)
        case _:
            data, size = _downloaded(backend, place, inner, most)
    if size > most:
        raise _too_large(inner, size, most)
    return Content(inner, data)


def _listed(backend: Backend, place: Place, path: str, *, must: bool) -> tuple[Entry, ...]:
    try:
        return listing(backend, place, path)
    except (Refused, NotFound):  # a link that leads out, or a folder that went: the rest of the tree is still worth seeing
        if must:
            raise
        return ()


def _in_order(found: dict[str, tuple[Entry, ...]], above: str) -> Iterator[Entry]:
    for one in found.get(above, ()):
        yield one
        yield from _in_order(found, one.path) if one.is_folder else ()


def _checked(path: str) -> str:
    """The path in one spelling. Raises Refused for one that could name something outside."""
    if not _is_safe(path):
        raise Refused(f"{path[:120]!r} is no path inside the files of this run.", next="Choose one from the list.")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _is_safe(path: str) -> bool:
    if len(path) > 1000 or path.startswith("/") or _CONTROL.search(path) or re.match(r"[A-Za-z]:", path):
        return False
    try:
        path.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 on disk
        return False
    return ".." not in path.split("/")


def _road(backend: Backend, place: Place) -> Literal["here", "served", "mlflow"]:
    """How to reach a place. A folder is read here only where the backend is a file here too: a server's folders are the server's."""
    if local.folder(place.uri) is None:
        return "mlflow"
    return "served" if backend.kind == "server" else "here"


def _folder(place: Place) -> Path:
    folder = local.folder(place.uri)
    assert folder is not None
    return folder


def _owner(place: Place) -> served.Owner:
    return ("model", place.model_id) if place.model_id else ("run", place.run_id)


def _through_mlflow(backend: Backend, place: Place, path: str) -> list[Entry]:
    with _asking(path or "The list of files"):
        told = _repository(backend, place).list_artifacts(path or None)
    return [Entry(one.path, bool(one.is_dir), None if one.is_dir else one.file_size) for one in told]


def _repository(backend: Backend, place: Place) -> "ArtifactRepository":
    """MLflow's own access to the place, with the tracking URI explicit."""
    far = out_of_reach(place.uri, backend)
    if far == "mlflow-artifacts" and backend.kind != "server":
        raise BackendError(
            "These files were logged through an MLflow server, and this backend is the bare database.",
            means="Runs, parameters and metrics are here, the files are reached only through the server.",
            next="Start the MLflow server on this database and set MLFLOW_TRACKING_URI to its address.",
        )
    if not place.uri or (far and far not in CLOUDS):
        host = urlsplit(place.uri).netloc.rpartition("@")[2] if far != "unreadable" else ""
        raise BackendError(f"Podium does not read files from {far or 'nowhere'}{f'://{host}' if host else ''}.")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(place.uri, tracking_uri=wire(backend), registry_uri=wire(backend))


def _downloaded(backend: Backend, place: Place, path: str, most: int) -> tuple[bytes, int]:
    """Through a temporary folder that is removed. The parent is listed first: it tells the size, and a file from a folder."""
    parent = str(PurePosixPath(path).parent)
    entry = next((one for one in listing(backend, place, "" if parent == "." else parent) if one.path == path), None)
    if entry is None or entry.is_folder:
        raise NotFound(f"{path} is {'a folder, not a file' if entry else 'not there'}.")
    if entry.size is not None and entry.size > most:
        return b"", entry.size
    if re.search(r"[#?%]", path):
        raise Refused(f"{path} has a name that MLflow cannot ask its server for.", next="Fetch it from the server's own folder.")
    with tempfile.TemporaryDirectory(prefix="podium-file-") as folder, _asking(path):
        saved = Path(_repository(backend, place).download_artifacts(path, folder))
        return local.read(Path(folder), saved.resolve().relative_to(Path(folder).resolve()).as_posix(), most)


def _too_large(path: str, size: int, most: int) -> Refused:
    where = "Download it to look at it." if size <= MOST_DOWNLOADED else "Fetch it with the MLflow client."
    return Refused(f"{path} has {size / 1e6:,.1f} MB, and at most {most / 1e6:,.0f} MB are read here.", next=where)


@contextmanager
def _asking(subject: str) -> Iterator[None]:
    """Translate what MLflow, the network and the clouds' own clients raise."""
    try:
        with translated(subject):
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
