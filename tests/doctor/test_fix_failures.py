"""Fixes that write a little: what they leave when the situation changed since the preview, when two people apply them, or when a step fails."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.artifacts import write_test
from lib.doctor.completed_steps import report_completed_steps
from lib.doctor.fixes import end_stale_runs, new_experiment, new_store
from lib.doctor.types import FixOffer, offer_fix
from lib.errors import ActionRefused, BackendError, BadInput, NoAnswer, NotFound, NotWritable
from lib.runs.edit import experiment_changes, run_changes
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.support.doctor_stores import (
    KEY,
    TOKEN,
    after_call,
    apply_fix,
    apply_in_threads,
    count_rows_of,
    failing_after,
    files_below,
    insert_stale_runs,
    make_run,
    write_lock,
)

LOCKED = MlflowException("(sqlite3.OperationalError) database is locked")


@pytest.fixture
def store(context):
    return context.backend


@pytest.fixture
def later(context):
    """The context two days later, when runs that log nothing are stale."""
    return replace(context, clock=lambda: now() + timedelta(days=2))


def apply_offer(context, offer):
    return fix_runner.apply_fix(context, offer, lambda _: None)


def outcomes_by_type(outcomes):
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    return [outcome for outcome in outcomes if outcome not in errors], errors


# One fix at a time


def test_while_a_fix_is_applied_a_second_one_is_refused_in_words_and_changes_nothing(context, store):
    run_id = make_run(store, "deleted")
    client(store).delete_run(run_id)
    is_running, may_end = threading.Event(), threading.Event()

    def wait(_):
        is_running.set()
        may_end.wait(20)

    thread = threading.Thread(target=lambda: fix_runner.apply_fix(context, offer_fix("restore_runs", runs=run_id), wait))
    thread.start()
    try:
        assert is_running.wait(20)
        with pytest.raises(ActionRefused, match="Another fix is being applied to this backend") as refusal:
            apply_offer(context, offer_fix("fresh_experiment", experiment="0"))
        assert refusal.value.next == "Wait until it has finished, then check again."
        assert client(store).get_experiment_by_name("Default-2") is None
    finally:
        may_end.set()
        thread.join()
    assert read_run(store, run_id).lifecycle == "active"
    assert "Default-2" in apply_offer(context, offer_fix("fresh_experiment", experiment="0")).title


def test_a_fix_on_one_backend_does_not_wait_for_one_on_another(context, empty_database, tmp_path):
    from tests.conftest import copy_store

    other = replace(context, backend=copy_store(empty_database, tmp_path / "other"))

    def apply_to_the_other(_):
        apply_offer(other, offer_fix("fresh_experiment", experiment="0"))

    fix_runner.apply_fix(context, offer_fix("fresh_experiment", experiment="0"), apply_to_the_other)
    assert client(other.backend).get_experiment_by_name("Default-2")


def test_a_second_process_is_refused_too_and_a_killed_one_blocks_nobody(context, store):
    script = f"""
import time
from pathlib import Path
from lib.backends.backend import sqlite_backend
from lib.doctor.fix_runner import _single_fix
from lib.doctor.types import FixContext
from lib.ui.app.session import now
with _single_fix(FixContext(sqlite_backend(Path({str(store.path)!r})), now, Path({str(context.podium_home)!r}))):
    print("held", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ActionRefused, match="Another fix"):
            apply_offer(context, offer_fix("fresh_experiment", experiment="0"))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    apply_offer(context, offer_fix("fresh_experiment", experiment="0"))


def test_a_folder_of_podium_that_cannot_be_written_is_named(context, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="file/podium/fixes cannot be written"):
        apply_offer(replace(context, podium_home=tmp_path / "file" / "podium"), offer_fix("fresh_experiment", experiment="0"))


def test_an_unknown_fix_and_one_for_the_shell_are_refused(context):
    with pytest.raises(ActionRefused, match="Unknown fix format_disk"):
        fix_runner.preview_fix(context, FixOffer("format_disk"))
    assert fix_runner.find_fix(FixOffer("format_disk")) is None
    with pytest.raises(ActionRefused, match="applied in a shell"):
        apply_offer(context, offer_fix("tracking_variable"))


@pytest.mark.parametrize("error_type", [ActionRefused, BadInput, NotFound])
def test_an_error_after_some_steps_no_longer_says_that_nothing_was_changed(error_type):
    done = [f"run {n}" for n in range(1, 8)]
    with pytest.raises(BackendError) as error, report_completed_steps("Restored", done):
        raise error_type("It was refused.", next="Check again.")
    assert error.value.means == ("Restored before that: run 1, run 2, run 3, run 4, run 5 and 2 more. The rest was not changed.")
    assert (error.value.what, error.value.next) == ("It was refused.", "Check again.")


def test_an_unanswered_call_stays_one_and_an_error_at_the_first_step_stays_as_it_is():
    with (
        pytest.raises(NoAnswer, match=r"may have been carried out\. Restored before that: a\."),
        report_completed_steps("Restored", ["a"]),
    ):
        raise NoAnswer("No answer.", means="It may have been carried out.")
    with pytest.raises(ActionRefused, match="Nothing was changed"), report_completed_steps("Restored", []):
        raise ActionRefused("It was refused.")


# Restoring


def test_runs_restored_by_another_user_since_the_preview_are_not_restored_twice(context, store):
    first, second = make_run(store, "first"), make_run(store, "second")
    for run_id in (first, second):
        client(store).delete_run(run_id)
    offer = offer_fix("restore_runs", runs=f"{first} {second}")
    assert fix_runner.preview_fix(context, offer).title == "Restore 2 runs"
    client(store).restore_run(first)
    with pytest.raises(BadInput, match=f"{first} does not match exactly one deleted run"):
        apply_offer(context, offer)
    assert read_run(store, second).lifecycle == "deleted"


def test_of_two_restorations_at_once_one_restores_and_the_other_refuses(context, store):
    run_id = make_run(store, "deleted")
    client(store).delete_run(run_id)
    offer = offer_fix("restore_runs", runs=run_id)
    results, errors = outcomes_by_type(apply_in_threads(context, [offer, offer]))
    assert (len(results), len(errors)) == (1, 1)
    assert read_run(store, run_id).lifecycle == "active"


def test_a_restoration_that_stops_half_way_names_what_was_restored(context, store, monkeypatch):
    run_ids = [make_run(store, f"run-{n}") for n in range(3)]
    for run_id in run_ids:
        client(store).delete_run(run_id)
    monkeypatch.setattr(run_changes, "_write", failing_after(run_changes._write, 2, NotWritable("The disk is full.")))
    with pytest.raises(BackendError, match=r"The disk is full\. Restored before that: run-\d \(\w{8}\) and run-\d \(\w{8}\)\."):
        apply_offer(context, offer_fix("restore_runs", runs="all"))
    assert sorted(read_run(store, run_id).lifecycle for run_id in run_ids) == ["active", "active", "deleted"]
    monkeypatch.undo()
    assert len(apply_offer(context, offer_fix("restore_runs", runs="all")).evidence) == 1


def test_an_experiment_restored_since_the_preview_is_reported(context, store):
    experiment_id = read_run(store, make_run(store, "inside")).experiment_id
    client(store).delete_experiment(experiment_id)
    offer = offer_fix("restore_experiment", experiment=experiment_id)
    preview = fix_runner.preview_fix(context, offer)
    assert preview.changes[1] == "All its 1 run are restored, including those deleted individually before."
    assert apply_offer(context, offer).evidence == (("Active runs", "1"),)
    with pytest.raises(BadInput, match="is not a deleted experiment"):
        apply_offer(context, offer)


# Stale runs


def test_a_run_that_ended_between_the_check_and_the_write_keeps_its_own_ending(later, store, monkeypatch):
    finished, dead = insert_stale_runs(store, 2)
    monkeypatch.setattr(
        end_stale_runs,
        "find_stale_runs",
        after_call(end_stale_runs.find_stale_runs, lambda: client(store).set_terminated(finished, "FINISHED")),
    )
    result = apply_offer(later, offer_fix("end_failed"))
    assert result.title == "1 marked as failed"
    assert [row[1] for row in result.evidence] == ["had already ended as finished, unchanged", "now failed"]
    assert (read_run(store, finished).status, read_run(store, dead).status) == ("FINISHED", "FAILED")


def test_of_failed_and_stopped_at_once_one_is_recorded_and_the_other_refuses(later, store):
    (run_id,) = insert_stale_runs(store, 1)
    outcomes = apply_in_threads(later, [offer_fix("end_failed"), offer_fix("end_killed")])
    (result,), (error,) = outcomes_by_type(outcomes)
    assert isinstance(error, ActionRefused)
    assert read_run(store, run_id).status == {"1 marked as failed": "FAILED", "1 marked as stopped": "KILLED"}[result.title]


def test_more_stale_runs_than_one_page_are_all_counted_previewed_and_listed_in_part(later, store, monkeypatch):
    from lib.doctor.check_runner import run_checks
    from lib.doctor.checks import stale_runs

    monkeypatch.setattr(stale_runs, "PAGE_SIZE", 100)
    run_ids = insert_stale_runs(store, 230)
    (finding,) = run_checks(store, later.clock, checks=stale_runs.CHECKS).findings
    assert (finding.title, finding.summary) == ("230 runs have been running without activity", "230 inactive for 12 h")
    assert (len(finding.evidence), finding.evidence[-1][0]) == (51, "and 180 more")
    preview = fix_runner.preview_fix(later, offer_fix("end_killed"))
    assert (preview.title, len(preview.changes)) == ("Mark these 230 runs as stopped", 230)
    result = apply_offer(later, offer_fix("end_killed", runs=" ".join(run_ids[-2:])))  # of the last page
    assert (result.title, count_rows_of(store, "runs", "status = 'KILLED'")) == ("2 marked as stopped", 2)


def test_a_database_that_locks_half_way_names_the_runs_already_marked(later, store, monkeypatch):
    insert_stale_runs(store, 3)
    monkeypatch.setattr(MlflowClient, "set_terminated", failing_after(MlflowClient.set_terminated, 1, LOCKED))
    with pytest.raises(BackendError, match=r"Marked before that: stale-0 \(00000000\)\. The rest was not changed"):
        apply_offer(later, offer_fix("end_failed"))
    assert count_rows_of(store, "runs", "status = 'RUNNING'") == 2


def test_no_run_is_marked_while_another_program_writes(later, store, monkeypatch):
    monkeypatch.setattr("lib.backends.sqlite_schema.BUSY_TIMEOUT_SECONDS", 0.1)
    insert_stale_runs(store, 1)
    with write_lock(store), pytest.raises(BackendError, match="locked"):
        apply_offer(later, offer_fix("end_failed"))
    assert count_rows_of(store, "runs", "status = 'RUNNING'") == 1


# Secret tags


def test_of_two_deletions_of_tags_at_once_one_deletes_and_the_other_refuses(context, store):
    run_id = make_run(store, "leaky", note=KEY, author="ana")
    results, errors = outcomes_by_type(apply_in_threads(context, [offer_fix("delete_secret_tags")] * 2))
    assert (len(results), len(errors)) == (1, 1)
    tags = read_run(store, run_id).tags
    assert ("note" in tags, tags["author"]) == (False, "ana")


def test_a_tag_that_another_user_deleted_since_counts_as_deleted(context, store, monkeypatch):
    first, second = make_run(store, "first", note=KEY), make_run(store, "second", note=TOKEN)
    monkeypatch.setattr(
        MlflowClient,
        "delete_tag",
        after_call(MlflowClient.delete_tag, lambda: [delete_tag_row(store, id_) for id_ in (first, second)]),
    )
    assert len(apply_offer(context, offer_fix("delete_secret_tags")).evidence) == 2
    assert count_rows_of(store, "tags", "key = 'note'") == 0


def delete_tag_row(store, run_id):
    import sqlite3

    with sqlite3.connect(store.path) as db:
        db.execute("delete from tags where key = 'note' and run_uuid = ?", (run_id,))


def test_tags_set_again_meanwhile_are_reported_and_secrets_stay_masked(context, store, monkeypatch):
    run_id = make_run(store, "leaky", note=KEY)
    monkeypatch.setattr(
        MlflowClient, "delete_tag", after_call(MlflowClient.delete_tag, lambda: client(store).set_tag(run_id, "note", TOKEN))
    )
    with pytest.raises(ActionRefused, match="1 tags still exist") as error:
        apply_offer(context, offer_fix("delete_secret_tags"))
    assert TOKEN not in str(error.value)


def test_a_deletion_of_tags_that_stops_half_way_names_the_deleted_ones(context, store, monkeypatch):
    for n in range(2):
        make_run(store, f"leaky-{n}", note=KEY)
    monkeypatch.setattr(MlflowClient, "delete_tag", failing_after(MlflowClient.delete_tag, 1, LOCKED))
    with pytest.raises(BackendError, match=r"Deleted before that: tag note of leaky-\d"):
        apply_offer(context, offer_fix("delete_secret_tags"))
    assert count_rows_of(store, "tags", "key = 'note'") == 1


# New experiments and stores


def disk_full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_full_disk_creates_no_experiment(context, store, monkeypatch):
    monkeypatch.setattr("mlflow.store.artifact.local_artifact_repo.shutil.copyfileobj", disk_full)
    with pytest.raises(BackendError, match="The disk is full"):
        apply_offer(context, offer_fix("fresh_experiment", experiment="0"))
    assert count_rows_of(store, "experiments") == 1
    assert files_below(store.path.parent) == {"mlflow.db"}


def test_a_test_file_that_cannot_be_read_back_is_deleted_again(context, store, monkeypatch):
    monkeypatch.setattr("mlflow.store.artifact.local_artifact_repo.shutil.copy2", disk_full)
    with pytest.raises(BackendError, match="downloading"):
        apply_offer(context, offer_fix("fresh_experiment", experiment="0"))
    assert count_rows_of(store, "experiments") == 1
    assert files_below(store.path.parent) == {"mlflow.db"}


def test_a_new_experiment_whose_files_cannot_be_read_back_is_hidden_again(context, store, monkeypatch):
    monkeypatch.setattr(
        new_experiment, "verify_writable", failing_after(write_test.verify_writable, 1, BackendError("Not read back."))
    )
    with pytest.raises(BackendError, match="Not read back"):
        apply_offer(context, offer_fix("fresh_experiment", experiment="0"))
    assert client(store).get_experiment_by_name("Default-2").lifecycle_stage == "deleted"


def test_of_several_new_experiments_the_finished_ones_are_named_when_one_fails(context, store, monkeypatch):
    ids = ",".join(client(store).create_experiment(name, str(store.artifact_folder / name)) for name in ("a", "b"))
    monkeypatch.setattr(
        experiment_changes, "create", failing_after(experiment_changes.create, 1, BadInput("The name b-2 is taken."))
    )
    with pytest.raises(BackendError, match=r"b-2 is taken\. Created before that: a-2\. The rest was not changed"):
        apply_offer(context, offer_fix("fresh_experiment", experiment=ids))
    assert {e.name for e in client(store).search_experiments()} == {"Default", "a", "b", "a-2"}


def test_of_two_new_experiments_of_one_name_at_once_one_is_created(context, store):
    offer = offer_fix("fresh_experiment", experiment="0", name="fresh")
    results, errors = outcomes_by_type(apply_in_threads(context, [offer, offer]))
    assert (len(results), len(errors)) == (1, 1)
    assert count_rows_of(store, "experiments") == 2


def test_a_full_disk_creates_no_store(context, store, monkeypatch, tmp_path):
    def refuse(_, location):
        raise BackendError(f"A test file could not be stored at {location}: No space left on device")

    monkeypatch.setattr(new_store, "verify_writable", refuse)
    with pytest.raises(BackendError, match="No space left"):
        apply_offer(context, offer_fix("local_store", experiment="0", folder=str(tmp_path / "new")))
    assert not (tmp_path / "new" / "mlflow.db").exists()
    monkeypatch.undo()
    result = apply_fix(context, "local_store", experiment="0", folder=str(tmp_path / "new"))
    assert result.backend.path == tmp_path / "new" / "mlflow.db"


def test_a_store_that_someone_created_since_the_preview_is_not_touched(context, tmp_path):
    offer = offer_fix("local_store", folder=str(tmp_path / "new"))
    assert str(tmp_path / "new" / "mlflow.db") in fix_runner.preview_fix(context, offer).changes[0]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mlflow.db").write_text("mine")
    with pytest.raises(ActionRefused, match="A database already exists"):
        apply_offer(context, offer)
    assert (tmp_path / "new" / "mlflow.db").read_text() == "mine"


@pytest.mark.parametrize("folder", ["relative/folder", "~nobody-here/x", "  ", "/a\0b"])
def test_a_folder_must_be_an_absolute_path(context, folder):
    with pytest.raises(BadInput, match="is not an absolute path"):
        fix_runner.preview_fix(context, offer_fix("local_store", folder=folder))
