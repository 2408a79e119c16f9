"""Deleted runs and experiments on real stores: restored, or removed for good by MLflow's own gc and nothing beside them."""

from pathlib import Path

import pytest

from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks.deleted_items import CHECKS
from lib.doctor.fixes.deletion_impact import assess_run_deletion
from lib.doctor.types import CONFIRMATION_INPUT, FixContext, offer_fix
from lib.errors import ActionRefused, BadInput, NotFound, PodiumError
from lib.registry.promote import MoveRequest, move_version
from lib.registry.register import register
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.runs.test_run_reader import log_run, make_experiment
from tests.support.ledger_stores import REASON, book_id_of, make_trained_run, make_writer


@pytest.fixture
def room(fresh_store, tmp_path):
    return FixContext(fresh_store, now, tmp_path / "podium", "ana")


def looked(store):
    return {one.check_id: one for one in run_checks(store, now, checks=CHECKS).findings}


def cured(room, cure, **given):
    """Preview, type what is to be typed, carry out."""
    asked = offer_fix(cure, **given)
    shown = fix_runner.preview_fix(room, asked)
    return fix_runner.apply_fix(room, asked.with_inputs({CONFIRMATION_INPUT: shown.confirmation_text}), lambda _: None)


def is_there(store, run_id):
    try:
        read_run(store, run_id)
    except NotFound:
        return False
    return True


def files_of(store, run_id):
    return Path(client(store).get_run(run_id).info.artifact_uri)


def test_a_store_without_deleted_things_is_fine(fresh_store):
    make_trained_run(fresh_store)
    assert {one.level for one in looked(fresh_store).values()} == {"fine"}


def test_a_deleted_run_is_found_and_restored(room):
    run_id = make_trained_run(room.backend, "forest-5-oops")
    client(room.backend).delete_run(run_id)
    found = looked(room.backend)["deleted_runs"]
    assert (found.level, found.evidence[0][:3]) == ("notice", ("forest-5-oops", run_id[:8], "wine"))
    done = fix_runner.apply_fix(room, found.fix_offers[0], lambda _: None)
    assert done.evidence == ((f"forest-5-oops ({run_id[:8]})", "is active again"),)
    assert looked(room.backend)["deleted_runs"].level == "fine"


def test_a_deleted_experiment_is_restored_with_its_runs(room):
    run_id = make_trained_run(room.backend)
    home = read_run(room.backend, run_id).experiment_id
    client(room.backend).delete_experiment(home)
    found = looked(room.backend)["deleted_experiments"]
    assert found.evidence == (("wine", home),)
    fix_runner.apply_fix(room, found.fix_offers[0], lambda _: None)
    assert read_run(room.backend, run_id).lifecycle == "active"


def test_removing_one_run_takes_its_files_and_model_and_nothing_else_that_is_deleted(room):
    there = client(room.backend)
    doomed, spared = make_trained_run(room.backend, "forest-5-doomed"), make_trained_run(room.backend, "forest-9-spared")
    there.log_text(doomed, "x" * 2_000_000, "big.txt")
    model = Path(there.get_logged_model(read_run(room.backend, doomed).model_ids[0]).artifact_location)
    other = make_experiment(room.backend, "old")
    in_other = log_run(room.backend, other, "inside")
    there.delete_experiment(other)
    loose = there.create_logged_model(read_run(room.backend, spared).experiment_id, name="loose").model_id
    there.delete_logged_model(loose)
    for one in (doomed, spared):
        there.delete_run(one)
    place = files_of(room.backend, doomed)
    shown = fix_runner.preview_fix(room, offer_fix("remove_runs", runs=doomed))
    assert shown.confirmation_text == "forest-5-doomed"
    assert not shown.undo
    assert any("2.0 MB" in one for one in shown.changes)
    cured(room, "remove_runs", runs=doomed[:8])
    assert not is_there(room.backend, doomed)
    assert not place.exists()
    assert not model.exists()
    assert is_there(room.backend, spared)
    assert is_there(room.backend, in_other)
    assert there.get_experiment(other).lifecycle_stage == "deleted"
    assert looked(room.backend)["deleted_experiments"].evidence == (("old", other),)


def test_removing_an_experiment_frees_its_name_and_spares_the_others(room):
    there = client(room.backend)
    gone, kept = make_trained_run(room.backend), log_run(room.backend, make_experiment(room.backend, "kept"), "kept")
    there.delete_run(kept)
    home = read_run(room.backend, gone).experiment_id
    model = Path(there.get_logged_model(read_run(room.backend, gone).model_ids[0]).artifact_location)
    there.delete_experiment(home)
    done = cured(room, "remove_experiment", experiment="wine")
    assert ("Experiment wine", "gone, its name is free") in done.evidence
    assert not is_there(room.backend, gone)
    assert not model.exists()
    assert is_there(room.backend, kept)
    there.create_experiment("wine", artifact_location=str(room.backend.artifact_folder / "again"))


def test_nothing_goes_without_the_name_typed(room):
    run_id = make_trained_run(room.backend)
    client(room.backend).delete_run(run_id)
    for typed in ("", "forest", "yes"):
        with pytest.raises(ActionRefused, match="not typed"):
            fix_runner.apply_fix(room, offer_fix("remove_runs", runs=run_id, typed=typed), lambda _: None)
    assert is_there(room.backend, run_id)


def test_what_a_version_was_made_from_stays_whether_it_is_held_or_not(room):
    held, loose = make_trained_run(room.backend, "forest-5-held"), make_trained_run(room.backend, "forest-9-loose")
    for one in (held, loose):
        register(make_writer(room.backend), one, "wine")
    move_version(make_writer(room.backend), MoveRequest("wine", "1", "Production", REASON))
    home = read_run(room.backend, held).experiment_id
    client(room.backend).delete_experiment(home)
    for asked, version in (
        (offer_fix("remove_runs", runs=held, active="yes"), "wine v1"),
        (offer_fix("remove_runs", runs=loose, active="yes"), "wine v2"),
        (offer_fix("remove_experiment", experiment=home), "wine v1"),
    ):
        with pytest.raises(ActionRefused, match=version):
            fix_runner.apply_fix(room, asked.with_inputs({CONFIRMATION_INPUT: "forest-5-held"}), lambda _: None)
    assert is_there(room.backend, held)
    assert is_there(room.backend, loose)


def test_a_run_that_names_a_strange_folder_is_not_removed(room, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    home = client(room.backend).create_experiment("odd", artifact_location=str(tmp_path))
    run_id = client(room.backend).create_run(home, run_name="odd").info.run_id
    import sqlite3

    with sqlite3.connect(room.backend.path) as db:
        db.execute("update runs set artifact_uri = ? where run_uuid = ?", (str(precious), run_id))
    client(room.backend).delete_run(run_id)
    with pytest.raises(ActionRefused, match="not surely its own"):
        cured(room, "remove_runs", runs=run_id)
    assert (precious / "thesis.txt").exists()


def test_the_record_is_never_removed(room):
    register(make_writer(room.backend), make_trained_run(room.backend), "wine")
    book = book_id_of(room.backend)
    with pytest.raises(ActionRefused, match="record"):
        assess_run_deletion(room.backend, [book])
    home = client(room.backend).get_experiment_by_name("podium-ledger").experiment_id
    client(room.backend).delete_experiment(home)
    assert looked(room.backend)["deleted_experiments"].level == "fine"
    with pytest.raises(PodiumError):
        cured(room, "remove_experiment", experiment=home)
    assert is_there(room.backend, book)


def test_a_server_is_cleared_by_its_administrator(mlflow_server, tmp_path):
    here = FixContext(mlflow_server, now, tmp_path)
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, "doctor-gone"), "gone")
    client(mlflow_server).delete_run(run_id)
    with pytest.raises(ActionRefused, match="database itself"):
        fix_runner.preview_fix(here, offer_fix("remove_runs", runs=run_id))
    assert is_there(mlflow_server, run_id)


def test_an_unknown_name_is_told(room):
    for asked in (
        offer_fix("restore_runs", runs="nothing"),
        offer_fix("restore_experiment", experiment="nothing"),
        offer_fix("remove_runs"),
    ):
        with pytest.raises(BadInput):
            fix_runner.preview_fix(room, asked)
