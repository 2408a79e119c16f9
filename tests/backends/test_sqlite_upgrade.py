"""An upgrade interrupted by a conflicting table or a kill: recognised as incomplete, never copied again, and restored on request."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from lib.backends.backend import sqlite_backend
from lib.backends.sqlite_schema import lock_for_change, read_schema_status, upgrade_record
from lib.backends.sqlite_store import require_openable
from lib.backends.sqlite_upgrade import backup, migrate, restore_backup
from lib.cli import podium
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.backend import CHECKS
from lib.doctor.types import FixContext
from lib.errors import ActionRefused, Busy, NotFound, NotWritable, UpgradeInterrupted
from lib.ui.app.session import now
from tests.support.older_database import REVISION_BEFORE_SECRETS, block_upgrade

AT, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def blocked_store(older_database, tmp_path):
    """An older database with a table that blocks its upgrade."""
    shutil.copy(older_database, tmp_path / "mlflow.db")
    block_upgrade(tmp_path / "mlflow.db")
    return sqlite_backend(tmp_path / "mlflow.db")


@pytest.fixture
def broken_off(blocked_store):
    """That store after the interrupted upgrade."""
    with pytest.raises(UpgradeInterrupted):
        migrate(blocked_store, AT)
    return blocked_store


def names_in(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def revision_in(file):
    with closing(sqlite3.connect(file)) as db:
        return db.execute("select version_num from alembic_version").fetchone()[0]


def test_what_stopped_it_and_the_complete_copy_are_named(blocked_store):
    with pytest.raises(
        UpgradeInterrupted, match=r"table secrets already exists.*complete backup .*mlflow\.db\.20260101-000000\.backup"
    ):
        migrate(blocked_store, AT)
    assert revision_in(blocked_store.path) != REVISION_BEFORE_SECRETS
    assert revision_in(blocked_store.path.with_name("mlflow.db.20260101-000000.backup")) == REVISION_BEFORE_SECRETS


def test_a_further_try_makes_no_copy_of_the_half_way_file(broken_off):
    with pytest.raises(UpgradeInterrupted, match="20260101"):
        migrate(broken_off, LATER)
    assert names_in(broken_off.path.parent) == ["mlflow.db", "mlflow.db.20260101-000000.backup"]
    with pytest.raises(UpgradeInterrupted, match="between two schemas"):
        require_openable(broken_off)


def test_the_copy_is_put_back_and_the_half_way_file_stays_beside_it(broken_off):
    copy, half_way_file = restore_backup(broken_off, LATER)
    assert revision_in(broken_off.path) == revision_in(copy) == REVISION_BEFORE_SECRETS
    assert revision_in(half_way_file) != REVISION_BEFORE_SECRETS
    assert read_schema_status(broken_off.path).state == "older"
    with pytest.raises(ActionRefused):
        restore_backup(broken_off, LATER)


def test_a_missing_copy_is_reported_and_the_file_is_left_alone(broken_off):
    broken_off.path.with_name("mlflow.db.20260101-000000.backup").unlink()
    before = broken_off.path.read_bytes()
    with pytest.raises(UpgradeInterrupted, match="no longer exists"):
        require_openable(broken_off)
    with pytest.raises(NotFound, match="no longer exists"):
        restore_backup(broken_off, LATER)
    assert broken_off.path.read_bytes() == before


def test_a_restore_killed_between_its_two_renames_is_still_known_and_no_new_database_is_made(broken_off):
    broken_off.path.rename(broken_off.path.with_name("aside"))
    assert read_schema_status(broken_off.path).state == "interrupted"
    restore_backup(broken_off, LATER)
    assert revision_in(broken_off.path) == REVISION_BEFORE_SECRETS


def test_a_record_that_outlived_its_upgrade_stops_nothing(fresh_store):
    upgrade_record(fresh_store.path).write_text(
        json.dumps({"copy": "old.backup", "target_revision": revision_in(fresh_store.path)})
    )
    assert read_schema_status(fresh_store.path).state == "current"


def test_an_upgrade_that_is_running_is_not_called_broken_off(broken_off):
    with lock_for_change(broken_off.path), pytest.raises(Busy, match="being upgraded"):
        read_schema_status(broken_off.path)


def test_a_backup_without_room_leaves_no_file_of_its_name(fresh_store, monkeypatch):
    connect = sqlite3.connect

    def connect_to_full_disk(*args, **options):
        connection = connect(*args, **options)
        connection.execute("pragma max_page_count = 1")
        return connection

    monkeypatch.setattr("lib.backends.sqlite_upgrade.sqlite3.connect", connect_to_full_disk)
    with pytest.raises(NotWritable, match="could not be written"):
        backup(fresh_store.path, fresh_store.path.with_name("copy.backup"))
    assert names_in(fresh_store.path.parent) == ["mlflow.db"]


def test_the_command_line_names_the_copy_in_one_line_and_puts_it_back(blocked_store):
    def run(*options):
        return CliRunner().invoke(podium, ["models", "--backend", blocked_store.uri, *options])

    result = run("--migrate")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert ".backup" in result.stderr
    assert "secrets" in result.stderr
    result = run("--restore-backup", "--migrate")
    assert "was restored" in result.stderr
    assert "was interrupted" in result.stderr
    assert len([name for name in names_in(blocked_store.path.parent) if name.endswith(".half-way")]) == 1


def test_the_doctor_names_it_and_its_cure_puts_the_copy_back(broken_off, tmp_path):
    report = run_checks(broken_off, now, checks=CHECKS)
    (finding,) = report.problems_and_notices
    assert "was interrupted" in finding.title
    context = FixContext(broken_off, now, tmp_path / "podium")
    assert "mlflow.db.20260101-000000.backup" in fix_runner.preview_fix(context, finding.fix_offers[0]).changes[0]
    result = fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert dict(result.evidence)["Half-upgraded file"].endswith(".half-way")
    assert revision_in(broken_off.path) == REVISION_BEFORE_SECRETS
