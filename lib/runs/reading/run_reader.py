"""Reads experiments and runs into frozen values: through the MLflow client, or by the SQLite road where that is open. Writes nothing.

Both give the newest runs first, as many as the search wants, and know which registered versions came from them. Podium's own
experiments are hidden here, once, for every page and command.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.runs.reading import sqlite_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.reading.registered_versions import read_version_origins, versions_by_run
from lib.runs.reading.sqlite_marker import read_change_marker
from lib.runs.table.frames import RunColumns, build_run_table, columns_from_runs
from lib.runs.table.types import (
    CONTEXT_TAG,
    RUN_NAME_TAG,
    USER_TAG,
    DataInput,
    Experiment,
    Run,
    RunTable,
    Search,
    datetime_from_millis,
    millis_from_datetime,
)

if TYPE_CHECKING:
    from mlflow.entities import Experiment as MlflowExperiment
    from mlflow.entities import Run as MlflowRun
    from mlflow.store.entities import PagedList

__all__ = [
    "DataInput",
    "Experiment",
    "Run",
    "RunTable",
    "Search",
    "count_newer_runs",
    "find_newest_experiment",
    "read_change_marker",
    "read_experiments",
    "read_run",
    "read_runs",
]

HIDDEN_EXPERIMENTS = frozenset({"podium-ledger", "podium-ledger-index"})
"""Where Podium keeps its record (contract §3.6)."""
PAGE_SIZE = 1000
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")


def read_experiments(backend: Backend) -> tuple[Experiment, ...]:
    """The active experiments, newest first, without Podium's own."""
    with translate_errors("The list of experiments"):
        found = [_experiment(entity) for entity in _all_experiments(backend)]
    shown = [one for one in found if one.name not in HIDDEN_EXPERIMENTS]
    return tuple(sorted(shown, key=lambda one: (one.created or _NEVER, one.experiment_id), reverse=True))


def find_newest_experiment(backend: Backend, experiments: tuple[Experiment, ...]) -> str:
    """The id of the experiment in which a run was started last; the newest experiment when there is no run; "" for none."""
    ids = [one.experiment_id for one in experiments]
    if not ids:
        return ""
    if (last_in := sqlite_reader.find_newest_experiment(backend, ids)) is not None:
        return last_in or ids[0]
    with translate_errors("The newest run"):
        last = client(backend).search_runs(ids, max_results=1, order_by=["attributes.start_time DESC"])
    return str(last[0].info.experiment_id) if last else ids[0]


def read_runs(
    backend: Backend, search: Search, *, at: datetime | None = None, progress: Callable[[int], None] | None = None
) -> RunTable:
    """The runs that a search matches, newest first. `at` is the caller's clock; on the slow road `told` hears how many came so far.

    Raises BadInput, in plain words, for a filter that MLflow cannot read. An unknown experiment has no runs.
    """
    parse_filter(search.filter)
    with relaxed_gc():
        found = sqlite_reader.read_run_columns(backend, search) or _through_the_client(backend, search, progress)
        return build_run_table(search, found, at)


def count_newer_runs(backend: Backend, search: Search, since: datetime) -> int:
    """How many active runs of the same experiments were started after a moment; 1,000 may stand for more."""
    counted = sqlite_reader.count_started_after(backend, search.experiment_ids, millis_from_datetime(since))
    if counted is not None:
        return counted
    later = replace(search, filter=f"attributes.start_time > {millis_from_datetime(since)}", state="active", limit=PAGE_SIZE)
    with translate_errors("The newest runs"), relaxed_gc():
        return len({entity.info.run_id for page in _pages(backend, later) for entity in page})


def read_run(backend: Backend, run_id: str) -> Run:
    """One run, active or deleted. Raises NotFound for an id that is not there."""
    if not _RUN_ID.fullmatch(run_id):
        raise NotFound(f"{run_id[:80] or 'Nothing'} is no run id.", next="Open the run from Compare.")
    with translate_errors(f"Run {run_id}"), relaxed_gc():
        found = _run(client(backend).get_run(run_id))
    return replace(found, versions=versions_by_run(read_version_origins(backend), {run_id: found.model_ids}).get(run_id, ()))


_NEVER = datetime.min.replace(tzinfo=UTC)


def _all_experiments(backend: Backend) -> "Iterator[MlflowExperiment]":
    token = None
    while True:
        page = client(backend).search_experiments(max_results=PAGE_SIZE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _through_the_client(backend: Backend, search: Search, told: Callable[[int], None] | None = None) -> RunColumns:
    """The other road, open everywhere. A run added meanwhile shifts the pages: what then comes twice counts once."""
    found: dict[str, Run] = {}
    is_whole = search.limit > 0
    with translate_errors("The runs of this experiment"), relaxed_gc():
        for page in _pages(backend, search):
            found |= {entity.info.run_id: _run(entity) for entity in page}
            is_whole = not page.token
            if told:
                told(len(found))
    made = columns_from_runs(list(found.values())[: max(search.limit, 0)])
    return replace(
        made, versions=versions_by_run(read_version_origins(backend), made.models), total=len(found) if is_whole else None
    )


def _pages(backend: Backend, search: Search) -> "Iterator[PagedList[MlflowRun]]":
    """Newest first, until there are as many runs as the search wants."""
    from mlflow.entities import ViewType

    view = {"active": ViewType.ACTIVE_ONLY, "deleted": ViewType.DELETED_ONLY, "all": ViewType.ALL}[search.state]
    ids, order = list(dict.fromkeys(search.experiment_ids)), ["attributes.start_time DESC"]
    token, left = None, search.limit if ids else 0
    while left > 0:
        page = client(backend).search_runs(ids, search.filter.strip(), view, min(PAGE_SIZE, left), order, token)
        yield page
        left -= len(page)
        if not (token := page.token):
            return


def _experiment(entity: "MlflowExperiment") -> Experiment:
    return Experiment(
        experiment_id=str(entity.experiment_id),
        name=entity.name,
        created=datetime_from_millis(entity.creation_time),
        updated=datetime_from_millis(entity.last_update_time),
        lifecycle=entity.lifecycle_stage,
    )


def _run(entity: "MlflowRun") -> Run:
    info, data = entity.info, entity.data
    tags = dict(data.tags)
    return Run(
        run_id=info.run_id,
        name=info.run_name or tags.get(RUN_NAME_TAG, ""),
        experiment_id=str(info.experiment_id),
        status=info.status,
        lifecycle=info.lifecycle_stage,
        started=datetime_from_millis(info.start_time),
        ended=datetime_from_millis(info.end_time),
        user=tags.get(USER_TAG) or info.user_id or "",
        artifact_uri=info.artifact_uri or "",
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags=tags,
        inputs=_inputs(entity),
        model_ids=_models(entity),
    )


def _inputs(entity: "MlflowRun") -> tuple[DataInput, ...]:
    used = entity.inputs.dataset_inputs if entity.inputs else []
    made = []
    for item in used:
        context = next((tag.value for tag in item.tags or () if tag.key == CONTEXT_TAG), "")
        made.append(DataInput(item.dataset.name, item.dataset.digest, context, item.dataset.source or ""))
    return tuple(made)


def _models(entity: "MlflowRun") -> tuple[str, ...]:
    """Model ids, the one of the highest step first."""
    made = entity.outputs.model_outputs if entity.outputs else []
    return tuple(output.model_id for output in sorted(made, key=lambda output: -output.step))
