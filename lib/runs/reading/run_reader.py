"""Read experiments and runs into frozen values: through the MLflow client, or by `sqlite_reader` where possible. Writes nothing.

Both return the newest runs first, up to the search's limit, with the versions registered from them. Podium's own experiments are hidden
here, once, for all pages and commands.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import INDEX_EXPERIMENT, LEDGER_EXPERIMENT
from lib.errors import NotFound
from lib.runs.analysis.direction_tags import experiment_statements
from lib.runs.reading import sqlite_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.reading.registered_versions import read_version_origins, versions_by_run
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

HIDDEN_EXPERIMENTS = frozenset({LEDGER_EXPERIMENT, INDEX_EXPERIMENT})
"""The experiments that hold Podium's record (contract §3.6)."""
PAGE_SIZE = 1000
_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}")


def read_experiments(backend: Backend) -> tuple[Experiment, ...]:
    """Return the active experiments, newest first, without Podium's own."""
    with translate_errors("The list of experiments"):
        entities = read_pages(lambda token: client(backend).search_experiments(max_results=PAGE_SIZE, page_token=token))
        experiments = [_experiment_from_entity(entity) for entity in entities]
    visible = [experiment for experiment in experiments if experiment.name not in HIDDEN_EXPERIMENTS]
    return tuple(
        sorted(visible, key=lambda experiment: (experiment.created or _EARLIEST, experiment.experiment_id), reverse=True)
    )


def find_newest_experiment(backend: Backend, experiments: tuple[Experiment, ...]) -> str:
    """Return the id of the experiment with the most recently started run, else of the newest experiment; "" if there is none."""
    ids = [experiment.experiment_id for experiment in experiments]
    if not ids:
        return ""
    if (experiment_id := sqlite_reader.find_newest_experiment(backend, ids)) is not None:
        return experiment_id or ids[0]
    with translate_errors("The newest run"):
        newest_runs = client(backend).search_runs(ids, max_results=1, order_by=["attributes.start_time DESC"])
    return str(newest_runs[0].info.experiment_id) if newest_runs else ids[0]


def read_runs(
    backend: Backend, search: Search, *, at: datetime | None = None, progress: Callable[[int], None] | None = None
) -> RunTable:
    """Return the runs matching a search, newest first. `at` is the caller's clock; the client reports the number read to `progress`.

    An unknown experiment has no runs.
    """
    with relaxed_gc():
        columns = sqlite_reader.read_run_columns(backend, search) or _read_through_client(backend, search, progress)
        return build_run_table(search, columns, at)


def count_newer_runs(backend: Backend, search: Search, since: datetime) -> int:
    """Count active runs of the same experiments started after `since`; 1,000 may mean more."""
    count = sqlite_reader.count_started_after(backend, search.experiment_ids, millis_from_datetime(since))
    if count is not None:
        return count
    newer_filter = parse_filter(f"attributes.start_time > {millis_from_datetime(since)}")
    newer_search = replace(search, filter=newer_filter, state="active", limit=PAGE_SIZE)
    with translate_errors("The newest runs"), relaxed_gc():
        return len({entity.info.run_id for page in _iterate_pages(backend, newer_search) for entity in page})


def read_run(backend: Backend, run_id: str) -> Run:
    """Return one run, active or deleted. Raises NotFound for an unknown id."""
    if not _RUN_ID.fullmatch(run_id):
        raise NotFound(f"{run_id[:80] or 'An empty text'} is not a valid run id.", next="Open the run from Compare.")
    with translate_errors(f"Run {run_id}"), relaxed_gc():
        run = _run_from_entity(client(backend).get_run(run_id))
    return replace(run, versions=versions_by_run(read_version_origins(backend), {run_id: run.model_ids}).get(run_id, ()))


_EARLIEST = datetime.min.replace(tzinfo=UTC)


def _read_through_client(backend: Backend, search: Search, progress: Callable[[int], None] | None = None) -> RunColumns:
    """Read runs on any backend. A run added during the read shifts the pages; duplicates are dropped."""
    runs_by_id: dict[str, Run] = {}
    is_complete = search.limit > 0
    with translate_errors("The runs of this experiment"), relaxed_gc():
        for page in _iterate_pages(backend, search):
            runs_by_id |= {entity.info.run_id: _run_from_entity(entity) for entity in page}
            is_complete = not page.token
            if progress:
                progress(len(runs_by_id))
    columns = columns_from_runs(list(runs_by_id.values())[: max(search.limit, 0)])
    return replace(
        columns,
        versions=versions_by_run(read_version_origins(backend), columns.models),
        total=len(runs_by_id) if is_complete else None,
    )


def _iterate_pages(backend: Backend, search: Search) -> "Iterator[PagedList[MlflowRun]]":
    """Yield pages, newest runs first, up to the search's limit."""
    from mlflow.entities import ViewType

    view = {"active": ViewType.ACTIVE_ONLY, "deleted": ViewType.DELETED_ONLY, "all": ViewType.ALL}[search.state]
    ids, order = list(dict.fromkeys(search.experiment_ids)), ["attributes.start_time DESC"]
    token, remaining = None, search.limit if ids else 0
    while remaining > 0:
        page = client(backend).search_runs(ids, search.filter.text, view, min(PAGE_SIZE, remaining), order, token)
        yield page
        remaining -= len(page)
        if not (token := page.token):
            return


def _experiment_from_entity(entity: "MlflowExperiment") -> Experiment:
    return Experiment(
        experiment_id=str(entity.experiment_id),
        name=entity.name,
        created=datetime_from_millis(entity.creation_time),
        updated=datetime_from_millis(entity.last_update_time),
        lifecycle=entity.lifecycle_stage,
        directions=experiment_statements({str(key): str(value) for key, value in (entity.tags or {}).items()}),
    )


def _run_from_entity(entity: "MlflowRun") -> Run:
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
        inputs=_data_inputs(entity),
        model_ids=_model_ids(entity),
    )


def _data_inputs(entity: "MlflowRun") -> tuple[DataInput, ...]:
    dataset_inputs = entity.inputs.dataset_inputs if entity.inputs else []
    inputs = []
    for item in dataset_inputs:
        context = next((tag.value for tag in item.tags or () if tag.key == CONTEXT_TAG), "")
        inputs.append(DataInput(item.dataset.name, item.dataset.digest, context, item.dataset.source or ""))
    return tuple(inputs)


def _model_ids(entity: "MlflowRun") -> tuple[str, ...]:
    """Return the model ids, highest step first."""
    outputs = entity.outputs.model_outputs if entity.outputs else []
    return tuple(output.model_id for output in sorted(outputs, key=lambda output: -output.step))
