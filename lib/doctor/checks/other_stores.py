"""Whether one project writes to several places: other stores beside this one, or a variable that names another (guide §10)."""

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
    """Look for other stores in the folder of this one and in the one Podium was started in."""
    rows: Rows = (*_find_foreign_variables(backend, os.environ), *_find_other_stores(backend))
    if not rows:
        return OTHER_STORES_CHECK.fine_findings("one place")
    return (
        Finding(
            OTHER_STORES_CHECK.id,
            "notice",
            "This project writes to more than one place",
            f"{len(rows)} besides this one",
            ("Where", "What"),
            rows,
            "Runs go now here, now there: a comparison shows only some of them, and an experiment seems to be lost.",
            "Name one tracking URI first thing in every script, the same for the whole team, and put away what is not used.",
        ),
    )


def _find_foreign_variables(backend: Backend, environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The variables of MLflow that lead away from this backend."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        value = environment.get(name, "").strip()
        if not value:
            continue
        try:
            other_backend = parse_backend(value, Path.cwd())
        except BadInput:
            yield name, "names a place that Podium cannot open"
            continue
        if other_backend.uri != backend.uri:
            yield name, f"names {mask_secrets(other_backend.uri)}"


def _find_other_stores(backend: Backend) -> Iterator[tuple[str, ...]]:
    """Other databases of MLflow with runs in them, and file stores.

    The database that Podium makes beside itself counts only for a store in the same folder: it is there wherever Podium was tried first.
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
                yield str(path), f"a database of MLflow with {run_count:,} runs"
        file_run_count = sum(1 for _ in (folder / "mlruns").glob("*/*/meta.yaml"))
        if file_run_count:
            yield str(folder / "mlruns"), f"a file store with {file_run_count:,} runs"


def _count_runs(path: Path) -> int:
    """How many runs a database holds; 0 for one that is not MLflow's or cannot be read now."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_SECONDS)) as db:
            return int(db.execute("select count(*) from runs join experiments using (experiment_id)").fetchone()[0])
    except sqlite3.Error:
        return 0


OTHER_STORES_CHECK = Check("mixed", "One place for everything", "Does this project write to several places?", check_other_stores)
CHECKS = (OTHER_STORES_CHECK,)
