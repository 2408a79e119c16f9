"""Metadata of a logged model: signature, flavours, size and requirements, read from its MLmodel file as text.

No model is ever loaded: loading runs the model's code. Models written by MLflow 2 are folders among the run's artifacts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.artifact_path_map import mapped_location
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.artifacts.files import ArtifactLocation, fetch_file, list_folder
from lib.runs.table.types import Run

MAX_FILE_BYTES = 1_000_000
"""Maximum bytes read of an MLmodel or requirements file; real ones have a few thousand."""
MLMODEL_FILE = "MLmodel"
MAX_NODES = 20_000
MAX_NUMBER_LENGTH = 100
MAX_FOLDERS = 20
MAX_COLUMNS = 2_000


@dataclass(frozen=True)
class SignatureColumn:
    """One column (or tensor, or parameter) of a signature, its type in words such as "double" or "float64 (-1, 28, 28)"."""

    name: str
    type: str
    is_required: bool = True


@dataclass(frozen=True)
class ModelFile:
    """The content of an MLmodel file. `flavours` maps each to its plain settings; `size_bytes` is as claimed by the file.

    `has_signature` distinguishes a signature without columns from none.
    """

    flavours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inputs: tuple[SignatureColumn, ...] = ()
    outputs: tuple[SignatureColumn, ...] = ()
    params: tuple[SignatureColumn, ...] = ()
    has_signature: bool = False
    size_bytes: int | None = None
    mlflow_version: str = ""
    python_version: str = ""
    requirements: tuple[str, ...] = ()


def read_model_locations(backend: Backend, run: Run) -> tuple[ArtifactLocation, ...]:
    """Return the logged models of a run, highest step first; else the model folders among its artifacts."""
    return tuple(_read_model_location(backend, model_id) for model_id in run.model_ids) or _find_model_folders(backend, run)


def read_model_file(backend: Backend, location: ArtifactLocation) -> ModelFile:
    """Read MLmodel and requirements.txt of a model.

    Raises NotFound if there is no MLmodel file, ActionRefused if it is too large or out of Podium's reach, BadInput if it cannot be
    parsed.
    """
    if scheme := unreadable_scheme(location.uri, backend):
        raise ActionRefused(f"The model's files are at a {scheme} address, which Podium does not read.")
    mlmodel_text = _read_text(backend, location, MLMODEL_FILE)
    if mlmodel_text is None:
        raise NotFound(f"{location.name} has no MLmodel file.", next="It may be incomplete, or its files were removed.")
    requirements = _read_text(backend, location, "requirements.txt") or ""
    return replace(
        parse_model_file(mlmodel_text),
        requirements=tuple(line.strip() for line in requirements.splitlines()[:500] if line.strip()),
    )


def parse_model_file(text: str) -> ModelFile:
    """Parse the text of an MLmodel file. Raises BadInput if it is not an MLmodel file."""
    try:
        document = yaml.load(text, _CappedLoader)  # noqa: S506 - a SafeLoader without merging
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise BadInput("The MLmodel file cannot be parsed.", next="Open it in the artifacts.") from error
    if not isinstance(document, dict):
        raise BadInput("The MLmodel file contains no settings.", next="Open it in the artifacts.")
    flavours = {str(name): _plain_settings(settings) for name, settings in _as_dict(document.get("flavors")).items()}
    signature = document.get("signature")
    size = document.get("model_size_bytes")
    return ModelFile(
        flavours=flavours,
        inputs=_signature_columns(_as_dict(signature).get("inputs")),
        outputs=_signature_columns(_as_dict(signature).get("outputs")),
        params=_signature_columns(_as_dict(signature).get("params")),
        has_signature=isinstance(signature, dict),
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        mlflow_version=_short_text(document.get("mlflow_version")),
        python_version=flavours.get("python_function", {}).get("python_version", ""),
    )


class _CappedLoader(yaml.SafeLoader):
    """YAML under caps, without merge keys: repeatedly merged references could grow without limit."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Stop at too many values: a megabyte of brackets takes half a minute."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise yaml.YAMLError("too many values")
        return super().compose_node(parent, index)

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """Treat a long value as text: parsing it as a base-60 number takes time quadratic in its length."""
        if kind is yaml.ScalarNode and value is not None and len(value) > MAX_NUMBER_LENGTH:
            return str(self.DEFAULT_SCALAR_TAG)
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Do not expand `<<`, so reading it fails."""


def _as_dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _plain_settings(settings: object) -> dict[str, str]:
    """Return the settings that are a single text or number."""
    return {
        str(key): _short_text(value) for key, value in _as_dict(settings).items() if isinstance(value, str | int | float | bool)
    }


def _short_text(value: object) -> str:
    return str(value)[:200] if isinstance(value, str | int | float | bool) else ""


def _signature_columns(schema: object) -> tuple[SignatureColumn, ...]:
    """Return the columns of a schema, which MLmodel stores as JSON text; none if it cannot be parsed."""
    try:
        value = json.loads(schema) if isinstance(schema, str) else schema
    except (ValueError, RecursionError):
        return ()
    columns = value if isinstance(value, list) else []
    return tuple(
        _signature_column(column, position) for position, column in enumerate(columns[:MAX_COLUMNS]) if isinstance(column, dict)
    )


def _signature_column(column: dict[str, Any], position: int) -> SignatureColumn:
    return SignatureColumn(
        str(column.get("name") or f"column {position + 1}")[:200], _type_text(column), column.get("required", True) is not False
    )


def _type_text(column: dict[str, Any]) -> str:
    """Describe a type in words. Deeper nesting is described by its outer kind: "array of string", "object"."""
    type_name = _short_text(column.get("type") or column.get("dtype"))
    tensor = _as_dict(column.get("tensor-spec"))
    if tensor:
        shape = tensor.get("shape")
        sizes = ", ".join(map(_short_text, shape[:8])) if isinstance(shape, list) else ""
        return f"{_short_text(tensor.get('dtype'))} ({sizes})"
    element = _as_dict(column.get("items") or column.get("values"))
    return f"{type_name} of {_short_text(element.get('type'))}" if element else type_name


def _read_model_location(backend: Backend, model_id: str) -> ArtifactLocation:
    with translate_errors(f"Model {model_id}"):
        model = client(backend).get_logged_model(model_id)
    uri = mapped_location(backend, model.artifact_location or "")
    return ArtifactLocation(uri, model_id=model_id, name=model.name or model_id, status=str(model.status.value))


def _find_model_folders(backend: Backend, run: Run) -> tuple[ArtifactLocation, ...]:
    """Return the model folders; none if the artifacts cannot be read, which their own card explains."""
    uri = mapped_location(backend, run.artifact_uri)
    if unreadable_scheme(uri, backend):
        return ()
    run_location = ArtifactLocation(uri, run_id=run.run_id)
    folders = [entry.path for entry in list_folder(backend, run_location) if entry.is_folder][:MAX_FOLDERS]
    model_folders = [
        path for path in folders if any(entry.name == MLMODEL_FILE for entry in list_folder(backend, run_location, path))
    ]
    return tuple(replace(run_location, name=path, folder=path) for path in model_folders)


def _read_text(backend: Backend, location: ArtifactLocation, name: str) -> str | None:
    """Return the text of a small file of a model; None if it does not exist. Raises ActionRefused if it is too large."""
    try:
        data = fetch_file(backend, location, f"{location.folder}/{name}" if location.folder else name, MAX_FILE_BYTES).data
    except NotFound:
        return None
    return data.decode("utf-8", errors="replace")
