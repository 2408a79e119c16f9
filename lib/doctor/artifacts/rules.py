"""Whether files can be kept at a place, judged from its address, the backend that names it, and what is known of this machine. Pure.

A place belongs to an experiment, a run, a logged model or a version. Where each stands is read by `kept`, what follows is told by
`locations`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from lib.backends.backend import Backend

Owner = Literal["experiment", "run", "model", "version"]
Standing = Literal["fine", "absent", "elsewhere", "unwritable"]
Trouble = Literal[
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
CLOUDS = {
    "s3": ("boto3", "S3"),
    "gs": ("google-cloud-storage", "Google Cloud Storage"),
    "wasbs": ("azure-storage-blob", "Azure"),
    "abfss": ("azure-storage-file-datalake", "Azure"),
}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WINDOWS = re.compile(r"^(?:/?[A-Za-z]:[\\/]|\\\\|[^/:]*\\)")


@dataclass(frozen=True)
class Place:
    """Where the files of one thing belong. `experiment` is the id of the experiment it lies in, empty when that is not known."""

    owner: Owner
    id: str
    experiment: str
    uri: str
    deleted: bool = False


@dataclass(frozen=True)
class Machine:
    """What is known of this machine: its kind, how a folder stands on it, and what its clouds lack.

    `stands(path)` tells of an absolute folder. `lacks(scheme)` tells "package", "sign_in" or nothing of a cloud. `proxied` is whether
    the server hands files on; None for a backend without a server.
    """

    windows: bool
    stands: Callable[[str], Standing]
    lacks: Callable[[str], str]
    proxied: bool | None = None


def judge(uri: str, backend: Backend, here: Machine) -> Trouble | None:
    """What is wrong with a place; None when files can be kept there as far as its address tells."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "odd"
    path = folder_of(uri)
    if path is not None:
        return _folder(path, host, backend, here)
    if parts.scheme == "mlflow-artifacts":
        return _through_a_server(parts.netloc, backend, here)
    if parts.scheme in CLOUDS:
        lack = here.lacks(parts.scheme)
        return "package" if lack == "package" else "sign_in" if lack else None
    return "odd"


def folder_of(uri: str) -> str | None:
    """The folder that a place without a server names, in its own spelling; None for any other place."""
    if _WINDOWS.match(uri):
        return uri
    parts = urlsplit(uri)
    if parts.scheme == "file":
        path = unquote(parts.path)
        return path[1:] if re.match(r"/[A-Za-z]:", path) else path
    return uri if uri and not parts.scheme else None


def is_local_server(backend: Backend) -> bool:
    """Whether a server runs on this machine, as far as its address tells."""
    return backend.kind == "server" and urlsplit(backend.uri).hostname in LOOPBACK


def _through_a_server(netloc: str, backend: Backend, here: Machine) -> Trouble | None:
    if backend.kind != "server":
        return "proxy"
    if netloc and netloc != urlsplit(backend.uri).netloc:
        return "other_server"
    return "no_proxy" if here.proxied is False else None


def _folder(path: str, host: str, backend: Backend, here: Machine) -> Trouble | None:
    if backend.kind == "server":
        return "trap"
    if host not in ("", "localhost"):
        return "elsewhere"
    windows = bool(_WINDOWS.match(path))
    if windows != here.windows and (windows or path.startswith("/")):
        return "windows" if windows else "posix"
    if not windows and not path.startswith("/"):
        return "relative"
    standing = here.stands(path)
    return standing if standing in ("elsewhere", "unwritable") else None
