"""Inventory of the artifact locations of every experiment, run, logged model and version, and facts about this machine.

Read from the tables of a local database if their schema is known, else through the client. Locations are not tried out: a client
that once talked to a server can appear to reach files it cannot (facts: MLflow caches artifact repositories by run id only).
"""

import importlib.util
import os
import re
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx

from lib.backends.backend import Backend
from lib.backends.connectivity import send_get
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import iterate_pages, read_pages
from lib.doctor.artifacts.rules import Machine, PathStatus, RecordedLocation
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import ProgressCallback
from lib.errors import NoAnswer, PodiumError
from lib.runs.reading.sqlite_reader import MODEL_VERSIONS, query_rows

PAGE_SIZE = 1000
MAX_RUNS = 20_000
"""Maximum number of runs whose artifact locations are read from a server."""
_VERSION_QUERY = (
    f"SELECT name || ' v' || version, run_id, coalesce(storage_location, source) FROM {MODEL_VERSIONS} ORDER BY name, version"  # noqa: S608 - constant text
)
_QUERIES = (
    "SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments",
    "SELECT run_uuid, experiment_id, artifact_uri, lifecycle_stage FROM runs",
    "SELECT model_id, experiment_id, artifact_location, lifecycle_stage FROM logged_models",
    _VERSION_QUERY,
)
_INDIRECT_URI = re.compile(r"(?:runs|models):/")


@dataclass(frozen=True)
class ArtifactInventory:
    """All artifact locations of a backend and its experiment names by id, with secrets masked; `is_truncated` if runs are left out."""

    locations: tuple[RecordedLocation, ...]
    experiment_names: dict[str, str]
    is_truncated: bool = False


def read_inventory(backend: Backend, progress: ProgressCallback) -> ArtifactInventory:
    """Read all locations. Raises PodiumError if the backend stops responding."""
    return _read_from_tables(backend) or _read_from_client(backend, progress)


def describe_machine(backend: Backend) -> Machine:
    """Return the facts about this machine needed to diagnose locations."""
    database_folder = backend.path.parent if backend.path else None
    return Machine(
        os.name == "nt", lambda path: _path_status(Path(path), database_folder), _missing_requirement, _serves_artifacts(backend)
    )


def _read_from_tables(backend: Backend) -> ArtifactInventory | None:
    tables = [query_rows(backend, query) for query in _QUERIES]
    if any(rows is None for rows in tables):
        return None
    experiments, runs, models, versions = ([tuple(map(str, row)) for row in rows or ()] for rows in tables)
    locations = [RecordedLocation("experiment", id_, id_, uri, state == "deleted") for id_, _, uri, state in experiments]
    locations += [RecordedLocation("run", id_, experiment_id, uri, state == "deleted") for id_, experiment_id, uri, state in runs]
    locations += [
        RecordedLocation("model", id_, experiment_id, uri, state == "deleted") for id_, experiment_id, uri, state in models
    ]
    experiment_of_run = {location.owner_id: location.experiment_id for location in locations if location.owner_type == "run"}
    locations += [
        RecordedLocation("version", name, experiment_of_run.get(run_id, ""), uri)
        for name, run_id, uri in versions
        if not _INDIRECT_URI.match(uri)
    ]
    return ArtifactInventory(tuple(locations), {id_: mask_secrets(name) for id_, name, *_ in experiments})


def _read_from_client(backend: Backend, progress: ProgressCallback) -> ArtifactInventory:
    from mlflow.entities import ViewType

    mlflow_client = client(backend)
    with translate_errors("The list of experiments"):
        experiments = read_pages(lambda token: mlflow_client.search_experiments(ViewType.ALL, PAGE_SIZE, page_token=token))
    experiment_locations = [
        RecordedLocation("experiment", str(e.experiment_id), str(e.experiment_id), e.artifact_location, _is_deleted(e))
        for e in experiments
    ]
    experiment_names = {str(e.experiment_id): mask_secrets(e.name) for e in experiments}
    progress(f"Reading the artifact locations of {len(experiment_names)} experiments…")
    run_locations = _read_run_locations(backend, list(experiment_names))
    experiment_of_run = {location.owner_id: location.experiment_id for location in run_locations}
    other_locations = [
        *_read_model_locations(backend, list(experiment_names)),
        *_read_version_locations(backend, experiment_of_run),
    ]
    return ArtifactInventory(
        (*experiment_locations, *run_locations, *other_locations), experiment_names, len(run_locations) >= MAX_RUNS
    )


def _read_run_locations(backend: Backend, experiment_ids: list[str]) -> list[RecordedLocation]:
    from mlflow.entities import ViewType

    locations = list[RecordedLocation]()
    with translate_errors("The runs"), relaxed_gc():
        pages = iterate_pages(
            lambda token: client(backend).search_runs(experiment_ids, "", ViewType.ALL, PAGE_SIZE, page_token=token)
        )
        for run in islice(chain.from_iterable(pages), MAX_RUNS):
            info = run.info
            locations.append(
                RecordedLocation(
                    "run", info.run_id, str(info.experiment_id), info.artifact_uri or "", info.lifecycle_stage == "deleted"
                )
            )
    return locations


def _read_model_locations(backend: Backend, experiment_ids: list[str]) -> list[RecordedLocation]:
    """Return the locations of logged models; empty if the server does not support them."""
    try:
        with translate_errors("The logged models"):
            models = read_pages(
                lambda token: client(backend).search_logged_models(experiment_ids, max_results=50, page_token=token)
            )
            return [
                RecordedLocation("model", model.model_id, str(model.experiment_id), model.artifact_location) for model in models
            ]
    except NoAnswer:
        raise
    except PodiumError:
        return []


def _read_version_locations(backend: Backend, experiment_of_run: dict[str, str]) -> list[RecordedLocation]:
    with translate_errors("The registered versions"):
        versions = read_pages(lambda token: client(backend).search_model_versions(max_results=PAGE_SIZE, page_token=token))
        return [
            RecordedLocation(
                "version",
                f"{version.name} v{version.version}",
                experiment_of_run.get(version.run_id or "", ""),
                version.source or "",
            )
            for version in versions
            if not _INDIRECT_URI.match(version.source or "runs:/")
        ]


def _is_deleted(experiment: Any) -> bool:
    return bool(experiment.lifecycle_stage == "deleted")


def _path_status(path: Path, database_folder: Path | None) -> PathStatus:
    """Return the status of an absolute folder on this machine. One next to the database may be created later; if not even its second
    level exists (/home/ana, /mnt/share), it belongs to another machine."""
    try:
        existing_folder = next(folder for folder in (path, *path.parents) if folder.exists())
    except (OSError, StopIteration):
        return "elsewhere"
    is_beside_database = database_folder is not None and path.is_relative_to(database_folder)
    if existing_folder != path and len(existing_folder.parts) <= 2 and not is_beside_database:
        return "elsewhere"
    if not os.access(existing_folder, os.W_OK):
        return "unwritable"
    return "fine" if existing_folder == path else "absent"


def _missing_requirement(scheme: str) -> str:
    module, variables, files = _CLOUD_REQUIREMENTS[scheme]
    if _is_missing(module):
        return "package"
    has_credentials = any(os.environ.get(variable) for variable in variables) or any(
        Path(file).expanduser().exists() for file in files
    )
    return "" if has_credentials else "sign_in"


_CLOUD_REQUIREMENTS = {
    "s3": ("boto3", ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"), ("~/.aws/credentials", "~/.aws/config")),
    "gs": (
        "google.cloud.storage",
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("~/.config/gcloud/application_default_credentials.json",),
    ),
    "wasbs": ("azure.storage.blob", ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"), ("~/.azure",)),
    "abfss": ("azure.storage.filedatalake", ("AZURE_CLIENT_ID", "AZURE_STORAGE_ACCESS_KEY"), ("~/.azure",)),
}


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


def _serves_artifacts(backend: Backend) -> bool | None:
    """Return whether a server serves artifacts; it responds 503 if started with --no-serve-artifacts. None if unknown."""
    if backend.kind != "server":
        return None
    try:
        response = send_get(backend, f"{ARTIFACTS_API_PATH}?path=")
    except httpx.HTTPError:
        return None
    return (
        False
        if response.status_code == 503 and "serve-artifacts" in response.text
        else True
        if response.status_code == 200
        else None
    )


ARTIFACTS_API_PATH = "/api/2.0/mlflow-artifacts/artifacts"
