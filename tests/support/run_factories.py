"""Runs for tests: logged into a real store through MLflow's client, or built in memory as a table."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.runs.reading import sqlite_reader
from lib.runs.reading.run_reader import read_run
from lib.runs.table.frames import build_run_table, columns_from_runs
from lib.runs.table.types import PARENT_TAG, Run, RunTable, Search

NOON = 1_700_000_000_000
START = datetime(2024, 3, 1, 9, tzinfo=UTC)
METRIC_VALUES = st.one_of(st.sampled_from([math.nan, math.inf, -math.inf, 1e-320, 2.0**53 + 1, -0.0, 0.0]), st.floats())
HISTORY_SETTINGS = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example writes to a database: to shrink a failing one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
ARTIFACT_FILES = {"notes.txt": b"one\n", "plots/roc.png": b"\x89PNG", "plots/deep/a b.csv": b"x,y\n1,2\n", "empty.bin": b""}
MODEL_FILE = """
artifact_path: models:/m-1
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.11.9
  sklearn: {serialization_format: skops, sklearn_version: 1.9.1, code: null}
mlflow_version: 3.17.2
model_size_bytes: 25600
signature:
  inputs: '[{"type": "double", "name": "alcohol", "required": true}, {"type": "array", "items": {"type": "string"}, "name": "tags", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 3]}}]'
  params: '[{"name": "top", "type": "long", "default": 3, "shape": null}]'
"""
RUN_SCRIPTS = """
import io, os, pathlib, runpy, sys, traceback
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    os.chdir(folder)
    sys.stdout = io.StringIO()
    try:
        runpy.run_path("script.py", run_name="__main__")
        said = "ok\\n" + sys.stdout.getvalue()
    except BaseException as error:
        said = f"{error}\\n{traceback.format_exc()}"
    pathlib.Path("said.txt").write_text(said, encoding="utf-8")
"""


def make_experiment(store: Backend, name: str) -> str:
    location = (store.path.parent / "mlruns" / "e").as_uri() if store.path else None
    return client(store).create_experiment(name, artifact_location=location)


def log_run(store: Backend, experiment: str, name: str, *, params=None, metrics=None, minute: int = 0, **more) -> str:
    """Log a run through the client: finished, `minute` minutes after noon, with a model unless `model=False`."""
    mlflow, start = client(store), NOON + minute * 60_000
    tags = {"mlflow.user": "ana"} | more.get("tags", {}) | ({"mlflow.parentRunId": more["parent"]} if "parent" in more else {})
    run_id = mlflow.create_run(experiment, start_time=start, run_name=name, tags=tags).info.run_id
    mlflow.log_batch(
        run_id,
        metrics=[Metric(key, value, start, 0) for key, value in (metrics or {}).items()],
        params=[Param(key, str(value)) for key, value in (params or {}).items()],
    )
    if digest := more.get("data"):
        context = [InputTag("mlflow.data.context", "testing")]
        mlflow.log_inputs(run_id, datasets=[DatasetInput(Dataset("wine", digest, "code", "{}"), context)])
    if more.get("model", True):
        model = mlflow.create_logged_model(experiment_id=experiment, name="model", source_run_id=run_id)
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
    if status := more.get("status", "FINISHED"):
        mlflow.set_terminated(run_id, status, end_time=start + 2_500)
    return run_id


def log_points(store, points, experiment="0") -> str:
    """Log a run with these (metric, value, step, milliseconds after noon)."""
    run_id = client(store).create_run(experiment, start_time=NOON).info.run_id
    client(store).log_batch(run_id, metrics=[Metric(key, value, NOON + at, step) for key, value, step, at in points])
    return run_id


def force_client_reader(monkeypatch) -> None:
    """Make every store one that is read through MLflow's client: no SQLite schema is known."""
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())


def log_files(store: Backend, run_id: str, folder, files=ARTIFACT_FILES) -> None:
    """Log files through the client, as a training script does."""
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        client(store).log_artifact(run_id, str(file), path.rpartition("/")[0] or None)


def log_model(store: Backend, experiment: str, run_id: str, folder, files) -> str:
    """Log a model of these files through the client: no flavour, no training."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    model = client(store).create_logged_model(experiment_id=experiment, name="forest", source_run_id=run_id)
    client(store).log_model_artifacts(model.model_id, str(folder))
    client(store).finalize_logged_model(model.model_id, "READY")
    client(store).log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
    return model.model_id


def log_run_with_model(store, text=MODEL_FILE, extra_files=()):
    """Log a run with a logged model that has these files."""
    experiment = make_experiment(store, f"models {len(text)} {len(extra_files)}")
    run_id = log_run(store, experiment, "made")
    with TemporaryDirectory() as folder:
        for name, content in (("MLmodel", text), *extra_files):
            (Path(folder) / name).write_text(content)
        client(store).log_model_artifacts(read_run(store, run_id).model_ids[0], folder)
    return run_id


def make_run(name: str, *, params=None, metrics=None, **more) -> Run:
    """A finished run with a model, started at START; its id is its name."""
    tags = dict(more.pop("tags", {})) | ({PARENT_TAG: more.pop("parent")} if "parent" in more else {})
    values = {"status": "FINISHED", "lifecycle": "active", "model_ids": ("m-1",), "started": START} | more
    return Run(name, name, "1", params={k: str(v) for k, v in (params or {}).items()}, metrics=metrics or {}, tags=tags, **values)


def table_from_runs(search: Search, runs: Sequence[Run], read_at: datetime | None) -> RunTable:
    """The table of these runs, in their order, as a search would give it."""
    return build_run_table(search, columns_from_runs(runs), read_at)


def make_run_table(*runs: Run) -> RunTable:
    """The table of these runs, read at START from experiment 1."""
    return table_from_runs(Search(("1",)), runs, START)


def text_column(*values):
    return pd.Series(list(values), dtype="str")
