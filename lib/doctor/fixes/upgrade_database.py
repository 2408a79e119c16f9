"""The fix for a database of an older MLflow: a complete copy beside it, MLflow's own upgrade, then a count of what is there."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from lib.backends import sqlite_store
from lib.backends.mlflow_client import installed_mlflow_version
from lib.doctor import fix_ids
from lib.doctor.types import Fix, FixContext, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, NotWritable

COUNTED_TABLES = ("experiments", "runs", "metrics", "params", "registered_models", "model_versions")
"""Tables that every MLflow has had, by which a person knows the store again."""


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raise NotWritable when the disk of a path has less room than needed, told in megabytes."""
    free = shutil.disk_usage(path).free
    if free < needed_bytes:
        raise NotWritable(
            f"There are {free / 1e6:,.0f} MB free in {path}, and {needed_bytes / 1e6:,.0f} MB are needed.",
            next="Make room on that disk, then look again.",
        )


def count_rows(path: Path, tables: tuple[str, ...] = COUNTED_TABLES) -> dict[str, int]:
    """How many rows some tables of a database file hold; it is opened read-only."""
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=sqlite_store.BUSY_TIMEOUT_SECONDS)
    ) as db:
        existing_tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        return {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables if name in existing_tables}  # noqa: S608 - names of our own


def _preview(context: FixContext, _: FixOffer) -> FixPreview:
    path = _require_older_database(context)
    status, size = sqlite_store.read_schema_status(path), path.stat().st_size
    require_free_space(path.parent, size * 5 // 2)
    return FixPreview(
        f"Upgrade {path.name} to MLflow {installed_mlflow_version()}",
        (
            f"A copy is made first: {path.name}.‹date and time›.backup in {path.parent}, {size / 1e6:,.1f} MB.",
            f"MLflow changes the tables from schema {status.revision or 'without a number'} to {status.required_revision}.",
            "Runs, models and files stay as they are; they are counted before and after.",
            "The older MLflow cannot open this file any more. It can open the copy.",
        ),
        (Snippet(f"mlflow db upgrade sqlite:///{path}", "bash"),),
        "Stop Podium, put the upgraded file aside, and give the copy its name.",
    )


def _upgrade_database(context: FixContext, _: FixOffer, progress: ProgressCallback) -> FixResult:
    path = _require_older_database(context)
    counts_before, size = _read_row_counts(path), path.stat().st_size
    require_free_space(path.parent, size * 5 // 2)
    sqlite_store.require_writable(context.backend)
    progress(f"Copying {size / 1e6:,.1f} MB, then changing the tables.")
    copy = sqlite_store.migrate(context.backend, context.clock())
    state, counts_after = sqlite_store.read_schema_status(path).state, _read_row_counts(path)
    reduced_tables = [name for name, number in counts_before.items() if counts_after.get(name, 0) < number]
    if state != "current" or reduced_tables:
        raise BackendError(
            f"The upgrade left {', '.join(reduced_tables) or 'the tables'} not as they were to be.",
            means=f"The untouched copy is {copy}.",
            next="Stop Podium, put the upgraded file aside, and give the copy its name.",
        )
    rows = tuple(
        (name.replace("_", " ").capitalize(), f"{number:,} before, {counts_after[name]:,} now")
        for name, number in counts_before.items()
    )
    return FixResult(f"{path.name} is upgraded", (("Copy", str(copy)), *rows))


def _read_row_counts(path: Path) -> dict[str, int]:
    try:
        return count_rows(path)
    except sqlite3.Error as error:
        raise BackendError(f"{path.name} cannot be read ({error}).", next="Close other programs that use it.") from error


def _require_older_database(context: FixContext) -> Path:
    path = context.backend.path
    if path is None or sqlite_store.read_schema_status(path).state != "older":
        raise ActionRefused("This database does not need an upgrade any more.", next="Check again.")
    return path


FIXES = (Fix(fix_ids.UPGRADE_DATABASE, "Upgrade the database", "After a copy was made beside it.", _preview, _upgrade_database),)
