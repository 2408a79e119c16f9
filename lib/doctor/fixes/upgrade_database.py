"""The cure for a database that an older MLflow made: a whole copy beside it, then MLflow's own upgrade, then a look whether all is there."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from lib.backends import sqlite_store as store
from lib.backends.mlflow_client import mlflow_version
from lib.doctor.types import Call, Cure, Done, Room, Snippet, Told, Treatment
from lib.errors import BackendError, NotWritable, Refused

COUNTED = ("experiments", "runs", "metrics", "params", "registered_models", "model_versions")
"""Tables that every MLflow has had, by which a person knows the store again."""


def room_for(path: Path, needed: int) -> None:
    """Raise NotWritable when the disk of a path has less room than needed, told in megabytes."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise NotWritable(
            f"There are {free / 1e6:,.0f} MB free in {path}, and {needed / 1e6:,.0f} MB are needed.",
            next="Make room on that disk, then look again.",
        )


def rows_in(path: Path, tables: tuple[str, ...] = COUNTED) -> dict[str, int]:
    """How many rows some tables of a database file hold; it is opened read-only."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=store.LOCKED_SECONDS)) as db:
        there = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        return {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables if name in there}  # noqa: S608 - names of our own


def _preview(room: Room, _: Call) -> Cure:
    path = _older(room)
    stand, size = store.schema(path), path.stat().st_size
    room_for(path.parent, size * 5 // 2)
    return Cure(
        f"Upgrade {path.name} to MLflow {mlflow_version()}",
        (
            f"A copy is made first: {path.name}.‹date and time›.backup in {path.parent}, {size / 1e6:,.1f} MB.",
            f"MLflow changes the tables from schema {stand.found or 'without a number'} to {stand.wanted}.",
            "Runs, models and files stay as they are; they are counted before and after.",
            "The older MLflow cannot open this file any more. It can open the copy.",
        ),
        (Snippet(f"mlflow db upgrade sqlite:///{path}", "bash"),),
        "Stop Podium, put the upgraded file aside, and give the copy its name.",
    )


def _upgrade(room: Room, _: Call, told: Told) -> Done:
    path = _older(room)
    before, copied = _read(path), path.stat().st_size
    room_for(path.parent, copied * 5 // 2)
    store.must_be_free(room.backend)
    told(f"Copying {copied / 1e6:,.1f} MB, then changing the tables.")
    copy = store.migrate(room.backend, room.clock())
    state, after = store.schema(path).state, _read(path)
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
    return Done(f"{path.name} is upgraded", (("Copy", str(copy)), *rows))


def _read(path: Path) -> dict[str, int]:
    try:
        return rows_in(path)
    except sqlite3.Error as error:
        raise BackendError(f"{path.name} cannot be read ({error}).", next="Close other programs that use it.") from error


def _older(room: Room) -> Path:
    path = room.backend.path
    if path is None or store.schema(path).state != "older":
        raise Refused("This database does not need an upgrade any more.", next="Check again.")
    return path


TREATMENTS = (Treatment("upgrade_database", "Upgrade the database", "After a copy was made beside it.", _preview, _upgrade),)
