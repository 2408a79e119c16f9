"""Upgrading an old database and migrating a file store with MLflow's own tools on real stores, with copies and counts."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_schema import read_schema_status
from lib.backends.sqlite_store import ensure_database
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.backend import CHECKS
from lib.doctor.types import FixContext, offer_fix
from lib.errors import ActionRefused, BadInput, NotWritable
from lib.ui.app.session import now
from tests.support.ledger_stores import make_trained_run

FILE_STORE_SCRIPT = """
import mlflow
from mlflow import MlflowClient
c = MlflowClient("./mlruns", "./mlruns")
e = c.create_experiment("old-wine")
for n in range(3):
    r = c.create_run(e, run_name=f"forest-{n}")
    c.log_param(r.info.run_id, "n", n)
    for step in range(4):
        c.log_metric(r.info.run_id, "accuracy", 0.9, step=step)
    c.log_text(r.info.run_id, "hello", "note.txt")
    c.set_terminated(r.info.run_id)
c.delete_run(r.info.run_id)
gone = c.create_experiment("thrown-away")
c.delete_experiment(gone)
c.create_registered_model("wine")
c.create_model_version("wine", "file:///nowhere")
"""


def run_mlflow_script(folder, code):
    env = os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def old_folder(tmp_path_factory):
    """A folder with a real file store created by MLflow."""
    folder = tmp_path_factory.mktemp("old")
    run_mlflow_script(folder, FILE_STORE_SCRIPT)
    return folder / "mlruns"


def read_all_files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_store_is_moved_with_a_backup_and_all_of_it_arrives(context, old_folder):
    files_before = read_all_files(old_folder)
    offer = offer_fix("migrate_file_store", folder=str(old_folder), target=str(old_folder.parent / "moved.db"))
    preview = fix_runner.preview_fix(context, offer)
    assert "3 runs" in preview.changes[2]
    result = fix_runner.apply_fix(context, offer, lambda _: None)
    assert ("Runs", "3 of 3 migrated") in result.evidence
    assert ("Metrics", "12 of 12 migrated") in result.evidence
    assert ("Model versions", "1 of 1 migrated") in result.evidence
    assert not result.next
    mlflow_client = client(result.backend)
    experiment = mlflow_client.get_experiment_by_name("old-wine")
    runs = mlflow_client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["forest-0", "forest-1"]
    assert [item.path for item in mlflow_client.list_artifacts(runs[0].info.run_id)] == ["note.txt"]
    assert read_schema_status(result.backend.path).state == "current"
    assert read_all_files(old_folder) == files_before
    assert not [path.name for path in old_folder.parent.iterdir() if path.name.startswith(".moved") or path.name.endswith("-wal")]
    with zipfile.ZipFile(dict(result.evidence)["Backup"]) as archive:
        assert {Path(name) for name in archive.namelist()} == {
            Path("mlruns") / path for path in files_before if "artifacts" not in path.parts
        }


def test_the_doctor_finds_a_file_store_beside_the_database_and_offers_to_move_it(fresh_store, old_folder):
    shutil.copytree(old_folder, fresh_store.path.parent / "mlruns", dirs_exist_ok=True)
    findings = [finding for finding in run_checks(fresh_store, now, checks=CHECKS).findings if finding.check_id == "file_store"]
    assert [(finding.level, finding.fix_offers[0].fix_id) for finding in findings] == [("notice", "migrate_file_store")]


def test_a_database_is_never_overwritten_and_a_damaged_run_is_reported(context, old_folder, tmp_path):
    existing_file = tmp_path / "taken.db"
    existing_file.write_text("mine")
    with pytest.raises(BadInput, match="already"):
        fix_runner.preview_fix(context, offer_fix("migrate_file_store", folder=str(old_folder), target=str(existing_file)))
    damaged_store = tmp_path / "hurt" / "mlruns"
    shutil.copytree(old_folder, damaged_store)
    next(path for path in sorted(damaged_store.glob("*/*/meta.yaml")) if (path.parent / "params").is_dir()).write_text(
        "{ this is : no yaml"
    )
    result = fix_runner.apply_fix(context, offer_fix("migrate_file_store", folder=str(damaged_store)), lambda _: None)
    assert ("Runs", "2 of 3 migrated") in result.evidence
    assert "only partly migrated" in result.title
    assert existing_file.read_text() == "mine"
    with pytest.raises(ActionRefused, match="no file-store experiments"):
        fix_runner.preview_fix(context, offer_fix("migrate_file_store", folder=str(tmp_path)))


def downgrade(store):
    """Downgrade a store to the previous schema, as an older MLflow would have left it."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    command.downgrade(_get_alembic_config(store.uri), "-1")


def test_an_older_database_is_upgraded_after_a_copy_and_nothing_is_lost(context):
    make_trained_run(context.backend)
    downgrade(context.backend)
    assert read_schema_status(context.backend.path).state == "older"
    finding = run_checks(context.backend, now, checks=CHECKS).findings[0]
    assert (finding.level, finding.fix_offers[0].fix_id) == ("problem", "upgrade_database")
    preview = fix_runner.preview_fix(context, finding.fix_offers[0])
    assert "mlflow db upgrade" in preview.snippets[0].text
    assert read_schema_status(context.backend.path).state == "older"
    result = fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert ("Runs", "1 before, 1 now") in result.evidence
    assert read_schema_status(context.backend.path).state == "current"
    assert read_schema_status(Path(dict(result.evidence)["Copy"])).state == "older"
    with pytest.raises(ActionRefused, match="no longer needs"):
        fix_runner.preview_fix(context, finding.fix_offers[0])


def test_a_full_disk_is_reported_before_anything_is_written(context, old_folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    paths_before = set(old_folder.parent.iterdir())
    with pytest.raises(NotWritable, match="MB are free"):
        fix_runner.preview_fix(
            context, offer_fix("migrate_file_store", folder=str(old_folder), target=str(old_folder.parent / "full.db"))
        )
    assert set(old_folder.parent.iterdir()) == paths_before


def test_a_new_store_needs_no_upgrade(tmp_path):
    new_store = sqlite_backend(tmp_path / "new.db")
    ensure_database(new_store)
    with pytest.raises(ActionRefused):
        fix_runner.preview_fix(FixContext(new_store, now, tmp_path), offer_fix("upgrade_database"))
