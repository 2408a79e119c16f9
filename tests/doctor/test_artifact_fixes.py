"""The guide's §6 and §12 errors reproduced on real stores; after each fix a file can be logged."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from lib.backends import artifact_path_map, local_server
from lib.doctor.check_runner import run_checks
from lib.doctor.fix_runner import FIXES, apply_fix, find_fix, fix_inputs, preview_fix
from lib.doctor.types import FixContext, FixOffer
from lib.errors import ActionRefused, BadInput
from lib.registry.lineage import read_lineage
from lib.registry.reader import read_snapshot
from lib.runs.artifacts.files import fetch_file, read_locations
from tests.support.doctor_stores import copy_store_files, make_store_by_server, relocate

MISMATCH = "When an mlflow-artifacts URI was supplied, the tracking URI must be a valid http or https URI"


def clock():
    return datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def no_progress(_):
    pass


@pytest.fixture(scope="module")
def server_store(tmp_path_factory):
    return make_store_by_server(tmp_path_factory.mktemp("made") / "store")


@pytest.fixture
def mismatched_store(server_store, tmp_path, monkeypatch):
    """The bare database of a former server, with its artifacts next to it."""
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "podium"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return copy_store_files(server_store, tmp_path / "store")


@pytest.fixture
def context(mismatched_store, tmp_path):
    yield FixContext(mismatched_store.database, clock, tmp_path / "podium")
    for server in local_server.running_servers():
        local_server.stop(server)


def findings_of(backend, check="locations"):
    return [finding for finding in run_checks(backend, clock).findings if finding.check_id == check]


def offer_of(backend, fix_id):
    return next(offer for finding in findings_of(backend) for offer in finding.fix_offers if offer.fix_id == fix_id)


def log_a_file(backend, experiment_id):
    """Log a file like the guide's script and return what is read back."""
    client = MlflowClient(backend.uri, backend.uri)
    run_id = client.create_run(experiment_id).info.run_id
    client.log_text(run_id, "after the cure", "note.txt")
    return fetch_file(backend, read_locations(backend, run_id)[0], "note.txt").data


def test_the_guides_error_is_there_and_the_doctor_names_everything_it_concerns(mismatched_store):
    client = MlflowClient(mismatched_store.database.uri, mismatched_store.database.uri)
    # A new run, because MLflow's cache still has the server for the old one
    run_id = client.create_run(mismatched_store.experiment).info.run_id
    with pytest.raises(MlflowException, match=MISMATCH):
        client.log_text(run_id, "x", "x.txt")
    (finding,) = findings_of(mismatched_store.database)
    assert finding.level == "problem"
    assert finding.title == "Files cannot be saved in 2 experiments"
    rows = {row[0]: row[1:] for row in finding.evidence}
    assert rows["wine-remote"] == ("mlflow-artifacts:/1", "the experiment itself, 2 runs, 1 model, 1 version")
    assert rows["Default"] == ("mlflow-artifacts:/0", "the experiment itself")
    assert all(find_fix(offer) for offer in finding.fix_offers)


def test_looking_changes_nothing(mismatched_store):
    bytes_before = mismatched_store.database.path.read_bytes()
    run_checks(mismatched_store.database, clock)
    assert mismatched_store.database.path.read_bytes() == bytes_before


def test_a_new_experiment_stores_files_and_the_old_runs_stay(mismatched_store, context):
    offer = offer_of(mismatched_store.database, "fresh_experiment")
    single_offer = type(offer)(offer.fix_id, (("experiment", mismatched_store.experiment),))
    preview = preview_fix(context, single_offer)
    assert preview.title == "Create wine-remote-2?"
    assert {e.name for e in MlflowClient(mismatched_store.database.uri).search_experiments()} == {"Default", "wine-remote"}
    result = apply_fix(context, single_offer, no_progress)
    client = MlflowClient(mismatched_store.database.uri, mismatched_store.database.uri)
    new_experiment = client.get_experiment_by_name("wine-remote-2")
    assert ("Test file", "written, listed, read back, deleted") in result.evidence
    assert log_a_file(mismatched_store.database, new_experiment.experiment_id) == b"after the cure"
    assert client.get_run(mismatched_store.run).data.metrics["accuracy"] == 0.9444
    with pytest.raises(BadInput, match="already"):
        apply_fix(context, single_offer.with_inputs({"name": "wine-remote-2"}), no_progress)


def test_several_experiments_get_a_fresh_one_each(mismatched_store, context):
    apply_fix(context, offer_of(mismatched_store.database, "fresh_experiment"), no_progress)
    names = {e.name for e in MlflowClient(mismatched_store.database.uri).search_experiments()}
    assert {"wine-remote-2", "Default-2"} <= names


def test_a_server_on_the_same_database_makes_old_and_new_files_work(mismatched_store, context, monkeypatch):
    offer = offer_of(mismatched_store.database, "local_server")
    preview = preview_fix(context, offer)
    assert str(mismatched_store.folder / "mlartifacts") in " ".join(preview.changes)
    assert any(line.startswith("2 of 2 old run and model folders") for line in preview.changes)
    progress = []
    result = apply_fix(context, offer, progress.append)
    assert any("Starting the server on port" in line for line in progress)
    assert log_a_file(result.backend, mismatched_store.experiment) == b"after the cure"
    assert fetch_file(result.backend, read_locations(result.backend, mismatched_store.run)[0], "note.txt").data == b"a note"
    assert findings_of(result.backend)[0].level == "fine"
    (server,) = local_server.running_servers()
    assert server.log_file.stat().st_size > 0
    second_result = apply_fix(context, offer, no_progress)
    assert second_result.backend == result.backend
    with pytest.raises(ActionRefused, match="is already running on this database"):
        apply_fix(context, offer.with_inputs({"destination": str(mismatched_store.folder / "other")}), no_progress)
    # third option: the environment variable, in the syntax of this machine's shell
    snippets = preview_fix(context, offer_of(mismatched_store.database, "tracking_variable")).snippets
    assert [snippet.language for snippet in snippets] == ["bash", "powershell", "batch"]
    script = f'{snippets[0].text}\n{sys.executable} -c "{LOG}" {mismatched_store.experiment}'
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    process = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert process.stdout.strip().endswith("note.txt"), process.stderr
    local_server.stop(server)
    assert local_server.running_servers() == ()


LOG = """
import sys, mlflow
with mlflow.start_run(experiment_id=sys.argv[1]) as run:
    mlflow.log_text('by variable', 'note.txt')
print(mlflow.MlflowClient().list_artifacts(run.info.run_id)[0].path)
"""


def test_the_variable_accepts_no_address_with_shell_characters(mismatched_store, context):
    offer = offer_of(mismatched_store.database, "tracking_variable")
    for address in ("http://x/'; rm -rf ~", "sqlite:///x.db", "http://x/$(id)", "http://x/%PATH%"):
        with pytest.raises(BadInput):
            preview_fix(context, offer.with_inputs({"address": address}))
    assert "secret" not in str(preview_fix(context, offer.with_inputs({"address": "http://ana:secret@h:5000"})))


def test_a_local_store_stores_files_and_leaves_the_old_one_unchanged(mismatched_store, context):
    bytes_before = mismatched_store.database.path.read_bytes()
    offer = offer_of(mismatched_store.database, "local_store")
    assert "Nothing is copied" in " ".join(preview_fix(context, offer).changes)
    result = apply_fix(context, offer, no_progress)
    new_experiment = MlflowClient(result.backend.uri, result.backend.uri).get_experiment_by_name("wine-remote")
    assert log_a_file(result.backend, new_experiment.experiment_id) == b"after the cure"
    assert findings_of(result.backend)[0].level == "fine"
    assert mismatched_store.database.path.read_bytes() == bytes_before
    with pytest.raises(ActionRefused, match="already"):
        apply_fix(context, offer.with_inputs({"folder": str(result.backend.path.parent)}), no_progress)


def test_old_files_are_read_from_a_mapped_folder_and_nothing_is_written(mismatched_store, context):
    bytes_before = mismatched_store.database.path.read_bytes()
    offer = offer_of(mismatched_store.database, "mapped_folder")
    assert "2 of 2 run and model folders" in " ".join(preview_fix(context, offer).changes)
    apply_fix(context, offer, no_progress)
    locations = read_locations(mismatched_store.database, mismatched_store.run)
    assert fetch_file(mismatched_store.database, locations[0], "note.txt").data == b"a note"
    assert fetch_file(mismatched_store.database, locations[1], "MLmodel").data.startswith(b"flavors")
    assert mismatched_store.database.path.read_bytes() == bytes_before
    (mapping,) = artifact_path_map.read_mappings(context.podium_home)
    artifact_path_map.remove_mapping(context.podium_home, mapping)
    assert read_locations(mismatched_store.database, mismatched_store.run)[0].uri.startswith("mlflow-artifacts:")


def test_a_folder_without_the_files_is_refused(mismatched_store, context, tmp_path):
    with pytest.raises(ActionRefused, match="None of the"):
        preview_fix(context, offer_of(mismatched_store.database, "mapped_folder").with_inputs({"folder": str(tmp_path)}))
    assert artifact_path_map.read_mappings(context.podium_home) == ()


@pytest.mark.parametrize(
    ("place", "title", "level"),
    [
        ("C:/Users/ana/mlruns/1", "The files of wine-remote belong to a Windows folder", "problem"),
        (r"C:\Users\ana\mlruns\1", "The files of wine-remote belong to a Windows folder", "problem"),
        ("file:///D:/mlruns/1", "The files of wine-remote belong to a Windows folder", "problem"),
        ("./mlruns/1", "The file location of wine-remote depends on where a script is started", "notice"),
        ("/Users/ana/project/mlruns/1", "The files of wine-remote belong to a folder that is not on this machine", "problem"),
        ("file://nas/share/1", "The files of wine-remote belong to a folder that is not on this machine", "problem"),
        ("s3://bucket/1", None, None),
        ("dbfs:/mnt/1", "Podium cannot check the file location of wine-remote", "notice"),
        ("http://[broken/1", "Podium cannot check the file location of wine-remote", "notice"),
    ],
)
def test_a_place_of_another_machine_is_named_for_what_it_is(mismatched_store, place, title, level):
    relocate(mismatched_store.database, "mlflow-artifacts:/0", str(mismatched_store.folder / "files"))
    relocate(mismatched_store.database, "mlflow-artifacts:/1", place)
    finding = next(
        candidate
        for candidate in findings_of(mismatched_store.database)
        if any(row[0] == "wine-remote" for row in candidate.evidence)
    )
    if title is None:
        assert "s3://bucket/1" in finding.means
        assert "S3" in finding.means
        return
    assert (finding.title, finding.level) == (title, level)


def test_a_moved_store_is_read_at_its_new_location(mismatched_store, context):
    relocate(mismatched_store.database, "mlflow-artifacts:/", "C:/Users/ana/mlruns/")
    offer = offer_of(mismatched_store.database, "mapped_folder")
    apply_fix(context, offer, no_progress)
    assert (
        fetch_file(mismatched_store.database, read_locations(mismatched_store.database, mismatched_store.run)[0], "note.txt").data
        == b"a note"
    )
    apply_fix(context, offer_of(mismatched_store.database, "fresh_experiment"), no_progress)
    new_experiment = MlflowClient(mismatched_store.database.uri, mismatched_store.database.uri).get_experiment_by_name(
        "wine-remote-2"
    )
    assert log_a_file(mismatched_store.database, new_experiment.experiment_id) == b"after the cure"


@pytest.mark.parametrize("cure", ["local_server", "local_store", "mapped_folder", "migrate_file_store"])
def test_a_shared_podium_starts_nothing_and_reaches_no_folder_of_its_machine(context, cure):
    shared_context = replace(context, is_shared=True)
    fix = next(fix for fix in FIXES if fix.needs_machine_access and fix.id.startswith(cure))
    for step in (fix_inputs, preview_fix, lambda *arguments: apply_fix(*arguments, no_progress)):
        with pytest.raises(ActionRefused, match="This Podium is shared"):
            step(shared_context, FixOffer(fix.id))
    assert local_server.running_servers() == ()


def test_the_lineage_of_a_version_is_read_through_a_mapped_folder(mismatched_store, context):
    (version,) = MlflowClient(mismatched_store.database.uri, mismatched_store.database.uri).search_model_versions()
    version_snapshot = read_snapshot(mismatched_store.database, version.name).versions[str(version.version)]
    assert read_lineage(mismatched_store.database, version.name, version_snapshot).missing
    apply_fix(context, offer_of(mismatched_store.database, "mapped_folder"), no_progress)
    lineage = read_lineage(mismatched_store.database, version.name, version_snapshot)
    assert (lineage.missing, len(lineage.artifact)) == ("", 64)
