"""What a logged model says of itself: signature, flavours, size and requirements, read from its MLmodel file as text.

No model is ever loaded: loading runs the model's code. Where MLflow 2 wrote them, models are folders among the run's artifacts.
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
"""Bytes of an MLmodel or requirements file up to which it is read; real ones have a few thousand."""
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
    """What an MLmodel file says. `flavours` maps each to its plain settings; `size` is in bytes as the file claims it.

    `signed` tells a signature without columns from none at all.
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
    """The models that a run logged, the one of the highest step first; else the model folders among its artifacts."""
    return tuple(_logged(backend, one) for one in run.model_ids) or _among_artifacts(backend, run)


def read_model_file(backend: Backend, location: ArtifactLocation) -> ModelFile:
    """Read MLmodel and requirements.txt of a model.

    Raises NotFound where there is no MLmodel file, Refused for one that is too large or stored where Podium does not reach, BadInput
    for one that cannot be understood.
    """
    if far := unreadable_scheme(location.uri, backend):
        raise ActionRefused(f"The model's files are at a {far} address, which is not read from here.")
    head = _text(backend, location, MLMODEL_FILE)
    if head is None:
        raise NotFound(f"{location.name} has no MLmodel file.", next="It may not have been finished, or its files were removed.")
    needs = _text(backend, location, "requirements.txt") or ""
    return replace(parse_model_file(head), requirements=tuple(line.strip() for line in needs.splitlines()[:500] if line.strip()))


def parse_model_file(text: str) -> ModelFile:
    """What an MLmodel file says, from its text. Raises BadInput for what is no MLmodel file."""
    try:
        said = yaml.load(text, _Plain)  # noqa: S506 - a SafeLoader without merging
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise BadInput("The MLmodel file cannot be read.", next="Look at it among the artifacts.") from error
    if not isinstance(said, dict):
        raise BadInput("The MLmodel file holds no settings.", next="Look at it among the artifacts.")
    flavours = {str(name): _plain(found) for name, found in _dict(said.get("flavors")).items()}
    signature = said.get("signature")
    size = said.get("model_size_bytes")
    return ModelFile(
        flavours=flavours,
        inputs=_columns(_dict(signature).get("inputs")),
        outputs=_columns(_dict(signature).get("outputs")),
        params=_columns(_dict(signature).get("params")),
        has_signature=isinstance(signature, dict),
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        mlflow_version=_word(said.get("mlflow_version")),
        python_version=flavours.get("python_function", {}).get("python_version", ""),
    )


class _Plain(yaml.SafeLoader):
    """YAML under caps, without merge keys: lists of references that are merged again and again would grow without end."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Stop at too many values: a megabyte of brackets takes half a minute."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise yaml.YAMLError("too many values")
        return super().compose_node(parent, index)

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """A long value is a text: as a number of base 60 it would take time that grows with the square of its length."""
        if kind is yaml.ScalarNode and value is not None and len(value) > MAX_NUMBER_LENGTH:
            return str(self.DEFAULT_SCALAR_TAG)
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` alone, so that reading it fails."""


def _dict(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _plain(settings: object) -> dict[str, str]:
    """The settings that are one word or number."""
    return {str(key): _word(value) for key, value in _dict(settings).items() if isinstance(value, str | int | float | bool)}


def _word(value: object) -> str:
    return str(value)[:200] if isinstance(value, str | int | float | bool) else ""


def _columns(schema: object) -> tuple[SignatureColumn, ...]:
    """The columns of a schema, which MLmodel keeps as JSON text; none for one that cannot be read."""
    try:
        found = json.loads(schema) if isinstance(schema, str) else schema
    except (ValueError, RecursionError):
        return ()
    listed = found if isinstance(found, list) else []
    return tuple(_column(one, place) for place, one in enumerate(listed[:MAX_COLUMNS]) if isinstance(one, dict))


def _column(one: dict[str, Any], place: int) -> SignatureColumn:
    return SignatureColumn(
        str(one.get("name") or f"column {place + 1}")[:200], _type(one), one.get("required", True) is not False
    )


def _type(one: dict[str, Any]) -> str:
    """A type in words. What is nested deeper is named by its outer kind: "array of string", "object"."""
    kind = _word(one.get("type") or one.get("dtype"))
    tensor = _dict(one.get("tensor-spec"))
    if tensor:
        shape = tensor.get("shape")
        sizes = ", ".join(map(_word, shape[:8])) if isinstance(shape, list) else ""
        return f"{_word(tensor.get('dtype'))} ({sizes})"
    inner = _dict(one.get("items") or one.get("values"))
    return f"{kind} of {_word(inner.get('type'))}" if inner else kind


def _logged(backend: Backend, model_id: str) -> ArtifactLocation:
    with translate_errors(f"Model {model_id}"):
        found = client(backend).get_logged_model(model_id)
    home = mapped_location(backend, found.artifact_location or "")
    return ArtifactLocation(home, model_id=model_id, name=found.name or model_id, status=str(found.status.value))


def _among_artifacts(backend: Backend, of: Run) -> tuple[ArtifactLocation, ...]:
    """Where the artifacts are not read from here, no model is known: the artifacts' own card says why."""
    home = mapped_location(backend, of.artifact_uri)
    if unreadable_scheme(home, backend):
        return ()
    own = ArtifactLocation(home, run_id=of.run_id)
    folders = [one.path for one in list_folder(backend, own) if one.is_folder][:MAX_FOLDERS]
    found = [path for path in folders if any(one.name == MLMODEL_FILE for one in list_folder(backend, own, path))]
    return tuple(replace(own, name=path, folder=path) for path in found)


def _text(backend: Backend, place: ArtifactLocation, name: str) -> str | None:
    """The text of a small file of a model; None where there is no such file. Raises Refused for a large one."""
    try:
        data = fetch_file(backend, place, f"{place.folder}/{name}" if place.folder else name, MAX_FILE_BYTES).data
    except NotFound:
        return None
    return data.decode("utf-8", errors="replace")
