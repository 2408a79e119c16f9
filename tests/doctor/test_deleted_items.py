"""Deleted runs and experiments on real stores: restored, or removed for good by MLflow's own gc and nothing else with them."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from ulid import ULID

from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.deleted_items import CHECKS, DECOY_PREFIX
from lib.doctor.fixes import mlflow_gc
from lib.doctor.fixes.deletion_impact import assess_run_deletion
from lib.doctor.types import CONFIRMATION_INPUT, FixContext, offer_fix
from lib.errors import ActionRefused, BackendError, BadInput, NotFound, PodiumError
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.runs.artifacts.local_files import folder_of_uri
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.support.doctor_stores import KEY, run_gc_here
from tests.support.ledger_stores import DECISION, book_id_of, make_trained_run, make_writer
from tests.support.run_factories import log_run, make_experiment
from tests.support.variants import thin


def check_deleted_items(store):
    return {finding.check_id: finding for finding in run_checks(store, now, checks=CHECKS).findings}


def preview_and_apply(context, fix_id, **arguments):
    """Preview the fix, type the confirmation text and apply the fix."""
    offer = offer_fix(fix_id, **arguments)
    preview = fix_runner.preview_fix(context, offer)
    return fix_runner.apply_fix(context, offer.with_inputs({CONFIRMATION_INPUT: preview.confirmation_text}), lambda _: None)


def run_exists(store, run_id):
    try:
        read_run(store, run_id)
    except NotFound:
        return False
    return True


def artifact_folder(store, run_id):
    return Path(client(store).get_run(run_id).info.artifact_uri)


def test_a_store_without_deleted_things_is_fine(fresh_store):
    make_trained_run(fresh_store)
    assert {finding.level for finding in check_deleted_items(fresh_store).values()} == {"fine"}


def test_a_deleted_run_is_found_and_restored(context):
    run_id = make_trained_run(context.backend, "forest-5-oops")
    client(context.backend).delete_run(run_id)
    finding = check_deleted_items(context.backend)["deleted_runs"]
    assert (finding.level, finding.evidence[0][:3]) == ("notice", ("forest-5-oops", run_id[:8], "wine"))
    result = fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert result.evidence == ((f"forest-5-oops ({run_id[:8]})", "is active again"),)
    assert check_deleted_items(context.backend)["deleted_runs"].level == "fine"


def test_a_deleted_experiment_is_restored_with_its_runs(context):
    run_id = make_trained_run(context.backend)
    experiment_id = read_run(context.backend, run_id).experiment_id
    client(context.backend).delete_experiment(experiment_id)
    finding = check_deleted_items(context.backend)["deleted_experiments"]
    assert finding.evidence == (("wine", experiment_id),)
    fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert read_run(context.backend, run_id).lifecycle == "active"


def test_removing_one_run_takes_its_files_and_model_and_nothing_else_that_is_deleted(context):
    mlflow_client = client(context.backend)
    removed_id, other_id = (
        make_trained_run(context.backend, "forest-5-doomed"),
        make_trained_run(context.backend, "forest-9-spared"),
    )
    mlflow_client.log_text(removed_id, "x" * 2_000_000, "big.txt")
    model_folder = Path(mlflow_client.get_logged_model(read_run(context.backend, removed_id).model_ids[0]).artifact_location)
    other_experiment = make_experiment(context.backend, "old")
    other_experiment_run = log_run(context.backend, other_experiment, "inside")
    mlflow_client.delete_experiment(other_experiment)
    other_model = mlflow_client.create_logged_model(read_run(context.backend, other_id).experiment_id, name="loose").model_id
    mlflow_client.delete_logged_model(other_model)
    for run_id in (removed_id, other_id):
        mlflow_client.delete_run(run_id)
    run_folder = artifact_folder(context.backend, removed_id)
    preview = fix_runner.preview_fix(context, offer_fix("remove_runs", runs=removed_id))
    assert preview.confirmation_text == "forest-5-doomed"
    assert not preview.undo
    assert any("2.0 MB" in change for change in preview.changes)
    preview_and_apply(context, "remove_runs", runs=removed_id[:8])
    assert not run_exists(context.backend, removed_id)
    assert not run_folder.exists()
    assert not model_folder.exists()
    assert run_exists(context.backend, other_id)
    assert run_exists(context.backend, other_experiment_run)
    assert mlflow_client.get_experiment(other_experiment).lifecycle_stage == "deleted"
    assert check_deleted_items(context.backend)["deleted_experiments"].evidence == (("old", other_experiment),)


def test_removing_an_experiment_frees_its_name_and_spares_the_others(context, monkeypatch):
    monkeypatch.setattr(mlflow_gc, "_run_gc", run_gc_here)
    mlflow_client = client(context.backend)
    removed_id, other_id = (
        make_trained_run(context.backend),
        log_run(context.backend, make_experiment(context.backend, "kept"), "kept"),
    )
    mlflow_client.delete_run(other_id)
    experiment_id = read_run(context.backend, removed_id).experiment_id
    model_folder = Path(mlflow_client.get_logged_model(read_run(context.backend, removed_id).model_ids[0]).artifact_location)
    mlflow_client.delete_experiment(experiment_id)
    result = preview_and_apply(context, "remove_experiment", experiment="wine")
    assert ("Experiment wine", "removed, its name is available") in result.evidence
    assert not run_exists(context.backend, removed_id)
    assert not model_folder.exists()
    assert run_exists(context.backend, other_id)
    mlflow_client.create_experiment("wine", artifact_location=str(context.backend.artifact_folder / "again"))


def test_nothing_goes_without_the_name_typed(context):
    run_id = make_trained_run(context.backend)
    client(context.backend).delete_run(run_id)
    for typed_text in ("", "forest", "yes"):
        with pytest.raises(ActionRefused, match="does not match"):
            fix_runner.apply_fix(context, offer_fix("remove_runs", runs=run_id, typed=typed_text), lambda _: None)
    assert run_exists(context.backend, run_id)


def test_what_a_version_was_made_from_stays_whether_it_is_held_or_not(context):
    champion_id, unstaged_id = (
        make_trained_run(context.backend, "forest-5-held"),
        make_trained_run(context.backend, "forest-9-loose"),
    )
    for run_id in (champion_id, unstaged_id):
        register(make_writer(context.backend), run_id, "wine")
    move_version(make_writer(context.backend), MoveRequest("wine", "1", "Production"), DECISION)
    experiment_id = read_run(context.backend, champion_id).experiment_id
    client(context.backend).delete_experiment(experiment_id)
    for offer, version in (
        (offer_fix("remove_runs", runs=champion_id, active="yes"), "wine v1"),
        (offer_fix("remove_runs", runs=unstaged_id, active="yes"), "wine v2"),
        (offer_fix("remove_experiment", experiment=experiment_id), "wine v1"),
    ):
        with pytest.raises(ActionRefused, match=version):
            fix_runner.apply_fix(context, offer.with_inputs({CONFIRMATION_INPUT: "forest-5-held"}), lambda _: None)
    assert run_exists(context.backend, champion_id)
    assert run_exists(context.backend, unstaged_id)


def test_a_run_that_names_a_strange_folder_is_not_removed(context, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    experiment_id = client(context.backend).create_experiment("odd", artifact_location=str(tmp_path))
    run_id = client(context.backend).create_run(experiment_id, run_name="odd").info.run_id
    import sqlite3

    with sqlite3.connect(context.backend.path) as db:
        db.execute("update runs set artifact_uri = ? where run_uuid = ?", (str(precious), run_id))
    client(context.backend).delete_run(run_id)
    with pytest.raises(ActionRefused, match="may not belong to it alone"):
        preview_and_apply(context, "remove_runs", runs=run_id)
    assert (precious / "thesis.txt").exists()


def test_a_folder_that_is_a_link_to_that_of_another_run_is_not_removed(context, tmp_path):
    experiment_id = make_experiment(context.backend, "wine")
    victim_id, run_id = (log_run(context.backend, experiment_id, name, model=False) for name in "ab")
    victim, folder = (folder_of_uri(read_run(context.backend, id_).artifact_uri).parent for id_ in (victim_id, run_id))
    (victim / "artifacts").mkdir(parents=True, exist_ok=True)
    (victim / "artifacts" / "thesis.txt").write_text("years of work")
    shutil.rmtree(folder, ignore_errors=True)
    folder.symlink_to(victim)
    client(context.backend).delete_run(run_id)
    with pytest.raises(ActionRefused, match="may not belong to it alone"):
        preview_and_apply(context, "remove_runs", runs=run_id)
    assert (victim / "artifacts" / "thesis.txt").exists()


def decoy_names(store):
    experiments = client(store).search_experiments(ViewType.ALL)
    return [experiment.name for experiment in experiments if experiment.name.startswith(DECOY_PREFIX)]


def test_an_aborted_removal_leaves_no_decoys(context, monkeypatch):
    """Simulate a run restored between preview and removal."""
    monkeypatch.setattr(mlflow_gc, "_run_gc", run_gc_here)
    run_id = log_run(context.backend, make_experiment(context.backend, "wine"), "restored", model=False)
    client(context.backend).delete_run(run_id)
    impact = assess_run_deletion(context.backend, [run_id])
    client(context.backend).restore_run(run_id)
    with pytest.raises(BackendError, match="MLflow stopped"):
        mlflow_gc.delete_permanently(context.backend, replace(impact, active_run_ids=()))
    assert decoy_names(context.backend) == []
    assert run_exists(context.backend, run_id)


@pytest.mark.slow
def test_what_a_killed_removal_left_goes_with_the_next_one_and_a_running_one_keeps_its_own(context):
    old_name, live_name = (f"{DECOY_PREFIX}{str(ULID.from_timestamp(ULID().timestamp - age)).lower()}" for age in (90_000, 60))
    for name in (old_name, live_name):
        client(context.backend).create_experiment(name)
    run_id = log_run(context.backend, make_experiment(context.backend, "wine"), "removed", model=False)
    client(context.backend).delete_run(run_id)
    preview_and_apply(context, "remove_runs", runs=run_id)
    assert decoy_names(context.backend) == [live_name]
    assert not run_exists(context.backend, run_id)


def test_the_record_is_never_removed(context):
    register(make_writer(context.backend), make_trained_run(context.backend), "wine")
    book_run_id = book_id_of(context.backend)
    with pytest.raises(ActionRefused, match="record"):
        assess_run_deletion(context.backend, [book_run_id])
    experiment_id = client(context.backend).get_experiment_by_name("podium-ledger").experiment_id
    client(context.backend).delete_experiment(experiment_id)
    assert check_deleted_items(context.backend)["deleted_experiments"].level == "fine"
    with pytest.raises(PodiumError):
        preview_and_apply(context, "remove_experiment", experiment=experiment_id)
    assert run_exists(context.backend, book_run_id)


def test_a_server_is_cleared_by_its_administrator(mlflow_server, tmp_path):
    server_context = FixContext(mlflow_server, now, tmp_path)
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, "doctor-gone"), "gone")
    client(mlflow_server).delete_run(run_id)
    with pytest.raises(ActionRefused, match="direct access to the database"):
        fix_runner.preview_fix(server_context, offer_fix("remove_runs", runs=run_id))
    assert run_exists(mlflow_server, run_id)


def test_an_unknown_name_is_reported(context):
    for offer in (
        offer_fix("restore_runs", runs="nothing"),
        offer_fix("restore_experiment", experiment="nothing"),
        offer_fix("remove_runs"),
    ):
        with pytest.raises(BadInput):
            fix_runner.preview_fix(context, offer)


def test_the_preview_of_a_removal_counts_the_children_of_every_run_that_stay(context):
    mlflow_client, experiment_id = client(context.backend), make_experiment(context.backend, "search")
    parents = [mlflow_client.create_run(experiment_id).info.run_id for _ in range(22)]

    def make_child(parent):
        return mlflow_client.create_run(experiment_id, tags={"mlflow.parentRunId": parent}).info.run_id

    for parent in parents[-2:]:
        make_child(parent)
    with_child = [*parents, make_child(parents[0])]
    assert assess_run_deletion(context.backend, with_child).orphan_count == 2


@pytest.mark.parametrize(
    "fix_id", thin(["restore_runs", "restore_experiment", "end_failed", "delete_secret_tags", "fresh_experiment"], 3)
)
def test_the_snippet_of_a_fix_runs_as_it_is_shown_and_does_the_same(context, fix_id, tmp_path):
    run_id, store = make_trained_run(context.backend), client(context.backend)
    experiment_id = read_run(context.backend, run_id).experiment_id
    arguments = {"runs": run_id, "experiment": experiment_id}
    if fix_id == "restore_runs":
        store.delete_run(run_id)
    elif fix_id == "restore_experiment":
        store.delete_experiment(experiment_id)
    elif fix_id == "end_failed":
        store.update_run(run_id, "RUNNING")
        context = replace(context, clock=lambda: now() + timedelta(days=2))
    elif fix_id == "delete_secret_tags":
        store.set_tag(run_id, "note", KEY)
    snippet = fix_runner.preview_fix(context, offer_fix(fix_id, **arguments)).snippets[0]
    assert snippet.language == "python"
    subprocess.run([sys.executable, "-c", snippet.text], cwd=tmp_path, check=True, capture_output=True)
    run = read_run(context.backend, run_id)
    is_done = {
        "restore_runs": run.lifecycle == "active",
        "restore_experiment": store.get_experiment(experiment_id).lifecycle_stage == "active",
        "end_failed": run.status == "FAILED",
        "delete_secret_tags": "note" not in run.tags,
        "fresh_experiment": len(store.search_experiments()) == 3,
    }
    assert is_done[fix_id]
