"""Checks whether a project writes to several stores: others next to this one, or set by an environment variable (guide §10)."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import DEFAULT_DATABASE, Backend, parse_backend
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, ProgressCallback, Rows
from lib.errors import BadInput

MAX_FILES = 50
LOCK_TIMEOUT_SECONDS = 0.5


def check_other_stores(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Look for other stores in this store's folder and in the folder Podium was started in."""
    rows: Rows = (*_find_foreign_variables(backend, os.environ), *_find_other_stores(backend))
    if not rows:
        return OTHER_STORES_CHECK.fine_findings("one store")
    return (
        Finding(
            OTHER_STORES_CHECK.id,
            "notice",
            "This project writes to several stores",
            f"{len(rows)} besides this one",
            ("Where", "What"),
            rows,
            "Runs are spread over several stores, so comparisons show only some of them and experiments seem to be missing.",
            "Set the same tracking URI at the start of every script for the entire team, and remove stores that are not used.",
        ),
    )


def _find_foreign_variables(backend: Backend, environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield the MLflow environment variables that point to another backend."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        value = environment.get(name, "").strip()
        if not value:
            continue
        try:
            other_backend = parse_backend(value, Path.cwd())
        except BadInput:
            yield name, "set to an address that Podium cannot open"
            continue
        if other_backend.uri != backend.uri:
            yield name, f"set to {mask_secrets(other_backend.uri)}"


def _find_other_stores(backend: Backend) -> Iterator[tuple[str, ...]]:
    """Yield other MLflow databases with runs, and file stores.

    Podium's default database counts only for a store in the same folder, because trying out Podium creates it anywhere.
    """
    if backend.path is None:
        return
    default_database = PROJECT_FOLDER / DEFAULT_DATABASE
    for folder in dict.fromkeys((backend.path.parent.resolve(), Path.cwd())):
        files = [path for pattern in ("*.db", "*.sqlite", "*.sqlite3") for path in folder.glob(pattern)]
        for path in sorted(files)[:MAX_FILES]:
            if path.resolve() == default_database and folder != backend.path.parent.resolve():
                continue
            if path.resolve() != backend.path.resolve() and (run_count := _count_runs(path)):
                yield str(path), f"an MLflow database with {run_count:,} runs"
        file_run_count = sum(1 for _ in (folder / "mlruns").glob("*/*/meta.yaml"))
        if file_run_count:
            yield str(folder / "mlruns"), f"a file store with {file_run_count:,} runs"


def _count_runs(path: Path) -> int:
    """Return the number of runs in a database; 0 if it is not an MLflow database or cannot be read."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as db:
            return int(db.execute("select count(*) from runs join experiments using (experiment_id)").fetchone()[0])
    except sqlite3.Error:
        return 0


OTHER_STORES_CHECK = Check("mixed", "One store per project", "Does this project write to several stores?", check_other_stores)
CHECKS = (OTHER_STORES_CHECK,)
