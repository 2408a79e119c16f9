"""Which versions of registered models were made from which run, by what the registry says of each version.

Stages are told as they are; what a version may do belongs to `registry`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import Busy, PodiumError, Unreachable
from lib.runs.table.types import RegisteredVersion

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PAGE_SIZE = 10_000
_FROM_MODEL = re.compile(r"models:/(m-[^/]+)/?")


@dataclass(frozen=True)
class VersionOrigin:
    """A version, the run that it names ("" for none) and where its files came from."""

    version: RegisteredVersion
    run_id: str
    source: str


def read_version_origins(backend: Backend) -> list[VersionOrigin]:
    """Every version and where it came from, through the client. Empty where the registry may not be read or there is none."""
    try:
        with translate_errors("The registered models"):
            by_tag = read_capabilities(backend).stages.is_available is False
            return [_origin(entity, by_tag) for entity in _all_versions(backend)]
    except (Busy, Unreachable):
        raise
    except PodiumError:
        return []


def versions_by_run(
    origins: Iterable[VersionOrigin], model_ids: Mapping[str, Sequence[str]]
) -> dict[str, tuple[RegisteredVersion, ...]]:
    """The versions by the id of the run they came from, by model and number. `models` are the logged models of each run.

    A version without a run belongs to every run that logged the model it was made from. Pure.
    """
    loggers: dict[str, list[str]] = defaultdict(list)
    for run_id, made in model_ids.items():
        for model_id in dict.fromkeys(made):
            loggers[model_id].append(run_id)
    mine: dict[str, list[RegisteredVersion]] = defaultdict(list)
    for origin in sorted(origins, key=_place):
        logged = _FROM_MODEL.fullmatch(origin.source)
        makers = [origin.run_id] if origin.run_id else loggers[logged[1]] if logged else []
        for run_id in makers:
            mine[run_id].append(origin.version)
    return {run_id: tuple(versions) for run_id, versions in mine.items()}


def _place(origin: VersionOrigin) -> tuple[str, int, str]:
    number = origin.version.version
    return origin.version.model, int(number) if number.isdecimal() else 0, number


def _origin(entity: "ModelVersion", by_tag: bool) -> VersionOrigin:  # noqa: FBT001 - a server without stages keeps them as tags
    tagged = (entity.tags or {}).get(STAGE_TAG) if by_tag or not entity.current_stage else None
    version = RegisteredVersion(entity.name, str(entity.version), tagged or entity.current_stage or "None")
    return VersionOrigin(version, entity.run_id or "", entity.source or "")


def _all_versions(backend: Backend) -> "Iterator[ModelVersion]":
    token = None
    while True:
        page = client(backend).search_model_versions(max_results=PAGE_SIZE, page_token=token)
        yield from page
        if not (token := page.token):
            return
