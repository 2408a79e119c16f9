"""Rules that decide whether files can be stored at an artifact location, from its URI, its backend and facts about this machine. Pure.

A location belongs to an experiment, a run, a logged model or a version. `inventory` reads locations, `problem_texts` explains problems.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from lib.backends.backend import Backend

LocationOwner = Literal["experiment", "run", "model", "version"]
PathStatus = Literal["fine", "absent", "elsewhere", "unwritable"]
LocationProblem = Literal[
    "proxy",
    "no_proxy",
    "other_server",
    "windows",
    "posix",
    "relative",
    "elsewhere",
    "unwritable",
    "trap",
    "package",
    "sign_in",
    "odd",
]
CLOUD_STORES = {
    "s3": ("boto3", "S3"),
    "gs": ("google-cloud-storage", "Google Cloud Storage"),
    "wasbs": ("azure-storage-blob", "Azure"),
    "abfss": ("azure-storage-file-datalake", "Azure"),
}
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_WINDOWS_PATH = re.compile(r"^(?:/?[A-Za-z]:[\\/]|\\\\|[^/:]*\\)")


@dataclass(frozen=True)
class RecordedLocation:
    """The recorded artifact location of one owner. `experiment_id` is the owner's experiment, empty if unknown."""

    owner_type: LocationOwner
    owner_id: str
    experiment_id: str
    uri: str
    is_deleted: bool = False


@dataclass(frozen=True)
class Machine:
    """Facts about this machine: its kind, the status of its folders, and missing requirements for cloud storage.

    `path_status(path)` takes an absolute folder. `missing_requirement(scheme)` of a cloud is "package", "sign_in" or empty.
    `serves_artifacts` is whether the server serves artifacts; None for a backend without a server.
    """

    is_windows: bool
    path_status: Callable[[str], PathStatus]
    missing_requirement: Callable[[str], str]
    serves_artifacts: bool | None = None


def diagnose(uri: str, backend: Backend, machine: Machine) -> LocationProblem | None:
    """Return the problem with a location, or None if its URI shows none."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "odd"
    path = local_path(uri)
    if path is not None:
        return _diagnose_folder(path, host, backend, machine)
    if parts.scheme == "mlflow-artifacts":
        return _diagnose_proxied(parts.netloc, backend, machine)
    if parts.scheme in CLOUD_STORES:
        missing_requirement = machine.missing_requirement(parts.scheme)
        return "package" if missing_requirement == "package" else "sign_in" if missing_requirement else None
    return "odd"


def local_path(uri: str) -> str | None:
    """Return the folder of a location without a server, as written; None for any other location."""
    if _WINDOWS_PATH.match(uri):
        return uri
    parts = urlsplit(uri)
    if parts.scheme == "file":
        path = unquote(parts.path)
        return path[1:] if re.match(r"/[A-Za-z]:", path) else path
    return uri if uri and not parts.scheme else None


def is_local_server(backend: Backend) -> bool:
    """Return whether a server runs on this machine, judging by its address."""
    return backend.kind == "server" and urlsplit(backend.uri).hostname in LOOPBACK_HOSTS


def _diagnose_proxied(netloc: str, backend: Backend, machine: Machine) -> LocationProblem | None:
    if backend.kind != "server":
        return "proxy"
    if netloc and netloc != urlsplit(backend.uri).netloc:
        return "other_server"
    return "no_proxy" if machine.serves_artifacts is False else None


def _diagnose_folder(path: str, host: str, backend: Backend, machine: Machine) -> LocationProblem | None:
    if backend.kind == "server":
        return "trap"
    if host not in ("", "localhost"):
        return "elsewhere"
    is_windows_path = bool(_WINDOWS_PATH.match(path))
    if is_windows_path != machine.is_windows and (is_windows_path or path.startswith("/")):
        return "windows" if is_windows_path else "posix"
    if not is_windows_path and not path.startswith("/"):
        return "relative"
    status = machine.path_status(path)
    return status if status in ("elsewhere", "unwritable") else None
