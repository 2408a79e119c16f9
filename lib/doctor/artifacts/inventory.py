"""Where a backend keeps the files of every experiment, run, logged model and version; and what this machine is, for judging it.

Read from the tables of a local file where they are known, else from the client. Nothing is tried out here: a client that has once
talked to a server can seem to reach what it cannot (facts: MLflow keeps its artifact roads by run id only).
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lib.backends.backend import Backend
from lib.backends.connectivity import HTTP_TIMEOUT_SECONDS
from lib.backends.credentials import httpx_auth
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.artifacts.rules import Machine, PathStatus, RecordedLocation
from lib.doctor.types import ProgressCallback
from lib.errors import PodiumError
from lib.runs.reading.sqlite_rows import query_rows

PAGE_SIZE = 1000
MAX_RUNS = 20_000
"""Runs up to which a server is asked for where their files are."""
_VERSIONS = """
    SELECT name || ' v' || version, run_id, coalesce(storage_location, source) FROM model_versions
    WHERE current_stage <> 'Deleted_Internal' ORDER BY name, version"""
_TABLES = (
    "SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments",
    "SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage FROM runs",
    "SELECT model_id, experiment_id, artifact_location, lifecycle_stage FROM logged_models",
    _VERSIONS,
)
_RESOLVED = re.compile(r"(?:runs|models):/")


@dataclass(frozen=True)
class ArtifactInventory:
    """All places of a backend, and the names of its experiments by id. With `more`, there are runs that were not asked for."""

    locations: tuple[RecordedLocation, ...]
    experiment_names: dict[str, str]
    is_truncated: bool = False


def read_inventory(backend: Backend, progress: ProgressCallback) -> ArtifactInventory:
    """Read all places. Raises PodiumError when the backend stops answering."""
    return _from_tables(backend) or _from_client(backend, progress)


def describe_machine(backend: Backend) -> Machine:
    """This machine, as far as places are judged by it."""
    near = backend.path.parent if backend.path else None
    return Machine(os.name == "nt", lambda path: _standing(Path(path), near), _lacks, _proxied(backend))


def _from_tables(backend: Backend) -> ArtifactInventory | None:
    found = [query_rows(backend, question) for question in _TABLES]
    if any(answer is None for answer in found):
        return None
    experiments, runs, models, versions = ([tuple(map(str, row)) for row in answer or ()] for answer in found)
    places = [RecordedLocation("experiment", id_, id_, uri, state == "deleted") for id_, _, uri, state in experiments]
    places += [RecordedLocation("run", id_, home, uri, state == "deleted") for id_, home, uri, state in runs]
    places += [RecordedLocation("model", id_, home, uri, state == "deleted") for id_, home, uri, state in models]
    homes = {place.owner_id: place.experiment_id for place in places if place.owner_type == "run"}
    places += [
        RecordedLocation("version", name, homes.get(run, ""), uri) for name, run, uri in versions if not _RESOLVED.match(uri)
    ]
    return ArtifactInventory(tuple(places), {id_: name for id_, name, *_ in experiments})


def _from_client(backend: Backend, told: ProgressCallback) -> ArtifactInventory:
    from mlflow.entities import ViewType

    asked = client(backend)
    with translate_errors("The list of experiments"):
        pages = _pages(lambda token: asked.search_experiments(ViewType.ALL, PAGE_SIZE, page_token=token))
        experiments = [
            RecordedLocation("experiment", str(e.experiment_id), str(e.experiment_id), e.artifact_location, _gone(e))
            for e in pages
        ]
        names = {
            str(e.experiment_id): e.name
            for e in _pages(lambda t: asked.search_experiments(ViewType.ALL, PAGE_SIZE, page_token=t))
        }
    told(f"Where do the runs of {len(names)} experiments keep their files?")
    runs = _runs(backend, list(names))
    homes = {place.owner_id: place.experiment_id for place in runs}
    rest = [*_models(backend, list(names)), *_versions(backend, homes)]
    return ArtifactInventory((*experiments, *runs, *rest), names, len(runs) >= MAX_RUNS)


def _runs(backend: Backend, experiments: list[str]) -> list[RecordedLocation]:
    from mlflow.entities import ViewType

    found = list[RecordedLocation]()
    with translate_errors("The runs"), relaxed_gc():
        for run in _pages(lambda t: client(backend).search_runs(experiments, "", ViewType.ALL, PAGE_SIZE, page_token=t)):
            info = run.info
            found.append(
                RecordedLocation(
                    "run", info.run_id, str(info.experiment_id), info.artifact_uri or "", info.lifecycle_stage == "deleted"
                )
            )
            if len(found) >= MAX_RUNS:
                break
    return found


def _models(backend: Backend, experiments: list[str]) -> list[RecordedLocation]:
    """The logged models; none where the server has none."""
    try:
        with translate_errors("The logged models"):
            asked = _pages(lambda t: client(backend).search_logged_models(experiments, max_results=50, page_token=t))
            return [RecordedLocation("model", one.model_id, str(one.experiment_id), one.artifact_location) for one in asked]
    except PodiumError:
        return []


def _versions(backend: Backend, homes: dict[str, str]) -> list[RecordedLocation]:
    with translate_errors("The registered versions"):
        asked = _pages(lambda t: client(backend).search_model_versions(max_results=PAGE_SIZE, page_token=t))
        return [
            RecordedLocation("version", f"{one.name} v{one.version}", homes.get(one.run_id or "", ""), one.source or "")
            for one in asked
            if not _RESOLVED.match(one.source or "runs:/")
        ]


def _pages(ask: Any) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _gone(experiment: Any) -> bool:
    return bool(experiment.lifecycle_stage == "deleted")


def _standing(path: Path, near: Path | None) -> PathStatus:
    """How an absolute folder stands here. One beside the database may be made later; one of which not even the second level is there
    (/home/ana, /mnt/share) belongs to another machine."""
    try:
        found = next(one for one in (path, *path.parents) if one.exists())
    except (OSError, StopIteration):
        return "elsewhere"
    beside = near is not None and path.is_relative_to(near)
    if found != path and len(found.parts) <= 2 and not beside:
        return "elsewhere"
    if not os.access(found, os.W_OK):
        return "unwritable"
    return "fine" if found == path else "absent"


def _lacks(scheme: str) -> str:
    module, names, files = _CLOUDS[scheme]
    if _missing(module):
        return "package"
    given = any(os.environ.get(name) for name in names) or any(Path(file).expanduser().exists() for file in files)
    return "" if given else "sign_in"


_CLOUDS = {
    "s3": ("boto3", ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"), ("~/.aws/credentials", "~/.aws/config")),
    "gs": (
        "google.cloud.storage",
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("~/.config/gcloud/application_default_credentials.json",),
    ),
    "wasbs": ("azure.storage.blob", ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"), ("~/.azure",)),
    "abfss": ("azure.storage.filedatalake", ("AZURE_CLIENT_ID", "AZURE_STORAGE_ACCESS_KEY"), ("~/.azure",)),
}


def _missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


def _proxied(backend: Backend) -> bool | None:
    """Whether a server hands files on: it says 503 when it was started with --no-serve-artifacts. None when it cannot be told."""
    if backend.kind != "server":
        return None
    try:
        answer = httpx.get(f"{backend.uri}{ARTIFACTS_API_PATH}?path=", timeout=HTTP_TIMEOUT_SECONDS, auth=httpx_auth(backend))
    except httpx.HTTPError:
        return None
    return (
        False if answer.status_code == 503 and "serve-artifacts" in answer.text else True if answer.status_code == 200 else None
    )


ARTIFACTS_API_PATH = "/api/2.0/mlflow-artifacts/artifacts"
