"""A full disk, a read-only and a locked database, caused in SQLite below the real MLflow client, are reported in plain English."""

import errno
import sqlite3
import time
from contextlib import closing

import pytest
from alembic.util.exc import CommandError
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import to_podium_error, translate_errors
from lib.backends.sqlite_store import require_writable
from lib.errors import BackendError, Busy, NotWritable
from tests.support.ledger_stores import make_trained_run


def set_pragma(store, pragma):
    """Apply this pragma to every connection that MLflow opens from now on."""
    engine = client(store)._tracking_client.store.engine
    event.listen(engine, "connect", lambda connection, _: connection.execute(pragma).close())
    engine.dispose()


def write_many_tags(store, run_id):
    with translate_errors("The run"):
        for n in range(200):
            client(store).set_tag(run_id, f"big.{n}", "x" * 5000)


def test_a_full_disk_is_called_full_and_what_was_there_is_whole(fresh_store):
    run_id = make_trained_run(fresh_store)
    with closing(sqlite3.connect(fresh_store.path)) as connection:
        pages = connection.execute("pragma page_count").fetchone()[0]
    set_pragma(fresh_store, f"pragma max_page_count = {pages + 3}")
    with pytest.raises(NotWritable, match=r"The disk is full.*existing data is intact.*Free space"):
        write_many_tags(fresh_store, run_id)
    assert client(fresh_store).get_run(run_id).data.metrics == {"accuracy": 0.9444}


def test_a_read_only_database_is_called_so(fresh_store):
    run_id = make_trained_run(fresh_store)
    set_pragma(fresh_store, "pragma query_only = 1")
    with pytest.raises(NotWritable, match=r"cannot be written.*permissions"):
        write_many_tags(fresh_store, run_id)


def test_a_database_locked_by_another_program_is_reported_in_seconds_and_works_again_afterwards(fresh_store):
    run_id = make_trained_run(fresh_store)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        started_at = time.monotonic()
        with pytest.raises(Busy, match=r"locked by another program.*Close that program"):
            require_writable(fresh_store)
        assert time.monotonic() - started_at < 5
        other.execute("rollback")
    require_writable(fresh_store)
    client(fresh_store).set_tag(run_id, "free", "again")


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ("(sqlite3.OperationalError) unable to open database file", NotWritable, "cannot be opened"),
        ("(sqlite3.OperationalError) disk I/O error", BackendError, "damaged"),
        ("(sqlite3.DatabaseError) database disk image is malformed", BackendError, "damaged"),
    ],
)
def test_other_troubles_of_a_database_are_not_called_a_lock(message, error, text):
    podium_error = to_podium_error("TEMPORARILY_UNAVAILABLE", message)
    assert type(podium_error) is error
    assert text in podium_error.what


@pytest.mark.parametrize(
    "message", ["Metric 'malformed' is malformed", "The run is not a database", "unable to open database file", "read-only"]
)
def test_a_word_in_a_message_is_no_cause(message):
    assert message.rstrip(".") in str(to_podium_error("INTERNAL_ERROR", message))


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("(psycopg2.errors.DiskFull) could not extend file", NotWritable),
        ("(psycopg.errors.ReadOnlySqlTransaction) cannot execute INSERT", NotWritable),
        ("(psycopg.errors.InsufficientPrivilege) permission denied for table params", NotWritable),
        ('(pymysql.err.OperationalError) (1142, "INSERT command denied to user")', NotWritable),
        ('(pymysql.err.OperationalError) (1205, "Lock wait timeout exceeded")', Busy),
    ],
)
def test_the_database_behind_a_server_is_judged_by_the_class_or_code_of_its_driver(message, error):
    assert type(to_podium_error("INTERNAL_ERROR", message)) is error


def test_what_sqlalchemy_and_alembic_raise_themselves_is_translated(fresh_store):
    for foreign_error in (ArgumentError("no such address"), CommandError("Can't locate revision"), sqlite3.Error("odd")):
        with pytest.raises(BackendError, match="The database reported"), translate_errors():
            raise foreign_error


def test_a_resource_that_is_missing_keeps_the_name_that_the_server_gave():
    error = to_podium_error("RESOURCE_DOES_NOT_EXIST", "Workspace 'nope' not found", "The experiments")
    assert "The experiments was not found." in str(error)
    assert "Workspace 'nope' not found" in str(error)


def test_a_full_disk_under_files_is_reported_and_other_faults_stay_what_they_are():
    with pytest.raises(NotWritable, match="full"), translate_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), translate_errors():
        raise FileNotFoundError(errno.ENOENT, "no such file")
