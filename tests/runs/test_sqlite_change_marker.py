"""The change marker of a local file changes after every write, and is never that of a deleted file."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.runs.reading import sqlite_change_marker
from lib.runs.reading.sqlite_change_marker import read_change_marker
from tests.conftest import copy_store
from tests.support.run_factories import log_run, make_experiment


@pytest.fixture
def run_id(fresh_store):
    return log_run(fresh_store, make_experiment(fresh_store, "wine"), "first")


WRITES = {
    "a metric": lambda mlflow, run_id: mlflow.log_metric(run_id, "m", 1.0),
    "a parameter": lambda mlflow, run_id: mlflow.log_param(run_id, "p", 1),
    "a tag": lambda mlflow, run_id: mlflow.set_tag(run_id, "t", "1"),
    "a name": lambda mlflow, run_id: mlflow.update_run(run_id, name="other"),
    "the end": lambda mlflow, run_id: mlflow.set_terminated(run_id),
    "a deletion": lambda mlflow, run_id: mlflow.delete_run(run_id),
    "a model": lambda mlflow, run_id: mlflow.create_registered_model("wine"),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_changes_the_mark_and_looking_does_not(fresh_store, run_id, write):
    before = read_change_marker(fresh_store)
    assert before == read_change_marker(fresh_store) is not None
    client(fresh_store).get_run(run_id)
    assert read_change_marker(fresh_store) == before
    WRITES[write](client(fresh_store), run_id)
    assert read_change_marker(fresh_store) not in (before, None)


def test_a_write_ahead_log_is_watched_too(fresh_store, run_id):
    with closing(sqlite3.connect(fresh_store.path)) as db:
        db.execute("pragma journal_mode = wal")
        before = read_change_marker(fresh_store)
        client(fresh_store).set_tag(run_id, "t", "1")
        assert read_change_marker(fresh_store) not in (before, None)


def test_a_file_in_the_place_of_another_has_a_mark_of_its_own(fresh_store, run_id):
    before = read_change_marker(fresh_store)
    copy = fresh_store.path.with_name("copy.db")
    shutil.copy(fresh_store.path, copy)
    copy.replace(fresh_store.path)
    assert read_change_marker(fresh_store) not in (before, None)


def test_a_deleted_file_has_no_mark_and_a_new_one_under_its_name_has_another(fresh_store, empty_database):
    before = read_change_marker(fresh_store)
    fresh_store.path.unlink()
    assert read_change_marker(fresh_store) is None
    copy_store(empty_database, fresh_store.path.parent)
    assert read_change_marker(fresh_store) not in (before, None)


def test_a_server_and_a_missing_file_have_none(tmp_path):
    assert read_change_marker(Backend("http://localhost:1", "server")) is None
    assert read_change_marker(sqlite_backend(tmp_path / "none.db")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_marker_never_waits_and_a_locked_file_has_none_for_now(fresh_store, monkeypatch):
    monkeypatch.setattr(sqlite_change_marker, "LOCK_TIMEOUT_SECONDS", 0.01)
    read_change_marker(fresh_store)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None, timeout=0)) as db:
        db.execute("begin exclusive")  # a marker that held a lock would prevent this
        assert read_change_marker(fresh_store) is None
        db.execute("rollback")
    assert read_change_marker(fresh_store) is not None


@pytest.mark.parametrize("name", ["what?mode=rwc.db", "50% off.db", "a#b.db", "%41.db"])
def test_a_path_with_marks_of_an_address_is_watched(fresh_store, tmp_path, name):
    shutil.copy(fresh_store.path, tmp_path / name)
    store = sqlite_backend(tmp_path / name)
    before = read_change_marker(store)
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("update experiments set name = 'other'")
    assert read_change_marker(store) not in (before, None)


def test_many_threads_and_many_files_share_the_marks(fresh_store, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_change_marker, "MAX_CONNECTIONS", 2)
    stores = [fresh_store]
    for n in range(3):
        shutil.copy(fresh_store.path, tmp_path / f"{n}.db")
        stores.append(sqlite_backend(tmp_path / f"{n}.db"))
    with ThreadPoolExecutor(8) as pool:
        assert None not in list(pool.map(read_change_marker, stores * 20))
    assert len(sqlite_change_marker._OPEN_FILES) <= 2
