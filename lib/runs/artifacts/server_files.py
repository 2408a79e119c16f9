"""Files in a folder on the server's machine, read through the routes of MLflow's own UI.

Runs logged without the server name such folders. On this machine the folder may not exist or may be a different one, so only the
server is queried, with this backend's sign-in. `files` checks every path first.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx

from lib.backends.backend import Backend
from lib.backends.call_deadline import DeadlineExceeded, call_seconds, read_with_progress, run_with_deadline
from lib.backends.httpx_auth import httpx_auth
from lib.errors import BackendError, NoAnswer, NotFound

_ID = re.compile(r"[\w-]{1,128}", re.ASCII)
ArtifactOwner = tuple[str, str]
"""The word "run" or "model", and the id."""


def list_folder(backend: Backend, owner: ArtifactOwner, path: str) -> list[tuple[str, bool, int | None]]:
    """List path, whether it is a folder, and size of the entries of a folder. An unknown folder is empty."""
    kind, id_ = _check_owner(owner)
    route, parameters = (
        ("/api/2.0/mlflow/artifacts/list", {"run_id": id_, "path": path})
        if kind == "run"
        else (f"/api/2.0/mlflow/logged-models/{id_}/artifacts/directories", {"artifact_directory_path": path})
    )
    with _stream_response(backend, route, {name: value for name, value in parameters.items() if value}) as response:
        run_with_deadline(response.read, call_seconds())
        try:
            files = response.json().get("files", [])
            return [(str(file["path"]), bool(file.get("is_dir")), _parse_size(file.get("file_size"))) for file in files]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BackendError(f"{backend.name} did not return a list of files.") from error


def read_file(backend: Backend, owner: ArtifactOwner, path: str, max_bytes: int) -> tuple[bytes, int]:
    """Return a file's bytes and its minimum size; no bytes if it exceeds `max_bytes`."""
    kind, id_ = _check_owner(owner)
    route, parameters = (
        ("/get-artifact", {"run_uuid": id_, "path": path})
        if kind == "run"
        else (f"/ajax-api/2.0/mlflow/logged-models/{id_}/artifacts/files", {"artifact_file_path": path})
    )
    data = bytearray()
    with _stream_response(backend, route, parameters) as response:
        size = _parse_size(response.headers.get("content-length")) or 0
        if size > max_bytes:
            return b"", size
        for chunk in read_with_progress(response.iter_bytes(), call_seconds()):
            data += chunk
            if len(data) > max_bytes:
                return b"", len(data)
    return bytes(data), len(data)


def _check_owner(owner: ArtifactOwner) -> ArtifactOwner:
    if not _ID.fullmatch(owner[1]):
        raise NotFound(f"{owner[1][:80] or 'An empty text'} is not a valid {owner[0]} id.")
    return owner


def _parse_size(value: object) -> int | None:
    """Parse a size: servers report text or a number, and nothing for an empty file."""
    return int(str(value)) if value is not None and str(value).isdecimal() else None


@contextmanager
def _stream_response(backend: Backend, route: str, parameters: Mapping[str, str]) -> Iterator[httpx.Response]:
    """Stream the server's answer within the block. Raises NoAnswer if it does not arrive before its deadline."""
    seconds, auth = call_seconds(), httpx_auth(backend)
    try:
        stream = httpx.stream("GET", backend.uri + route, params=parameters, timeout=seconds, auth=auth)
        with ExitStack() as exit_stack:
            response = run_with_deadline(stream.__enter__, seconds)
            exit_stack.push(stream)
            if response.status_code in (400, 404, 500):  # MLflow answers 500 for a missing file
                raise NotFound(
                    "This file or folder is not on the server.", next="It may have been removed or be on another machine."
                )
            if response.is_redirect:
                from lib.backends.http_redirects import redirect_error

                raise redirect_error(response.headers.get("location", ""))
            if response.status_code != 200:
                raise BackendError(f"{backend.name} answered {response.status_code} to a file request.")
            yield response
    except (httpx.HTTPError, DeadlineExceeded) as error:
        raise NoAnswer(f"{backend.name} stopped answering.", next="Check that it is running, then try again.") from error
