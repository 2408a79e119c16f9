"""Reading old files from a mapped folder: what is refused, what another user changed since, and what is left when saving fails."""

import json
import sqlite3
from contextlib import closing

import pytest

from lib.backends import artifact_path_map
from lib.backends.artifact_path_map import PathMapping, read_mappings
from lib.doctor import fix_runner
from lib.doctor.fixes import map_folder
from lib.doctor.types import offer_fix
from lib.errors import ActionRefused, BackendError, BadInput, NotWritable
from tests.support.doctor_stores import apply_in_threads, files_below, make_run


@pytest.fixture
def moved_run(context):
    """A run whose files belong to a server that is gone."""
    run_id = make_run(context.backend, "old")
    with closing(sqlite3.connect(context.backend.path)) as db, db:
        db.execute("update runs set artifact_uri = ?", (f"mlflow-artifacts:/1/{run_id}/artifacts",))
    return run_id


@pytest.fixture
def copied_files(moved_run, tmp_path):
    """The folder with a copy of its files."""
    folder = tmp_path / "copied" / "1" / moved_run / "artifacts"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("a note")
    return tmp_path / "copied"


@pytest.fixture
def offer(copied_files):
    return offer_fix("mapped_folder", place="mlflow-artifacts:/1", folder=str(copied_files))


def apply_offer(context, offer):
    return fix_runner.apply_fix(context, offer, lambda _: None)


def test_the_mapping_is_saved_for_this_backend_only_and_the_folder_stays_as_it_is(context, offer, moved_run, copied_files):
    files_before = files_below(copied_files)
    result = apply_offer(context, offer)
    assert (f"Files of run {moved_run[:8]}", "note.txt") in result.evidence
    assert read_mappings(context.podium_home) == (PathMapping(context.backend.uri, "mlflow-artifacts:/", str(copied_files)),)
    assert files_below(copied_files) == files_before
    assert (context.podium_home / "mapped.json").stat().st_mode & 0o077 == 0


def test_a_folder_emptied_or_removed_since_the_preview_is_refused_and_nothing_is_saved(context, offer, copied_files):
    assert "1 of 1 run and model folders" in fix_runner.preview_fix(context, offer).changes[1]
    (note,) = copied_files.rglob("note.txt")
    note.unlink()
    with pytest.raises(BackendError, match="None of the folders contains a file"):
        apply_offer(context, offer)
    copied_files.rename(copied_files.with_name("away"))
    with pytest.raises(ActionRefused, match="None of the 1 run and model locations"):
        apply_offer(context, offer)
    assert read_mappings(context.podium_home) == ()


def test_a_folder_that_cannot_be_read_is_named_and_nothing_is_saved(context, offer, monkeypatch):
    def refuse(*_):
        raise NotWritable("The artifact folder cannot be read.", next="Check its permissions.")

    monkeypatch.setattr(map_folder, "list_folder", refuse)
    with pytest.raises(NotWritable, match="cannot be read"):
        apply_offer(context, offer)
    assert read_mappings(context.podium_home) == ()


def test_a_full_disk_while_saving_leaves_the_earlier_mappings(context, offer, monkeypatch):
    other = PathMapping("sqlite:///other.db", "mlflow-artifacts:/", "/mnt/files")
    artifact_path_map.save_mapping(context.podium_home, other)

    def fill_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib.backends.app_files.os.fsync", fill_disk)
    with pytest.raises(NotWritable, match="No space left on device"):
        apply_offer(context, offer)
    assert read_mappings(context.podium_home) == (other,)
    assert [name for name in files_below(context.podium_home) if not name.endswith(".lock")] == ["mapped.json"]


def test_two_at_once_save_one_mapping(context, offer):
    outcomes = apply_in_threads(context, [offer, offer])
    assert all(isinstance(outcome, ActionRefused) for outcome in outcomes if isinstance(outcome, Exception))
    assert len(read_mappings(context.podium_home)) == 1


def test_a_location_that_leads_out_of_the_folder_is_not_followed(context, offer, copied_files, moved_run):
    (copied_files.parent / "secret").mkdir()
    with closing(sqlite3.connect(context.backend.path)) as db, db:
        db.execute("update runs set artifact_uri = 'mlflow-artifacts:/1/../../secret'")
    with pytest.raises(ActionRefused, match="None of the"):
        fix_runner.preview_fix(context, offer)


def test_a_damaged_list_of_mappings_counts_as_empty_and_is_replaced(context, offer):
    context.podium_home.mkdir()
    (context.podium_home / "mapped.json").write_text("[{")
    apply_offer(context, offer)
    assert len(json.loads((context.podium_home / "mapped.json").read_text())) == 1


def test_without_a_folder_it_is_asked_for(context, moved_run, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    offer = offer_fix("mapped_folder", place="mlflow-artifacts:/1")
    with pytest.raises(ActionRefused, match="No folder with these files was found"):
        fix_runner.preview_fix(context, offer)
    assert [fix_input.default for fix_input in fix_runner.fix_inputs(context, offer)] == ["mlflow-artifacts:/", ""]
    with pytest.raises(BadInput, match="is not an absolute path"):
        fix_runner.preview_fix(context, offer.with_inputs({"folder": "copied"}))
