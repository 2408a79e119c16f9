"""The local file: created completely or not at all, by one of many processes, and never changed without consent."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_schema import SchemaStatus, read_schema_status
from lib.backends.sqlite_store import ensure_database, require_database_file, require_readable
from lib.backends.sqlite_upgrade import backup, migrate
from lib.cli import podium
from lib.errors import ActionRefused, BackendError, Busy, NotFound, NotWritable
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.runs.reading.run_reader import read_experiments
from tests.support.ledger_stores import DECISION, REASON, make_registered_model, make_trained_run, make_writer

WHY = ["--reason", REASON.text, "--category", REASON.category]


def test_a_missing_and_an_empty_file_differ_from_a_foreign_one(tmp_path):
    assert read_schema_status(tmp_path / "none.db") == SchemaStatus("missing")
    (tmp_path / "empty.db").touch()
    assert read_schema_status(tmp_path / "empty.db") == SchemaStatus("empty")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("create table notes (text)")
    assert read_schema_status(tmp_path / "other.db") == SchemaStatus("foreign")


def test_a_new_store_is_current_and_keeps_its_files_beside_it(tmp_path):
    backend = sqlite_backend(tmp_path / "a folder" / "mlflow.db")
    assert ensure_database(backend) is True
    assert ensure_database(backend) is False
    assert read_schema_status(backend.path).state == "current"
    location = MlflowClient(backend.uri, backend.uri).get_experiment("0").artifact_location
    assert location == str(tmp_path / "a folder" / "mlruns" / "0")


def test_an_empty_file_is_filled(tmp_path):
    (tmp_path / "mlflow.db").touch()
    assert ensure_database(sqlite_backend(tmp_path / "mlflow.db")) is True


@pytest.mark.slow
def test_many_processes_at_once_make_one_store_and_leave_nothing_behind(tmp_path):
    code = (
        "import sys; from pathlib import Path; from lib.backends.sqlite_store import ensure_database; from lib.backends.backend import sqlite_backend\n"
        "print(ensure_database(sqlite_backend(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "mlflow.db")]
    processes = [subprocess.Popen(command, cwd=PROJECT_FOLDER, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(process.communicate()[0].strip() for process in processes) == ["False", "False", "True"]
    assert {file.name for file in tmp_path.iterdir()} <= {"mlflow.db", ".mlflow.db.lock"}


def test_a_half_made_file_of_a_killed_process_does_no_harm(tmp_path):
    (tmp_path / ".mlflow.db.99-dead.new").write_bytes(b"half")
    assert ensure_database(sqlite_backend(tmp_path / "mlflow.db")) is True


def test_a_locked_file_is_busy(fresh_store, monkeypatch):
    monkeypatch.setattr("lib.backends.sqlite_schema.BUSY_TIMEOUT_SECONDS", 0.1)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(Busy):
            require_readable(fresh_store)


def test_a_folder_that_is_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotWritable):
        ensure_database(sqlite_backend(tmp_path / "file" / "mlflow.db"))


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("create table notes (text)")
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(BackendError, match="is not an MLflow database"):
        ensure_database(sqlite_backend(tmp_path / "other.db"))
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_store_that_must_exist_is_not_made(tmp_path):
    with pytest.raises(NotFound):
        require_database_file(sqlite_backend(tmp_path / "mlflow.db"))
    require_database_file(Backend("http://x", "server"))
    assert not (tmp_path / "mlflow.db").exists()


def test_a_current_store_is_not_migrated_again_and_not_copied(fresh_store):
    with pytest.raises(ActionRefused):
        migrate(fresh_store, datetime(2026, 1, 1, tzinfo=UTC))
    assert not [*fresh_store.path.parent.glob("*.backup")]


def test_a_backup_is_complete_during_writes(fresh_store, tmp_path):
    with closing(sqlite3.connect(fresh_store.path)) as writer:
        writer.execute("update experiments set name = 'half done'")
        backup(fresh_store.path, tmp_path / "copy.db")
    assert read_schema_status(tmp_path / "copy.db").state == "current"


def test_a_backup_that_has_no_room_is_reported(fresh_store, tmp_path):
    with pytest.raises(NotWritable, match="could not be written"):
        backup(fresh_store.path, tmp_path / "no folder" / "copy.db")


def test_migrations_of_another_program_in_the_same_file_are_not_called_a_newer_mlflow(fresh_store):
    with closing(sqlite3.connect(fresh_store.path)) as connection, connection:
        connection.execute("update alembic_version set version_num = 'v3.2.0.a'")
    with pytest.raises(BackendError, match=r"another program's migrations \(schema v3.2.0.a\)"):
        ensure_database(fresh_store)


def test_a_file_in_wal_mode_in_a_folder_that_may_only_be_read_is_called_so(empty_database):
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        file = Path(shutil.copy(empty_database, folder / "mlflow.db"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("pragma journal_mode = wal")
        file.chmod(0o444)
        folder.chmod(0o555)
        with as_somebody_else(), pytest.raises(NotWritable, match=r"WAL mode.*is read-only"):
            read_schema_status(file)


@pytest.mark.parametrize("is_open_elsewhere", [True, False])
def test_a_login_that_may_only_read_a_file_in_wal_mode_reads_it_or_says_why_not_and_never_changes_it(
    empty_database, monkeypatch, is_open_elsewhere
):
    """SQLite reads such a file without writing only if another program has it open, because its two side files exist then."""
    with TemporaryDirectory(dir="/tmp") as name, TemporaryDirectory(dir="/tmp") as home:
        monkeypatch.setenv("PODIUM_HOME", home)
        Path(home).chmod(0o777)
        store = sqlite_backend(Path(shutil.copy(empty_database, Path(name) / "mlflow.db")))
        make_registered_model(store)
        move_version(make_writer(store), MoveRequest("wine", "1", "Production"), DECISION)
        client(store)._tracking_client.store.engine.dispose()  # it was opened by a login that may write
        with closing(sqlite3.connect(store.path)) as writer:
            writer.execute("pragma journal_mode = wal")
            if is_open_elsewhere:
                writer.execute("update experiments set last_update_time = 1")
                writer.commit()
            else:
                writer.close()
            Path(name).chmod(0o755)
            files = [path for path in (store.path, store.path.with_name("mlflow.db-wal")) if path.exists()]
            contents = [path.read_bytes() for path in files]
            with as_somebody_else():
                current = CliRunner().invoke(podium, ["current", "wine", "--backend", store.uri])
                promote = CliRunner().invoke(podium, ["promote", "wine", "2", "--to", "Production", *WHY, "--backend", store.uri])
            assert [path.read_bytes() for path in files] == contents
        refusal = "cannot be written" if is_open_elsewhere else "its folder is read-only"
        assert (promote.exit_code, refusal in promote.stderr) == (1, True), promote.output
        assert (current.exit_code, "v1 holds Production" in current.stdout) == ((0, True) if is_open_elsewhere else (1, False))
        assert len(files) == 1 + is_open_elsewhere


@contextmanager
def as_somebody_else():
    """Root can write everywhere, so run as the user nobody for a moment."""
    if is_root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_the_option_of_an_address_is_no_part_of_the_file_name(fresh_store):
    make_trained_run(fresh_store)
    result = CliRunner().invoke(podium, ["runs", "wine", "--backend", f"{fresh_store.uri}?timeout=30"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "accuracy" in result.stdout


@pytest.mark.parametrize("name", ["100%25.db", "a?b.db", "a#b c.db"])
def test_mlflow_opens_the_file_that_podium_made(tmp_path, empty_database, name):
    backend = sqlite_backend(Path(shutil.copy(empty_database, tmp_path / name)))
    client(backend).create_experiment("here")
    assert {experiment.name for experiment in read_experiments(backend)} >= {"here"}
    assert [path.name for path in tmp_path.iterdir()] == [name]
