"""The lineage of a version, by value: metrics of its run, data, code, environment, and hashes of the model files.

Nothing is unpickled: MLmodel and requirements are read as text, other files are only hashed.
"""

import hashlib
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import rfc8785
import yaml
from mlflow.exceptions import MlflowException

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.artifact_path_map import mapped_location
from lib.backends.backend import Backend
from lib.backends.credentials import client_uri
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_error
from lib.errors import NoAnswer, NotFound, NotWritable, PodiumError
from lib.ledger.entry.types import Lineage, to_json_number
from lib.registry.snapshot import VersionSnapshot
from lib.registry.version_sources import find_source_run_id
from lib.runs.artifacts.local_files import folder_of_uri, has_link_out, own_root
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import COMMIT_TAG, DataInput, Run

_MAX_HASHED_BYTES = 500_000_000
"""Size limit, in bytes, for fetching model files from a server to hash them."""

_MODEL_OR_RUN_ID = re.compile(r"(m-)?[0-9a-f]{32}")
_RETRY_SECONDS = 60.0
"""How long a server is not asked for files after it failed to answer."""
_NO_ANSWER = "the server did not answer the request for the model's files"
_UNANSWERED_AT: dict[Backend, float] = {}


@dataclass(frozen=True)
class _ModelFileHashes:
    """Hashes of the model files (sha256, hex), and why some are missing."""

    environment: str = ""
    signature: str = ""
    artifact: str = ""
    missing: str = ""


def read_lineage(backend: Backend, model: str, version: VersionSnapshot) -> Lineage:
    """The lineage of a version. Unavailable parts are left out, and `missing` says why."""
    hashes, run, reason = _hash_model_files(backend, model, version), None, "the version does not name a run"
    try:
        if run_id := find_source_run_id(backend, version):
            reason = "the run is gone"
            run = read_run(backend, run_id)
    except (NotFound, NotWritable):
        run = None
    missing = hashes.missing if run else "; ".join(dict.fromkeys(filter(None, (hashes.missing, reason))))
    lineage = Lineage(environment=hashes.environment, signature=hashes.signature, artifact=hashes.artifact, missing=missing)
    return lineage if run is None else lineage.model_copy(update=_run_fields(run))


def hash_folder(folder: Path) -> str:
    """sha256 of the file list of a folder, in the format of `sha256sum`, sorted by name; "" if there are no files."""
    lines = sorted(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in folder.rglob("*")
        if path.is_file()
    )
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest() if lines else ""


def _run_fields(run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "run_name": run.name,
        "metrics": {name: to_json_number(value) for name, value in sorted(run.metrics.items())},
        "parameters": _sha256(rfc8785.dumps(dict(run.params))),
        "data": _dataset_digests(run.inputs),
        "git_commit": run.tags.get(COMMIT_TAG, ""),
    }


def _dataset_digests(inputs: Sequence[DataInput]) -> dict[str, str]:
    """Name and use of each dataset → its digest. Datasets with the same name are numbered."""
    digests = dict[str, str]()
    for dataset in inputs:
        name = f"{dataset.name} ({dataset.context})" if dataset.context else dataset.name
        same_name_count = sum(existing_name == name or existing_name.startswith(f"{name} #") for existing_name in digests)
        digests[f"{name} #{same_name_count + 1}" if same_name_count else name] = dataset.digest
    return digests


def _hash_model_files(backend: Backend, model: str, version: VersionSnapshot) -> _ModelFileHashes:
    from mlflow.artifacts import download_artifacts

    if _was_unanswered(backend):
        return _ModelFileHashes(missing=_NO_ANSWER)
    with TemporaryDirectory() as folder:
        try:
            location = mapped_location(backend, client(backend).get_model_version_download_uri(model, version.number))
            if reason := _refusal_reason(backend, location):
                return _ModelFileHashes(missing=reason)
            mlmodel_file = Path(
                download_artifacts(artifact_uri=f"{location}/MLmodel", dst_path=folder, tracking_uri=client_uri(backend))
            )
            mlmodel = yaml.safe_load(mlmodel_file.read_text("utf-8"))
            if not isinstance(mlmodel, dict):
                return _ModelFileHashes(missing="the model's MLmodel file is not readable")
            if _claimed_size(mlmodel) > _MAX_HASHED_BYTES:
                return _combine_hashes(mlmodel, None, "the model is too large to be hashed from here")
            model_folder = Path(
                download_artifacts(artifact_uri=location, dst_path=f"{folder}/model", tracking_uri=client_uri(backend))
            )
        except (MlflowException, OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            is_unanswered = isinstance(error, MlflowException) and _note_unanswered(backend, error)
            return _ModelFileHashes(
                missing=_NO_ANSWER if is_unanswered else f"the model's files cannot be read ({type(error).__name__})"
            )
        return _combine_hashes(mlmodel, model_folder, "")


def _refusal_reason(backend: Backend, location: str) -> str:
    """Why the files at a location are not read; empty if they may be."""
    if scheme := unreadable_scheme(location, backend):
        return f"the model's files are at a {scheme} address, which is not read from here"
    return "a link leads out of the model's folder" if _has_link_out(backend, location) else ""


def _claimed_size(mlmodel: dict[str, object]) -> float:
    """The size in bytes according to an MLmodel file; an invalid value counts as too large."""
    size = mlmodel.get("model_size_bytes") or 0
    return size if isinstance(size, int | float) and size >= 0 else float("inf")


def _combine_hashes(mlmodel: dict[str, object], model_folder: Path | None, missing: str) -> _ModelFileHashes:
    signature = mlmodel.get("signature")
    requirements = model_folder / "requirements.txt" if model_folder else None
    return _ModelFileHashes(
        environment=_sha256(requirements.read_bytes()) if requirements and requirements.is_file() else "",
        signature=_sha256(rfc8785.dumps({str(k): str(v) for k, v in signature.items()})) if isinstance(signature, dict) else "",
        artifact=hash_folder(model_folder) if model_folder else "",
        missing=missing,
    )


def has_model_files(backend: Backend, model: str, version: str) -> bool:
    """Can the model of a version still be fetched? True if its MLmodel file is listed at the version's location.

    A location that is not read from here (S3, another host) counts as complete, since nothing is known against it. Raises NoAnswer if
    the server does not answer; that says nothing about the files.
    """
    from mlflow.artifacts import list_artifacts

    if _was_unanswered(backend):
        raise NoAnswer("The server recently failed to answer for model files.", next="Try again in a minute.")
    try:
        location = mapped_location(backend, client(backend).get_model_version_download_uri(model, version))
        if unreadable_scheme(location, backend):
            return True
        if _has_link_out(backend, location):
            return False
        files = list_artifacts(artifact_uri=location, tracking_uri=client_uri(backend))
        return any(Path(file.path).name == "MLmodel" for file in files)
    except MlflowException as error:
        if _note_unanswered(backend, error):
            raise translate_error(error, "The model's files") from error
        return False
    except (OSError, ValueError, PodiumError):
        return False


def _has_link_out(backend: Backend, location: str) -> bool:
    """Would files on this machine be read that do not belong to the model?"""
    folder = folder_of_uri(location)
    if backend.kind == "server" or folder is None:
        return False
    owner_id = next((part for part in folder.parts if _MODEL_OR_RUN_ID.fullmatch(part)), "")
    return has_link_out(own_root(folder, owner_id))


def _note_unanswered(backend: Backend, error: MlflowException) -> bool:
    """Did the server fail to answer? Then its files are not requested for a while, so that many versions cost only one wait."""
    if is_unanswered := isinstance(translate_error(error), NoAnswer):
        _UNANSWERED_AT[backend] = time.monotonic()
    return is_unanswered


def _was_unanswered(backend: Backend) -> bool:
    return time.monotonic() - _UNANSWERED_AT.get(backend, -math.inf) < _RETRY_SECONDS


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
