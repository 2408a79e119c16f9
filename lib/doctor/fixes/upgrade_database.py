"""Fixes for a database of an older MLflow: a complete copy, MLflow's own upgrade, and a row count; or, after an interrupted upgrade,
restoring the copy.
"""

import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from lib.backends import sqlite_upgrade
from lib.backends.mlflow_client import installed_mlflow_version
from lib.backends.sqlite_schema import open_readonly, read_schema_status
from lib.backends.sqlite_store import require_writable
from lib.doctor import fix_ids
from lib.doctor.types import Fix, FixContext, FixOffer, FixPreview, FixResult, ProgressCallback, Snippet
from lib.errors import ActionRefused, BackendError, NotWritable

COUNTED_TABLES = ("experiments", "runs", "metrics", "params", "registered_models", "model_versions")
"""Tables present in every MLflow version, whose counts users recognize."""


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raise NotWritable if the disk of a path has less free space than needed; the message uses megabytes."""
    free = shutil.disk_usage(path).free
    if free < needed_bytes:
        raise NotWritable(
            f"Only {free / 1e6:,.0f} MB are free in {path}, but {needed_bytes / 1e6:,.0f} MB are needed.",
            next="Free up space on that disk, then check again.",
        )


def count_rows(path: Path, tables: tuple[str, ...] = COUNTED_TABLES) -> dict[str, int]:
    """Count the rows of some tables in a database file, opened read-only."""
    with closing(open_readonly(path)) as db:
        existing_tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        return {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables if name in existing_tables}  # noqa: S608 - constant names


def _preview(context: FixContext, _: FixOffer) -> FixPreview:
    path = _require_older_database(context)
    status, size = read_schema_status(path), path.stat().st_size
    require_free_space(path.parent, size * 5 // 2)
    return FixPreview(
        f"Upgrade {path.name} to MLflow {installed_mlflow_version()}",
        (
            f"A copy is created first: {path.name}.‹date and time›.backup in {path.parent}, {size / 1e6:,.1f} MB.",
            f"MLflow upgrades the tables from schema {status.revision or 'unknown'} to {status.required_revision}.",
            "Runs, models and files stay unchanged; they are counted before and after.",
            "The older MLflow can no longer open this file, but it can open the copy.",
        ),
        (Snippet(f"mlflow db upgrade {shlex.quote(context.backend.uri)}", "bash"),),
        "Stop Podium, move the upgraded file away, and rename the copy to its name.",
    )


def _upgrade_database(context: FixContext, _: FixOffer, progress: ProgressCallback) -> FixResult:
    path = _require_older_database(context)
    counts_before, size = _read_row_counts(path), path.stat().st_size
    require_free_space(path.parent, size * 5 // 2)
    require_writable(context.backend)
    progress(f"Copying {size / 1e6:,.1f} MB, then changing the tables.")
    copy = sqlite_upgrade.migrate(context.backend, context.clock())
    state, counts_after = read_schema_status(path).state, _read_row_counts(path)
    reduced_tables = [name for name, number in counts_before.items() if counts_after.get(name, 0) < number]
    if state != "current" or reduced_tables:
        raise BackendError(
            f"The upgrade did not complete correctly: {', '.join(reduced_tables) or 'the tables'} differ from what was expected.",
            means=f"The untouched copy is {copy}.",
            next="Stop Podium, move the upgraded file away, and rename the copy to its name.",
        )
    rows = tuple(
        (name.replace("_", " ").capitalize(), f"{number:,} before, {counts_after[name]:,} now")
        for name, number in counts_before.items()
    )
    return FixResult(f"{path.name} was upgraded", (("Copy", str(copy)), *rows))


def _read_row_counts(path: Path) -> dict[str, int]:
    try:
        return count_rows(path)
    except sqlite3.Error as error:
        raise BackendError(f"{path.name} cannot be read ({error}).", next="Close other programs that use it.") from error


def _require_older_database(context: FixContext) -> Path:
    path = context.backend.path
    if path is None or read_schema_status(path).state != "older":
        raise ActionRefused("This database no longer needs an upgrade.", next="Check again.")
    return path


def _preview_restore(context: FixContext, _: FixOffer) -> FixPreview:
    path, copy = _require_interrupted_upgrade(context)
    require_free_space(path.parent, copy.stat().st_size)
    counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in _read_row_counts(copy).items())
    return FixPreview(
        f"Restore {path.name} from before its upgrade",
        (
            f"{copy.name} replaces {path.name}: {counts}.",
            f"The half-upgraded file stays next to it: {path.name}.‹date and time›.half-way.",
            "The older MLflow can then open the database again.",
        ),
        undo="Rename the half-upgraded file to its original name.",
    )


def _restore_backup(context: FixContext, _: FixOffer, progress: ProgressCallback) -> FixResult:
    path, copy = _require_interrupted_upgrade(context)
    progress(f"Copying {copy.stat().st_size / 1e6:,.1f} MB.")
    copy, half_way_file = sqlite_upgrade.restore_backup(context.backend, context.clock())
    rows = tuple((name.replace("_", " ").capitalize(), f"{number:,}") for name, number in _read_row_counts(path).items())
    return FixResult(f"{path.name} was restored", (("Half-upgraded file", str(half_way_file)), ("Copy", str(copy)), *rows))


def _require_interrupted_upgrade(context: FixContext) -> tuple[Path, Path]:
    """Return the database and its complete copy."""
    path = context.backend.path
    status = read_schema_status(path) if path else None
    if path is None or status is None or status.copy is None or not status.copy.exists():
        raise ActionRefused("There is no interrupted upgrade, or its copy is missing.", next="Check again.")
    return path, status.copy


FIXES = (
    Fix(fix_ids.UPGRADE_DATABASE, "Upgrade the database", "Creates a copy next to it first.", _preview, _upgrade_database),
    Fix(
        fix_ids.RESTORE_BACKUP, "Restore the copy", "The half-upgraded file stays next to it.", _preview_restore, _restore_backup
    ),
)
