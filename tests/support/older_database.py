"""Databases of an older MLflow, made by MLflow's own migrations, and what makes their upgrade break off."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

from lib.backends.backend import SQLITE_PREFIX

REVISION_BEFORE_SECRETS = "71994744cf8e"
"""The last schema of an MLflow before 3.8, which made the table `secrets`."""


def create_older_database(file: Path, revision: str = "") -> None:
    """Make a database as an MLflow some months older left it, or at a given revision."""
    engine = create_sqlalchemy_engine(SQLITE_PREFIX + str(file))
    config = _get_alembic_config(SQLITE_PREFIX + str(file))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    InitialBase.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision or steps[8])
    engine.dispose()


def block_upgrade(file: Path) -> None:
    """Put a table in the way, as a broken-off upgrade leaves it."""
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("create table secrets (secret_id varchar(36) primary key)")
