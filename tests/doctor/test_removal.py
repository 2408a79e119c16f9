"""Removing for good when something gets in between: another user, a full list, a hostile name, an MLflow that fails or is killed."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow.entities import LoggedModelOutput, ViewType

from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.checks.deleted_items import DECOY_PREFIX
from lib.doctor.fixes import deletion_impact, mlflow_gc
from lib.doctor.fixes.deletion_impact import DeletionImpact, FilesToDelete, assess_experiment_deletion, assess_run_deletion
from lib.doctor.types import offer_fix
from lib.errors import ActionRefused, BackendError, NotFound
from lib.registry.register import register
from lib.runs.artifacts.local_files import folder_of_uri
from lib.runs.reading.run_reader import read_run
from tests.support.doctor_stores import (
    TOKEN,
    apply_fix,
    apply_in_threads,
    confirm,
    count_rows_of,
    files_below,
    make_run,
    run_gc_here,
    write_lock,
)
from tests.support.hostile_text import HOSTILE
from tests.support.ledger_stores import make_writer


@pytest.fixture
def quick_gc(monkeypatch):
    """MLflow's gc in this process; the removals of `test_deleted_items` run it as a process."""
    monkeypatch.setattr(mlflow_gc, "_run_gc", run_gc_here)


@pytest.fixture
def store(context):
    return context.backend


def delete_runs(store, *names, **options):
    run_ids = [make_run(store, name, **options) for name in names]
    for run_id in run_ids:
        client(store).delete_run(run_id)
    return run_ids


def run_exists(store, run_id):
    with suppress(NotFound):
        return bool(read_run(store, run_id))
    return False


def decoys(store):
    return [e.name for e in client(store).search_experiments(ViewType.ALL) if e.name.startswith(DECOY_PREFIX)]


def test_only_the_previewed_run_goes_with_its_rows_files_and_model(context, store, quick_gc):
    doomed, spared = delete_runs(store, "doomed", "spared", file="hello", model=True)
    active = make_run(store, "active", file="hello")
    folders = [folder_of_uri(read_run(store, run_id).artifact_uri) for run_id in (doomed, spared, active)]
    result = apply_fix(context, "remove_runs", runs=doomed)
    assert result.evidence[:2] == (("Runs removed for good", "1"), ("Models removed for good", "1"))
    assert [folder.exists() for folder in folders] == [False, True, True]
    assert [run_exists(store, run_id) for run_id in (doomed, spared, active)] == [False, True, True]
    for table in ("params", "metrics", "tags", "latest_metrics"):
        assert count_rows_of(store, table, f"run_uuid = '{doomed}'") == 0
    assert count_rows_of(store, "logged_models", f"source_run_id = '{doomed}'") == 0
    assert count_rows_of(store, "logged_models", "lifecycle_stage = 'active'") == 1
    assert decoys(store) == []


def test_the_preview_of_a_removal_writes_nothing(context, store):
    delete_runs(store, "doomed", model=True)
    files_before = {path: (store.path.parent / path).read_bytes() for path in files_below(store.path.parent)}
    fix_runner.preview_fix(context, offer_fix("remove_runs", runs="all"))
    assert {path: (store.path.parent / path).read_bytes() for path in files_below(store.path.parent)} == files_before


def test_other_runs_than_those_of_the_preview_are_never_removed(context, store, quick_gc):
    """Their number, which is what has to be typed, stays the same."""
    first, second = delete_runs(store, "first", "second")
    offer = confirm(context, offer_fix("remove_runs", runs="all"))
    client(store).restore_run(first)
    (third,) = delete_runs(store, "third")
    with pytest.raises(ActionRefused, match="has changed since the preview"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    assert all(run_exists(store, run_id) for run_id in (first, second, third))
    assert apply_fix(context, "remove_runs", runs="all").evidence[0] == ("Runs removed for good", "2")
    assert [run_exists(store, run_id) for run_id in (first, second, third)] == [True, False, False]


def test_a_run_restored_since_the_preview_stays(context, store, quick_gc):
    (run_id,) = delete_runs(store, "wanted")
    offer = confirm(context, offer_fix("remove_runs", runs=run_id))
    client(store).restore_run(run_id)
    with pytest.raises(Exception, match="does not match exactly one deleted run"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    assert read_run(store, run_id).lifecycle == "active"


def test_a_run_from_which_a_version_was_registered_since_the_preview_stays(context, store, quick_gc):
    (run_id,) = delete_runs(store, "wanted", model=True)
    offer = confirm(context, offer_fix("remove_runs", runs=run_id))
    client(store).restore_run(run_id)
    register(make_writer(store), run_id, "wine")
    client(store).delete_run(run_id)
    with pytest.raises(ActionRefused, match="wine v1 was registered from it"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    assert run_exists(store, run_id)


def test_an_experiment_restored_since_the_preview_stays(context, store, quick_gc):
    run_id = make_run(store, "inside", file="hello")
    experiment_id = read_run(store, run_id).experiment_id
    client(store).delete_experiment(experiment_id)
    offer = confirm(context, offer_fix("remove_experiment", experiment=experiment_id))
    client(store).restore_experiment(experiment_id)
    with pytest.raises(Exception, match="is not a deleted experiment"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    with pytest.raises(ActionRefused, match="is not deleted"):
        assess_experiment_deletion(store, experiment_id)
    assert read_run(store, run_id).lifecycle == "active"


def test_a_run_restored_inside_a_deleted_experiment_blocks_its_removal(context, store, quick_gc):
    run_id = make_run(store, "inside", file="hello")
    experiment_id = read_run(store, run_id).experiment_id
    client(store).delete_experiment(experiment_id)
    client(store).restore_run(run_id)
    with pytest.raises(ActionRefused, match="was restored individually and is active"):
        apply_fix(context, "remove_experiment", experiment=experiment_id)
    assert run_exists(store, run_id)


def test_of_two_removals_at_once_one_removes_and_the_other_refuses_in_words(context, store, quick_gc):
    (run_id,) = delete_runs(store, "doomed", file="hello", model=True)
    (spared,) = delete_runs(store, "spared")
    offer = confirm(context, offer_fix("remove_runs", runs=run_id))
    outcomes = apply_in_threads(context, [offer, offer])
    (refusal,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert refusal.what in ("Another fix is being applied to this backend.", f"{run_id} does not match exactly one deleted run.")
    assert not run_exists(store, run_id)
    assert run_exists(store, spared)
    assert decoys(store) == []


def test_nothing_is_removed_while_another_program_writes(context, store, quick_gc, monkeypatch):
    monkeypatch.setattr("lib.backends.sqlite_schema.BUSY_TIMEOUT_SECONDS", 0.1)
    (run_id,) = delete_runs(store, "doomed", file="hello")
    offer = confirm(context, offer_fix("remove_runs", runs=run_id))
    with write_lock(store), pytest.raises(BackendError, match="locked"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    assert run_exists(store, run_id)
    assert decoys(store) == []


KILLED_GC = """
import os, signal
from pathlib import Path
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

marker, remove = Path({marker!r}), SqlAlchemyStore._hard_delete_run

def remove_and_die(self, run_id):
    remove(self, run_id)
    if run_id in {run_ids!r} and not marker.exists():
        marker.write_text(run_id)
        os.kill(os.getpid(), signal.SIGKILL)

SqlAlchemyStore._hard_delete_run = remove_and_die
"""


@pytest.mark.slow
def test_a_gc_killed_in_the_middle_is_reported_and_the_next_removal_finishes(context, store, tmp_path, monkeypatch):
    """A real process: killed after the first of three runs has gone."""
    run_ids = delete_runs(store, "a", "b", "c", file="hello", model=True)
    (spared,) = delete_runs(store, "spared", file="hello", model=True)
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(KILLED_GC.format(marker=str(tmp_path / "killed"), run_ids=run_ids))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'patch'}:{Path.cwd()}")
    with pytest.raises(BackendError) as error:
        apply_fix(context, "remove_runs", runs=" ".join(run_ids))
    assert error.value.what == "MLflow stopped: it was ended by SIGKILL before it had finished"
    assert error.value.means == "1 of 3 runs were removed for good and cannot be recovered."
    assert "may lack its files and models" in error.value.next
    remaining = [run_id for run_id in run_ids if run_exists(store, run_id)]
    assert len(remaining) == 2
    assert decoys(store) == []
    apply_fix(context, "remove_runs", runs=" ".join(remaining))
    assert [run_id for run_id in run_ids if run_exists(store, run_id)] == []
    assert count_rows_of(store, "logged_models") == 1
    spared_files = [name for name in files_below(store.path.parent) if name.endswith(("note.txt", "MLmodel"))]
    assert len(spared_files) == 2
    assert run_exists(store, spared)


def interrupt_gc(monkeypatch, calls):
    """MLflow's gc works for so many calls, then fails like a killed process; after that it works again."""
    counter = []

    def run(command):
        counter.append(command)
        return "it was ended by SIGKILL before it had finished" if len(counter) == calls + 1 else run_gc_here(command)

    monkeypatch.setattr(mlflow_gc, "_run_gc", run)


@pytest.mark.parametrize("calls", [0, 1])
def test_what_an_interrupted_removal_of_runs_left_goes_with_the_next_one(context, store, monkeypatch, calls):
    """Interrupted before the models went, and between models and runs: no folder of a model may be left without a run to find it by."""
    run_ids = delete_runs(store, "a", "b", file="hello", model=True)
    interrupt_gc(monkeypatch, calls)
    with pytest.raises(BackendError, match="0 of 2 runs were removed for good"):
        apply_fix(context, "remove_runs", runs="all")
    assert all(run_exists(store, run_id) for run_id in run_ids)
    assert len([name for name in files_below(store.path.parent) if name.endswith("MLmodel")]) == 2 * (1 - calls)
    result = apply_fix(context, "remove_runs", runs="all")
    assert result.evidence[:2] == (("Runs removed for good", "2"), ("Models removed for good", str(2 * (1 - calls))))
    assert [name for name in files_below(store.path.parent) if name.endswith(("note.txt", "MLmodel"))] == []
    assert (count_rows_of(store, "logged_models"), count_rows_of(store, "runs"), decoys(store)) == (0, 0, [])


def test_what_an_interrupted_removal_of_an_experiment_left_goes_with_the_next_one(context, store, monkeypatch):
    run_id = make_run(store, "inside", file="hello", model=True)
    client(store).delete_experiment(read_run(store, run_id).experiment_id)
    interrupt_gc(monkeypatch, 0)
    with pytest.raises(BackendError, match="0 of 1 runs"):
        apply_fix(context, "remove_experiment", experiment="wine")
    assert any(
        "Model model" in change
        for change in fix_runner.preview_fix(context, offer_fix("remove_experiment", experiment="wine")).changes
    )
    result = apply_fix(context, "remove_experiment", experiment="wine")
    assert ("Experiment wine", "removed, its name is available") in result.evidence
    assert [name for name in files_below(store.path.parent) if name.endswith(("note.txt", "MLmodel"))] == []
    assert count_rows_of(store, "logged_models") == 0


def test_files_that_mlflow_may_not_delete_stop_the_removal_and_are_named(context, store, quick_gc, monkeypatch):
    (run_id,) = delete_runs(store, "doomed", file="hello")
    offer = confirm(context, offer_fix("remove_runs", runs=run_id))

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("mlflow.store.artifact.local_artifact_repo.shutil.rmtree", refuse)
    with pytest.raises(BackendError, match=r"MLflow stopped: .*Permission denied.*0 of 1 runs were removed"):
        fix_runner.apply_fix(context, offer, lambda _: None)
    assert run_exists(store, run_id)
    assert decoys(store) == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; print('why', file=sys.stderr); sys.exit(1)", "why"),
        ("import sys; print('only here'); sys.exit(1)", "only here"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "it was ended by SIGTERM before it had finished"),
        ("import time; time.sleep(9)", "timed out"),
    ],
)
def test_the_reason_why_mlflow_stopped_is_its_own_last_word_or_its_signal(command, reason, tmp_path, monkeypatch):
    (tmp_path / "stand_in.py").write_text(command)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(mlflow_gc, "TIMEOUT_SECONDS", 1 if reason == "timed out" else 60)
    assert reason in mlflow_gc._run_gc(["stand_in"])


def test_a_python_that_cannot_be_started_is_a_reason_too(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "No such file" in mlflow_gc._run_gc(["mlflow", "gc"])


@pytest.mark.parametrize("name", [" ", "\u200b", "forest \t", HOSTILE[:200], "a\nb", f"run {TOKEN}"])
def test_a_run_of_any_name_can_be_confirmed_by_what_can_be_typed_and_is_removed(context, store, quick_gc, name):
    (run_id,) = delete_runs(store, name)
    preview = fix_runner.preview_fix(context, offer_fix("remove_runs", runs=run_id))
    assert preview.confirmation_text.strip() == preview.confirmation_text != ""
    assert preview.confirmation_text.isprintable()
    assert TOKEN not in repr(preview)
    with pytest.raises(ActionRefused, match="does not match"):
        fix_runner.apply_fix(context, offer_fix("remove_runs", runs=run_id, typed=""), lambda _: None)
    apply_fix(context, "remove_runs", runs=run_id)
    assert not run_exists(store, run_id)


def test_an_experiment_without_a_visible_name_still_needs_a_confirmation():
    impact = DeletionImpact((), (), "42", "\u200b ")
    assert impact.confirmation_text == "42"


def test_what_was_to_be_removed_has_no_run_left(context, store):
    for fix_id in ("remove_runs", "restore_runs"):
        with pytest.raises(ActionRefused, match="No run is deleted any longer"):
            fix_runner.preview_fix(context, offer_fix(fix_id, runs="all"))


def test_more_runs_than_the_limit_are_refused_before_any_is_read(context, store):
    with pytest.raises(ActionRefused, match="1,001 runs are too many at once"):
        assess_run_deletion(store, ["x"] * 1001)


def test_an_experiment_with_more_runs_than_the_limit_is_left_to_the_shell(context, store, monkeypatch):
    run_ids = [make_run(store, f"r-{n}") for n in range(3)]
    client(store).delete_experiment(read_run(store, run_ids[0]).experiment_id)
    monkeypatch.setattr(deletion_impact, "MAX_RUNS", 2)
    with pytest.raises(ActionRefused, match="holds 3 runs, and at most 2"):
        fix_runner.preview_fix(context, offer_fix("remove_experiment", experiment="wine"))


def test_many_runs_go_in_batches_and_the_experiment_with_the_last(monkeypatch):
    monkeypatch.setattr(mlflow_gc, "MAX_IDS_PER_CALL", 2)
    files = [FilesToDelete(f"r{n}", "", "", 0) for n in range(5)]
    models = [FilesToDelete(f"m{n}", "", "", 0) for n in range(3)]
    batches = list(mlflow_gc._batches(DeletionImpact(tuple(files), tuple(models), "7", "wine")))
    assert batches == [
        ([], ["m0", "m1"], []),
        ([], ["m2"], []),
        (["r0", "r1"], [], []),
        (["r2", "r3"], [], []),
        (["r4"], [], ["7"]),
    ]
    assert list(mlflow_gc._batches(DeletionImpact((), (), "7", "wine"))) == [([], [], ["7"])]


def test_a_batched_removal_takes_all_of_it(context, store, quick_gc, monkeypatch):
    monkeypatch.setattr(mlflow_gc, "MAX_IDS_PER_CALL", 2)
    run_ids = delete_runs(store, "a", "b", "c", model=True)
    assert apply_fix(context, "remove_runs", runs="all").evidence[0] == ("Runs removed for good", "3")
    assert not any(run_exists(store, run_id) for run_id in run_ids)


def test_an_unreadable_folder_has_an_unknown_size_and_not_none(context, store, monkeypatch):
    (run_id,) = delete_runs(store, "hidden", file="hello")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    (files,) = assess_run_deletion(store, [run_id]).runs
    assert files.size is None
    changes = fix_runner.preview_fix(context, offer_fix("remove_runs", runs=run_id)).changes
    assert any("an unknown amount of files" in change for change in changes)


def test_a_model_that_a_run_only_used_stays(context, store, quick_gc):
    other, run_id = make_run(store, "trained", model=True), make_run(store, "evaluated")
    (model_id,) = read_run(store, other).model_ids
    client(store).log_outputs(run_id, models=[LoggedModelOutput(model_id, 0)])
    client(store).delete_run(run_id)
    apply_fix(context, "remove_runs", runs=run_id)
    assert client(store).get_logged_model(model_id).source_run_id == other
