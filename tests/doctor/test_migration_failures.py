"""Migrations that fail: an unreadable folder, a full disk, a killed MLflow, a file created since, two users at once. The old store stays."""

import shutil
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lib.backends import sqlite_upgrade
from lib.backends.backend import sqlite_backend
from lib.backends.sqlite_schema import read_schema_status, upgrade_record
from lib.backends.sqlite_store import ensure_database
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.backend import CHECKS
from lib.doctor.fixes import migrate_file_store, upgrade_database
from lib.doctor.types import FixContext, offer_fix
from lib.errors import ActionRefused, BackendError, BadInput, NotWritable, PodiumError
from lib.ui.app.session import now
from tests.support.doctor_stores import apply_in_threads, files_below, make_file_store
from tests.support.older_database import block_upgrade


@pytest.fixture
def file_store(tmp_path):
    return make_file_store(tmp_path / "old")


@pytest.fixture
def offer(file_store):
    return offer_fix("migrate_file_store", folder=str(file_store), target=str(file_store.parent / "moved.db"))


@pytest.fixture
def quick_migration(monkeypatch, empty_database):
    """MLflow's migration without its process: an empty database appears. `test_migrations` runs the real one."""
    monkeypatch.setattr(migrate_file_store, "_run_migration", lambda _, target: shutil.copy(empty_database, target))


def contents(folder):
    return {path: (folder / path).read_bytes() for path in files_below(folder)}


def apply_offer(context, offer):
    return fix_runner.apply_fix(context, offer, lambda _: None)


def leftovers(file_store):
    """What is beside the file store."""
    return sorted(path.name for path in file_store.parent.iterdir() if path != file_store)


@pytest.mark.slow
def test_mlflow_itself_moves_the_store_written_by_hand(context, file_store, offer):
    result = apply_offer(context, offer)
    assert ("Runs", "2 of 2 migrated") in result.evidence
    assert ("Metrics", "4 of 4 migrated") in result.evidence
    assert not result.next


def test_the_preview_counts_what_is_there_and_writes_nothing(context, file_store, offer):
    contents_before = contents(file_store.parent)
    preview = fix_runner.preview_fix(context, offer)
    assert preview.changes[2].endswith("1 experiments, 2 runs, 2 params, 4 metrics, 2 tags.")
    assert "mlflow migrate-filestore --source" in preview.snippets[0].text
    assert contents(file_store.parent) == contents_before


@pytest.mark.parametrize("method", ["read_bytes", "iterdir"])
def test_a_file_or_folder_that_cannot_be_read_is_named_before_anything_is_written(
    context, file_store, offer, monkeypatch, method
):
    contents_before = contents(file_store.parent)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, refuse)
        for step in (fix_runner.preview_fix, apply_offer):
            with pytest.raises(BackendError, match=r"cannot be read \(Permission denied\), so not everything would be migrated"):
                step(context, offer)
    assert contents(file_store.parent) == contents_before


def test_a_metric_that_is_no_text_is_counted_and_no_crash(context, file_store, offer):
    next(file_store.rglob("accuracy")).write_bytes(b"\xff\xfe\x00\n")
    assert "3 metrics" in fix_runner.preview_fix(context, offer).changes[2]


def test_a_full_disk_during_the_backup_leaves_nothing(context, file_store, offer, monkeypatch, quick_migration):
    def fill_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", fill_disk)
    contents_before = contents(file_store)
    with pytest.raises(NotWritable, match=r"backup mlruns\.\S+\.zip could not be written \(No space left on device\)"):
        apply_offer(context, offer)
    assert (leftovers(file_store), contents(file_store)) == ([], contents_before)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("import sys; print('no such column', file=sys.stderr); sys.exit(1)", "no such column"),
        ("import sys; sys.exit(2)", "no reason given"),
    ],
)
def test_a_migration_that_dies_leaves_the_folder_its_backup_and_no_database(
    context, file_store, offer, monkeypatch, tmp_path, command, reason
):
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "mlflow.py"
    stand_in.write_text(f"import sys; open(sys.argv[5].removeprefix('sqlite:///'), 'w').write('half'); {command}")
    contents_before = contents(file_store)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(stand_in.parent))
        with pytest.raises(BackendError, match=f"MLflow could not migrate the store: {reason}") as error:
            apply_offer(context, offer)
    assert error.value.means == "The folder is unchanged and no database was created. The backup next to the folder stays."
    assert contents(file_store) == contents_before
    (backup,) = leftovers(file_store)
    assert zipfile.ZipFile(file_store.parent / backup).testzip() is None


def test_a_migration_without_an_end_is_stopped(context, file_store, offer, monkeypatch, tmp_path):
    (tmp_path / "mlflow.py").write_text("import time; time.sleep(9)")
    monkeypatch.setattr(migrate_file_store, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BackendError, match="did not finish within an hour"):
        apply_offer(context, offer)
    assert [name for name in leftovers(file_store) if not name.endswith(".zip")] == []


def test_a_file_created_during_the_migration_is_never_overwritten(context, file_store, offer, monkeypatch, empty_database):
    target = file_store.parent / "moved.db"

    def migrate(_, database):
        shutil.copy(empty_database, database)
        target.write_text("mine")

    monkeypatch.setattr(migrate_file_store, "_run_migration", migrate)
    with pytest.raises(ActionRefused, match=r"moved\.db was created by another program in the meantime"):
        apply_offer(context, offer)
    assert target.read_text() == "mine"


def test_a_target_that_cannot_be_written_is_named(context, offer, monkeypatch, quick_migration):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(migrate_file_store.os, "link", refuse)
    with pytest.raises(NotWritable, match=r"moved\.db cannot be written \(Operation not permitted\)"):
        apply_offer(context, offer)


def test_of_two_migrations_at_once_one_is_carried_out_and_the_other_refuses(context, file_store, offer, quick_migration):
    outcomes = apply_in_threads(context, [offer, offer])
    (error,) = [outcome for outcome in outcomes if isinstance(outcome, PodiumError)]
    assert isinstance(error, ActionRefused | BadInput)
    assert [name.partition(".")[2][-3:] for name in leftovers(file_store)] == ["zip", "db"]


def test_what_was_not_migrated_is_named_in_the_result(context, offer, quick_migration):
    result = apply_offer(context, offer)
    assert result.title == "mlruns was only partly migrated to moved.db"
    assert ("Runs", "0 of 2 migrated") in result.evidence
    assert "runs, params, metrics, tags" in result.next


@pytest.mark.parametrize("target", ["moved.db", "/nowhere/at/all/x.db", "{folder}/x.txt", "~nobody-here/x.db", "/a\0b.db"])
def test_a_target_must_be_a_new_database_in_an_existing_folder(context, file_store, target):
    offer = offer_fix("migrate_file_store", folder=str(file_store), target=target.format(folder=file_store.parent))
    with pytest.raises(BadInput, match="is not a valid path for a new database"):
        fix_runner.preview_fix(context, offer)


def test_a_free_name_is_suggested(context, file_store):
    (file_store.parent / "mlruns.db").write_text("")
    offer = offer_fix("migrate_file_store", folder=str(file_store))
    assert fix_runner.fix_inputs(context, offer)[0].default == str(file_store.parent / "mlruns-2.db")
    shutil.rmtree(file_store)
    with pytest.raises(ActionRefused, match="contains no file-store experiments"):
        fix_runner.preview_fix(context, offer)


# Upgrading the database of an older MLflow


@pytest.fixture
def old_context(older_database, tmp_path):
    shutil.copy(older_database, tmp_path / "mlflow.db")
    return FixContext(sqlite_backend(tmp_path / "mlflow.db"), now, tmp_path / "podium")


def files_beside(database):
    return sorted(path.name for path in database.parent.iterdir() if path.is_file() and not path.name.startswith("."))


def test_of_two_upgrades_at_once_one_is_carried_out_with_one_copy(old_context):
    path = old_context.backend.path
    contexts = [old_context, replace(old_context, clock=lambda: now() + timedelta(hours=1))]  # another second, another copy
    offer = offer_fix("upgrade_database")
    (error,) = [o for o in apply_in_threads(contexts[0], [offer, offer]) if isinstance(o, PodiumError)]
    assert isinstance(error, ActionRefused)
    with pytest.raises(ActionRefused, match="no longer needs an upgrade"):
        apply_offer(contexts[1], offer)
    assert read_schema_status(path).state == "current"
    assert len([name for name in files_beside(path) if name.endswith(".backup")]) == 1


def test_too_little_space_or_no_room_for_the_copy_changes_nothing(old_context, monkeypatch):
    path = old_context.backend.path
    bytes_before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(upgrade_database.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1}))
        for step in (fix_runner.preview_fix, apply_offer):
            with pytest.raises(NotWritable, match="Only 0 MB are free"):
                step(old_context, offer_fix("upgrade_database"))
    monkeypatch.setattr(upgrade_database.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**12}))

    def refuse(*_):
        raise NotWritable("The backup could not be written (disk I/O error).")

    monkeypatch.setattr(sqlite_upgrade, "backup", refuse)
    with pytest.raises(NotWritable, match="disk I/O error"):
        apply_offer(old_context, offer_fix("upgrade_database"))
    assert path.read_bytes() == bytes_before
    assert files_beside(path) == ["mlflow.db"]


def test_an_upgrade_that_breaks_off_is_reported_and_its_copy_can_be_restored_once(old_context):
    path = old_context.backend.path
    block_upgrade(path)
    with pytest.raises(BackendError, match=r"The upgrade of mlflow\.db was interrupted: table secrets already exists") as error:
        apply_offer(old_context, offer_fix("upgrade_database"))
    assert ".backup" in error.value.means
    assert upgrade_record(path).exists()
    finding = run_checks(old_context.backend, now, checks=CHECKS).findings[0]
    assert (finding.level, finding.summary, finding.fix_offers[0].fix_id) == ("problem", "interrupted", "restore_backup")
    outcomes = apply_in_threads(old_context, [finding.fix_offers[0]] * 2)
    (refusal,) = [outcome for outcome in outcomes if isinstance(outcome, PodiumError)]
    assert isinstance(refusal, ActionRefused)
    assert read_schema_status(path).state == "older"
    assert len([name for name in files_beside(path) if name.endswith(".half-way")]) == 1


def test_a_copy_that_vanished_since_the_preview_is_reported_and_the_file_stays(old_context):
    path = old_context.backend.path
    block_upgrade(path)
    with pytest.raises(BackendError):
        apply_offer(old_context, offer_fix("upgrade_database"))
    assert "replaces mlflow.db" in fix_runner.preview_fix(old_context, offer_fix("restore_backup")).changes[0]
    next(path.parent.glob("*.backup")).unlink()
    bytes_before = path.read_bytes()
    with pytest.raises(ActionRefused, match="its copy is missing"):
        apply_offer(old_context, offer_fix("restore_backup"))
    assert path.read_bytes() == bytes_before


def test_an_upgrade_that_lost_rows_says_so_and_names_the_untouched_copy(old_context, monkeypatch):
    path = old_context.backend.path
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("insert into experiments (name, lifecycle_stage) values ('wine', 'active')")
    migrate = sqlite_upgrade.migrate

    def migrate_and_lose(backend, at):
        copy = migrate(backend, at)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("delete from experiments")
        return copy

    monkeypatch.setattr(sqlite_upgrade, "migrate", migrate_and_lose)
    with pytest.raises(BackendError, match="The upgrade did not complete correctly: experiments differ") as error:
        apply_offer(old_context, offer_fix("upgrade_database"))
    (copy,) = path.parent.glob("*.backup")
    assert str(copy) in error.value.means
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("select count(*) from experiments where name = 'wine'").fetchone() == (1,)


def test_a_database_that_is_locked_is_not_upgraded(old_context, monkeypatch):
    monkeypatch.setattr("lib.backends.sqlite_schema.BUSY_TIMEOUT_SECONDS", 0.1)
    path = old_context.backend.path
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("begin exclusive")
        with pytest.raises(BackendError, match=r"locked|in use"):
            apply_offer(old_context, offer_fix("upgrade_database"))
        db.execute("rollback")
    assert read_schema_status(path).state == "older"
    assert files_beside(path) == ["mlflow.db"]


def test_a_current_database_offers_neither(tmp_path):
    store = sqlite_backend(tmp_path / "new.db")
    ensure_database(store)
    for fix_id, reason in (("upgrade_database", "no longer needs"), ("restore_backup", "no interrupted upgrade")):
        with pytest.raises(ActionRefused, match=reason):
            fix_runner.preview_fix(FixContext(store, now, tmp_path), offer_fix(fix_id))
