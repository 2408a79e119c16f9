"""An old database upgraded and a file store moved into a database, by MLflow's own tools on real stores, with copies and counts."""

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
from lib.backends.sqlite_store import ensure_database, read_schema_status
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.backend import CHECKS
from lib.doctor.types import FixContext, offer_fix
from lib.errors import ActionRefused, BadInput, NotWritable
from lib.ui.app.session import now
from tests.support.ledger_stores import make_trained_run

OLD = """
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


def mlflow_in(folder, code):
    env = os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def old_folder(tmp_path_factory):
    """A folder with a real file store in it, made by MLflow itself."""
    folder = tmp_path_factory.mktemp("old")
    mlflow_in(folder, OLD)
    return folder / "mlruns"


@pytest.fixture
def room(fresh_store, tmp_path):
    return FixContext(fresh_store, now, tmp_path / "podium", "ana")


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_store_is_moved_with_a_backup_and_all_of_it_arrives(room, old_folder):
    before = everything(old_folder)
    asked = offer_fix("migrate_file_store", folder=str(old_folder), target=str(old_folder.parent / "moved.db"))
    shown = fix_runner.preview_fix(room, asked)
    assert "3 runs" in shown.changes[2]
    done = fix_runner.apply_fix(room, asked, lambda _: None)
    assert ("Runs", "3 of 3 arrived") in done.evidence
    assert ("Metrics", "12 of 12 arrived") in done.evidence
    assert ("Model versions", "1 of 1 arrived") in done.evidence
    assert not done.next
    there = client(done.backend)
    home = there.get_experiment_by_name("old-wine")
    runs = there.search_runs([home.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["forest-0", "forest-1"]
    assert [one.path for one in there.list_artifacts(runs[0].info.run_id)] == ["note.txt"]
    assert read_schema_status(done.backend.path).state == "current"
    assert everything(old_folder) == before
    assert not [one.name for one in old_folder.parent.iterdir() if one.name.startswith(".moved") or one.name.endswith("-wal")]
    with zipfile.ZipFile(dict(done.evidence)["Backup"]) as packed:
        assert {Path(name) for name in packed.namelist()} == {
            Path("mlruns") / path for path in before if "artifacts" not in path.parts
        }


def test_the_doctor_finds_a_file_store_beside_the_database_and_offers_to_move_it(fresh_store, old_folder):
    shutil.copytree(old_folder, fresh_store.path.parent / "mlruns", dirs_exist_ok=True)
    found = [one for one in run_checks(fresh_store, now, checks=CHECKS).findings if one.check_id == "file_store"]
    assert [(one.level, one.fix_offers[0].fix_id) for one in found] == [("notice", "migrate_file_store")]


def test_a_database_is_never_overwritten_and_a_damaged_run_is_told(room, old_folder, tmp_path):
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    with pytest.raises(BadInput, match="already"):
        fix_runner.preview_fix(room, offer_fix("migrate_file_store", folder=str(old_folder), target=str(taken)))
    hurt = tmp_path / "hurt" / "mlruns"
    shutil.copytree(old_folder, hurt)
    next(path for path in sorted(hurt.glob("*/*/meta.yaml")) if (path.parent / "params").is_dir()).write_text(
        "{ this is : no yaml"
    )
    done = fix_runner.apply_fix(room, offer_fix("migrate_file_store", folder=str(hurt)), lambda _: None)
    assert ("Runs", "2 of 3 arrived") in done.evidence
    assert "not all" in done.title
    assert taken.read_text() == "mine"
    with pytest.raises(ActionRefused, match="no experiment"):
        fix_runner.preview_fix(room, offer_fix("migrate_file_store", folder=str(tmp_path)))


def aged(store):
    """Turn a store back to the schema before, as an older MLflow left it."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    command.downgrade(_get_alembic_config(store.uri), "-1")


def test_an_older_database_is_upgraded_after_a_copy_and_nothing_is_lost(room):
    make_trained_run(room.backend)
    aged(room.backend)
    assert read_schema_status(room.backend.path).state == "older"
    found = run_checks(room.backend, now, checks=CHECKS).findings[0]
    assert (found.level, found.fix_offers[0].fix_id) == ("problem", "upgrade_database")
    shown = fix_runner.preview_fix(room, found.fix_offers[0])
    assert "mlflow db upgrade" in shown.snippets[0].text
    assert read_schema_status(room.backend.path).state == "older"
    done = fix_runner.apply_fix(room, found.fix_offers[0], lambda _: None)
    assert ("Runs", "1 before, 1 now") in done.evidence
    assert read_schema_status(room.backend.path).state == "current"
    assert read_schema_status(Path(dict(done.evidence)["Copy"])).state == "older"
    with pytest.raises(ActionRefused, match="any more"):
        fix_runner.preview_fix(room, found.fix_offers[0])


def test_a_disk_without_room_is_told_before_anything_is_written(room, old_folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    before = set(old_folder.parent.iterdir())
    with pytest.raises(NotWritable, match="MB free"):
        fix_runner.preview_fix(
            room, offer_fix("migrate_file_store", folder=str(old_folder), target=str(old_folder.parent / "full.db"))
        )
    assert set(old_folder.parent.iterdir()) == before


def test_a_new_store_needs_no_upgrade(tmp_path):
    here = sqlite_backend(tmp_path / "new.db")
    ensure_database(here)
    with pytest.raises(ActionRefused):
        fix_runner.preview_fix(FixContext(here, now, tmp_path), offer_fix("upgrade_database"))
