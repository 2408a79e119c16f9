"""Where a version comes from, gathered by value: what the run measured, its data, code, environment and the model's own hashes.

Nothing is unpickled: MLmodel and requirements are read as text, the other files are only hashed.
"""

import hashlib
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
from lib.errors import NotFound, PodiumError
from lib.ledger.entry.types import Lineage, to_json_number
from lib.registry.snapshot import VersionSnapshot
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import DataInput, Run

MAX_HASHED_BYTES = 500_000_000
"""Bytes of a model up to which its files are fetched from a server to be hashed."""
GIT_COMMIT_TAG = "mlflow.source.git.commit"


@dataclass(frozen=True)
class ModelFileHashes:
    """Hashes of a model's files (sha256, hex), and why some are missing."""

    environment: str = ""
    signature: str = ""
    artifact: str = ""
    missing: str = ""


def read_lineage(backend: Backend, model: str, version: VersionSnapshot) -> Lineage:
    """The lineage of a version. What cannot be had is left out, and `missing` says why."""
    files = _files(backend, model, version)
    try:
        source = read_run(backend, version.run_id) if version.run_id else None
    except NotFound:
        source, files = (
            None,
            ModelFileHashes(files.environment, files.signature, files.artifact, files.missing or "the run is gone"),
        )
    made = Lineage(environment=files.environment, signature=files.signature, artifact=files.artifact, missing=files.missing)
    return made if source is None else made.model_copy(update=_of_run(source))


def hash_folder(folder: Path) -> str:
    """sha256 of the list of files below a folder, as `sha256sum` prints it, sorted by name; "" for no file."""
    lines = sorted(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in folder.rglob("*")
        if path.is_file()
    )
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest() if lines else ""


def _of_run(source: Run) -> dict[str, object]:
    return {
        "run_id": source.run_id,
        "run_name": source.name,
        "metrics": {name: to_json_number(value) for name, value in sorted(source.metrics.items())},
        "parameters": _sha(rfc8785.dumps(dict(source.params))),
        "data": _digests(source.inputs),
        "git_commit": source.tags.get(GIT_COMMIT_TAG, ""),
    }


def _digests(inputs: Sequence[DataInput]) -> dict[str, str]:
    """Name and use of each dataset → its digest; datasets of the same name are told apart by a number."""
    found = dict[str, str]()
    for data in inputs:
        name = f"{data.name} ({data.context})" if data.context else data.name
        same = sum(known == name or known.startswith(f"{name} #") for known in found)
        found[f"{name} #{same + 1}" if same else name] = data.digest
    return found


def _files(backend: Backend, model: str, version: VersionSnapshot) -> ModelFileHashes:
    from mlflow.artifacts import download_artifacts

    with TemporaryDirectory() as folder:
        try:
            place = mapped_location(backend, client(backend).get_model_version_download_uri(model, version.number))
            if far := unreadable_scheme(place, backend):
                return ModelFileHashes(missing=f"the model's files are at a {far} address, which is not read from here")
            head = Path(download_artifacts(artifact_uri=f"{place}/MLmodel", dst_path=folder, tracking_uri=client_uri(backend)))
            described = yaml.safe_load(head.read_text("utf-8"))
            if not isinstance(described, dict):
                return ModelFileHashes(missing="the model's MLmodel file is not readable")
            if _size(described) > MAX_HASHED_BYTES:
                return _hashed(described, None, "the model is too large to be hashed from here")
            whole = Path(download_artifacts(artifact_uri=place, dst_path=f"{folder}/model", tracking_uri=client_uri(backend)))
        except (MlflowException, OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            return ModelFileHashes(missing=f"the model's files cannot be read ({type(error).__name__})")
        return _hashed(described, whole, "")


def _size(described: dict[str, object]) -> float:
    """The size a model claims, in bytes; one that says nonsense counts as too large."""
    claimed = described.get("model_size_bytes") or 0
    return claimed if isinstance(claimed, int | float) and claimed >= 0 else float("inf")


def _hashed(described: dict[str, object], whole: Path | None, missing: str) -> ModelFileHashes:
    signature = described.get("signature")
    requirements = whole / "requirements.txt" if whole else None
    return ModelFileHashes(
        environment=_sha(requirements.read_bytes()) if requirements and requirements.is_file() else "",
        signature=_sha(rfc8785.dumps({str(k): str(v) for k, v in signature.items()})) if isinstance(signature, dict) else "",
        artifact=hash_folder(whole) if whole else "",
        missing=missing,
    )


def has_model_files(backend: Backend, model: str, version: str) -> bool:
    """Can the model behind a version still be fetched? True when its MLmodel file is listed where the version points to.

    A place that is not read from here (S3, another host) counts as whole: nothing is known against it.
    """
    from mlflow.artifacts import list_artifacts

    try:
        place = mapped_location(backend, client(backend).get_model_version_download_uri(model, version))
        if unreadable_scheme(place, backend):
            return True
        return any(
            Path(item.path).name == "MLmodel" for item in list_artifacts(artifact_uri=place, tracking_uri=client_uri(backend))
        )
    except (MlflowException, OSError, ValueError, PodiumError):
        return False


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
