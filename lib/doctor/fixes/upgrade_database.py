"""The cure for a database that an older MLflow made: a whole copy beside it, then MLflow's own upgrade, then a look whether all is there."""

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
        there = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        return {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables if name in there}  # noqa: S608 - names of our own


def _preview(room: FixContext, _: FixOffer) -> FixPreview:
    path = _older(room)
    stand, size = sqlite_store.read_schema_status(path), path.stat().st_size
    require_free_space(path.parent, size * 5 // 2)
    return FixPreview(
        f"Upgrade {path.name} to MLflow {installed_mlflow_version()}",
        (
            f"A copy is made first: {path.name}.‹date and time›.backup in {path.parent}, {size / 1e6:,.1f} MB.",
            f"MLflow changes the tables from schema {stand.revision or 'without a number'} to {stand.required_revision}.",
            "Runs, models and files stay as they are; they are counted before and after.",
            "The older MLflow cannot open this file any more. It can open the copy.",
        ),
        (Snippet(f"mlflow db upgrade sqlite:///{path}", "bash"),),
        "Stop Podium, put the upgraded file aside, and give the copy its name.",
    )


def _upgrade(room: FixContext, _: FixOffer, told: ProgressCallback) -> FixResult:
    path = _older(room)
    before, copied = _read(path), path.stat().st_size
    require_free_space(path.parent, copied * 5 // 2)
    sqlite_store.require_writable(room.backend)
    told(f"Copying {copied / 1e6:,.1f} MB, then changing the tables.")
    copy = sqlite_store.migrate(room.backend, room.clock())
    state, after = sqlite_store.read_schema_status(path).state, _read(path)
    fewer = [name for name, number in before.items() if after.get(name, 0) < number]
    if state != "current" or fewer:
        raise BackendError(
            f"The upgrade left {', '.join(fewer) or 'the tables'} not as they were to be.",
            means=f"The untouched copy is {copy}.",
            next="Stop Podium, put the upgraded file aside, and give the copy its name.",
        )
    rows = tuple(
        (name.replace("_", " ").capitalize(), f"{number:,} before, {after[name]:,} now") for name, number in before.items()
    )
    return FixResult(f"{path.name} is upgraded", (("Copy", str(copy)), *rows))


def _read(path: Path) -> dict[str, int]:
    try:
        return count_rows(path)
    except sqlite3.Error as error:
        raise BackendError(f"{path.name} cannot be read ({error}).", next="Close other programs that use it.") from error


def _older(room: FixContext) -> Path:
    path = room.backend.path
    if path is None or sqlite_store.read_schema_status(path).state != "older":
        raise ActionRefused("This database does not need an upgrade any more.", next="Check again.")
    return path


FIXES = (Fix(fix_ids.UPGRADE_DATABASE, "Upgrade the database", "After a copy was made beside it.", _preview, _upgrade),)
