"""The MLflow client of a backend, with both URIs explicit. Translating its errors is left to `mlflow_errors`.

The fluent API and `mlflow.set_tracking_uri` are process-wide and therefore never used here. Our own probe detects a dead server within
seconds because MLflow's client would retry for four minutes.
"""

import gc
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx

from lib.backends import connectivity, dagshub
from lib.backends.backend import Backend
from lib.backends.credentials import client_uri
from lib.backends.request_auth import install_provider, isolate_artifact_access

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLFLOW_VERSION_PATTERN = re.compile(r"\d+\.\d+[\w.+-]{0,20}")
_GC_THRESHOLD = (50_000, 20, 100)
_READERS: list[int] = []
_PREVIOUS_THRESHOLD: list[int] = []
_READERS_LOCK = threading.Lock()


@lru_cache(maxsize=64)
def client(backend: Backend) -> "MlflowClient":
    """Return the MLflow client of a backend: one per backend, hence never shared by two principals. Sends no request.

    Raises BackendError if this MLflow cannot keep two users apart or its calls cannot be given a deadline.
    """
    from mlflow import MlflowClient

    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # the address contains the principal
    if backend.kind == "server":
        from lib.backends.deadline_adapter import install_adapter

        install_provider()
        install_adapter()
    elif backend.kind == "file":
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # MLflow requires this opt-in for its old format
    uri = client_uri(backend)
    mlflow_client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    isolate_artifact_access(mlflow_client, uri)
    if backend.folder is not None:
        from lib.backends.file_store import tolerate_damage

        tolerate_damage(mlflow_client, backend.folder)
    return mlflow_client


@cache
def installed_mlflow_version() -> str:
    """Return the installed MLflow version, such as "3.17.2". Reads the package metadata without importing MLflow."""
    return version("mlflow")


def read_server_version(backend: Backend) -> str:
    """Return a server's MLflow version, such as "3.17.2"; empty if it does not report it. For other backends, the installed version."""
    if backend.kind != "server":
        return installed_mlflow_version()
    try:
        response = connectivity.send_get(backend, "/version")
    except httpx.HTTPError:
        return ""
    text = response.text.strip()
    return text if response.status_code == 200 and MLFLOW_VERSION_PATTERN.fullmatch(text) else ""


def probe(backend: Backend) -> None:
    """Send a backend one small request with a short time limit. A local SQLite file needs no probe.

    Raises Unreachable if there is no answer, the answer is not MLflow's, or a sign-in is required; see `connectivity`, and `dagshub`
    for a DagsHub repository.
    """
    (dagshub.probe_repository if dagshub.repository_of(backend) else connectivity.probe_backend)(backend)


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Raise Python's garbage-collection threshold while many MLflow objects are created: almost twice as fast from 1,000 runs on.

    The threshold is process-wide, so the first of several readers raises it and the last one restores it.
    """
    with _READERS_LOCK:
        if not _READERS:
            _PREVIOUS_THRESHOLD[:] = gc.get_threshold()
            gc.set_threshold(*_GC_THRESHOLD)
        _READERS.append(1)
    try:
        yield
    finally:
        with _READERS_LOCK:
            _READERS.pop()
            if not _READERS:
                gc.set_threshold(*_PREVIOUS_THRESHOLD)
