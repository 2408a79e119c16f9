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
from lib.text import format_count

MAX_FILES = 50
LOCK_TIMEOUT_SECONDS = 0.5


def check_other_stores(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Look for other stores in this store's folder and in the folder Podium was started in."""
    stores, unreadable_rows = _find_other_stores(backend)
    rows: Rows = (*_find_foreign_variables(backend, os.environ), *stores)
    if not rows and unreadable_rows:
        return (_unreadable_finding(unreadable_rows),)
    if not rows:
        return OTHER_STORES_CHECK.fine_findings("one store")
    rows = (*rows, *unreadable_rows)
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


def _unreadable_finding(rows: Rows) -> Finding:
    return Finding(
        OTHER_STORES_CHECK.id,
        "skipped",
        OTHER_STORES_CHECK.title,
        f"{format_count(len(rows), 'file')} not checked",
        ("Where", "What"),
        rows,
        "These files may be other stores of this project.",
    )


def _find_other_stores(backend: Backend) -> tuple[Rows, Rows]:
    """Return other MLflow databases with runs and file stores, and the files that could not be read.

    Podium's default database counts only for a store in the same folder, because trying out Podium creates it anywhere.
    """
    stores, unreadable_rows = list[tuple[str, ...]](), list[tuple[str, ...]]()
    for path in _database_files(backend):
        try:
            run_count = _count_runs(path)
        except sqlite3.Error as error:
            unreadable_rows.append((str(path), f"not checked: {error}"))
            continue
        if run_count:
            stores.append((str(path), f"an MLflow database with {run_count:,} runs"))
    for folder in _project_folders(backend):
        if file_run_count := sum(1 for _ in (folder / "mlruns").glob("*/*/meta.yaml")):
            stores.append((str(folder / "mlruns"), f"a file store with {file_run_count:,} runs"))
    return tuple(stores), tuple(unreadable_rows)


def _project_folders(backend: Backend) -> tuple[Path, ...]:
    return tuple(dict.fromkeys((backend.path.parent.resolve(), Path.cwd()))) if backend.path else ()


def _database_files(backend: Backend) -> Iterator[Path]:
    default_database, database = PROJECT_FOLDER / DEFAULT_DATABASE, backend.path and backend.path.resolve()
    for folder in _project_folders(backend):
        files = [path for pattern in ("*.db", "*.sqlite", "*.sqlite3") for path in folder.glob(pattern)]
        for path in sorted(files)[:MAX_FILES]:
            is_default_elsewhere = path.resolve() == default_database and database and folder != database.parent
            if path.resolve() != database and not is_default_elsewhere:
                yield path


def _count_runs(path: Path) -> int:
    """Return the number of runs in a database; 0 if it is not an MLflow database. Raises sqlite3.Error if it cannot be read."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as db:
        try:
            return int(db.execute("select count(*) from runs join experiments using (experiment_id)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB):  # no such table, or no database at all
                return 0
            raise


OTHER_STORES_CHECK = Check("mixed", "One store per project", "Does this project write to several stores?", check_other_stores)
CHECKS = (OTHER_STORES_CHECK,)
