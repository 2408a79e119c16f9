"""Reads experiments and runs through the MLflow client into frozen values. Writes nothing."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib.backends.connect import client, quick_reading, translated
from lib.backends.uri import Backend
from lib.errors import NotFound
from lib.runs.values import USER_TAG, DataInput, Run

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

__all__ = ["DataInput", "Run", "run"]

CONTEXT_TAG = "mlflow.data.context"


def run(backend: Backend, run_id: str) -> Run:
    """One run, active or deleted. Raises NotFound for an id that is not there."""
    if not run_id.strip():
        raise NotFound("A run without an id was not found.", next="Open the run from Compare.")
    with translated(f"Run {run_id}"), quick_reading():
        return _run(client(backend).get_run(run_id))


def _run(entity: "MlflowRun") -> Run:
    info, data = entity.info, entity.data
    tags = dict(data.tags)
    return Run(
        run_id=info.run_id,
        name=info.run_name or tags.get("mlflow.runName", ""),
        experiment_id=str(info.experiment_id),
        status=info.status,
        lifecycle=info.lifecycle_stage,
        started=_time(info.start_time),
        ended=_time(info.end_time),
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


def _time(millis: int | None) -> datetime | None:
    return datetime.fromtimestamp(millis / 1000, UTC) if millis is not None else None
