"""Which versions of registered models were created from which run, according to the registry.

Stages are returned unchanged; rules for versions are left to `lib.registry`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import Busy, PodiumError, Unreachable
from lib.runs.table.types import RegisteredVersion

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PAGE_SIZE = 10_000
_MODEL_SOURCE = re.compile(r"models:/(m-[^/]+)/?")


@dataclass(frozen=True)
class VersionOrigin:
    """A version, its source run ("" for none) and the source of its files."""

    version: RegisteredVersion
    run_id: str
    source: str


def read_version_origins(backend: Backend) -> list[VersionOrigin]:
    """Return every version and its origin, through the client. Empty if the registry cannot be read or does not exist."""
    try:
        with translate_errors("The registered models"):
            by_tag = read_capabilities(backend).stages.is_available is False
            entities = read_pages(lambda token: client(backend).search_model_versions(max_results=PAGE_SIZE, page_token=token))
            return [_version_origin(entity, by_tag) for entity in entities]
    except (Busy, Unreachable):
        raise
    except PodiumError:
        return []


def versions_by_run(
    origins: Iterable[VersionOrigin], model_ids: Mapping[str, Sequence[str]]
) -> dict[str, tuple[RegisteredVersion, ...]]:
    """Return the versions by source run id, sorted by model and number. `model_ids` are the logged models of each run.

    A version without a run belongs to every run that logged its source model. Pure.
    """
    loggers: dict[str, list[str]] = defaultdict(list)
    for run_id, logged_ids in model_ids.items():
        for model_id in dict.fromkeys(logged_ids):
            loggers[model_id].append(run_id)
    versions_by_id: dict[str, list[RegisteredVersion]] = defaultdict(list)
    for origin in sorted(origins, key=_version_sort_key):
        match = _MODEL_SOURCE.fullmatch(origin.source)
        run_ids = [origin.run_id] if origin.run_id else loggers[match[1]] if match else []
        for run_id in run_ids:
            versions_by_id[run_id].append(origin.version)
    return {run_id: tuple(versions) for run_id, versions in versions_by_id.items()}


def _version_sort_key(origin: VersionOrigin) -> tuple[str, int, str]:
    number = origin.version.version
    return origin.version.model, int(number) if number.isdecimal() else 0, number


def _version_origin(entity: "ModelVersion", by_tag: bool) -> VersionOrigin:  # noqa: FBT001 - without stages, tags are used
    stage_tag = (entity.tags or {}).get(STAGE_TAG) if by_tag or not entity.current_stage else None
    version = RegisteredVersion(entity.name, str(entity.version), stage_tag or entity.current_stage or "None")
    return VersionOrigin(version, entity.run_id or "", entity.source or "")
