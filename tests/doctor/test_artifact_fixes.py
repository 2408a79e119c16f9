"""The guide's §6 and §12 errors made on purpose on real stores, and each way out heals them: a file is logged afterwards."""

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
from tests.support.doctor_stores import copied, make_by_server, relocate

MISMATCH = "When an mlflow-artifacts URI was supplied, the tracking URI must be a valid http or https URI"


def clock():
    return datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def quiet(_):
    pass


@pytest.fixture(scope="module")
def made_by_server(tmp_path_factory):
    return make_by_server(tmp_path_factory.mktemp("made") / "store")


@pytest.fixture
def sick(made_by_server, tmp_path, monkeypatch):
    """The bare database of a server that is gone, with its files beside it."""
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "podium"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return copied(made_by_server, tmp_path / "store")


@pytest.fixture
def room(sick, tmp_path):
    yield FixContext(sick.database, clock, tmp_path / "podium")
    for served in local_server.running_servers():
        local_server.stop(served)


def found(backend, check="locations"):
    return [one for one in run_checks(backend, clock).findings if one.check_id == check]


def offered(backend, cure):
    return next(call for one in found(backend) for call in one.fix_offers if call.fix_id == cure)


def log_a_file(backend, experiment):
    """What the guide's script does; returns what is read back."""
    client = MlflowClient(backend.uri, backend.uri)
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "after the cure", "note.txt")
    return fetch_file(backend, read_locations(backend, run)[0], "note.txt").data


def test_the_guides_error_is_there_and_the_doctor_names_everything_it_concerns(sick):
    client = MlflowClient(sick.database.uri, sick.database.uri)
    fresh = client.create_run(sick.experiment).info.run_id  # of the old run MLflow's cache still remembers the server
    with pytest.raises(MlflowException, match=MISMATCH):
        client.log_text(fresh, "x", "x.txt")
    (finding,) = found(sick.database)
    assert finding.level == "problem"
    assert finding.title == "Files cannot be saved in 2 experiments"
    rows = {row[0]: row[1:] for row in finding.evidence}
    assert rows["wine-remote"] == ("mlflow-artifacts:/1", "the experiment itself, 2 runs, 1 model, 1 version")
    assert rows["Default"] == ("mlflow-artifacts:/0", "the experiment itself")
    assert all(find_fix(call) for call in finding.fix_offers)


def test_looking_changes_nothing(sick):
    before = sick.database.path.read_bytes()
    run_checks(sick.database, clock)
    assert sick.database.path.read_bytes() == before


def test_a_fresh_experiment_takes_files_and_the_old_runs_stay(sick, room):
    call = offered(sick.database, "fresh_experiment")
    one = type(call)(call.fix_id, (("experiment", sick.experiment),))
    told = preview_fix(room, one)
    assert told.title == "Make wine-remote-2?"
    assert {e.name for e in MlflowClient(sick.database.uri).search_experiments()} == {"Default", "wine-remote"}
    done = apply_fix(room, one, quiet)
    client = MlflowClient(sick.database.uri, sick.database.uri)
    new = client.get_experiment_by_name("wine-remote-2")
    assert ("Trial file", "written, listed, read back, removed") in done.evidence
    assert log_a_file(sick.database, new.experiment_id) == b"after the cure"
    assert client.get_run(sick.run).data.metrics["accuracy"] == 0.9444
    with pytest.raises(BadInput, match="already"):
        apply_fix(room, one.with_inputs({"name": "wine-remote-2"}), quiet)


def test_several_experiments_get_a_fresh_one_each(sick, room):
    apply_fix(room, offered(sick.database, "fresh_experiment"), quiet)
    names = {e.name for e in MlflowClient(sick.database.uri).search_experiments()}
    assert {"wine-remote-2", "Default-2"} <= names


def test_a_server_on_the_same_database_makes_old_and_new_files_work(sick, room, monkeypatch):
    call = offered(sick.database, "local_server")
    told = preview_fix(room, call)
    assert str(sick.folder / "mlartifacts") in " ".join(told.changes)
    assert any(line.startswith("2 of 2 folders of old runs and models") for line in told.changes)
    said = []
    done = apply_fix(room, call, said.append)
    assert any("The server starts on port" in line for line in said)
    assert log_a_file(done.backend, sick.experiment) == b"after the cure"
    assert fetch_file(done.backend, read_locations(done.backend, sick.run)[0], "note.txt").data == b"a note"
    assert found(done.backend)[0].level == "fine"
    (served,) = local_server.running_servers()
    assert served.log_file.stat().st_size > 0
    again = apply_fix(room, call, quiet)
    assert again.backend == done.backend
    with pytest.raises(ActionRefused, match="runs on this database"):
        apply_fix(room, call.with_inputs({"destination": str(sick.folder / "other")}), quiet)
    # the third way out: the variable, in the form of this machine's shell
    line = preview_fix(room, offered(sick.database, "tracking_variable")).snippets
    assert [one.language for one in line] == ["bash", "powershell", "batch"]
    script = f'{line[0].text}\n{sys.executable} -c "{LOG}" {sick.experiment}'
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    ran = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ran.stdout.strip().endswith("note.txt"), ran.stderr
    local_server.stop(served)
    assert local_server.running_servers() == ()


LOG = """
import sys, mlflow
with mlflow.start_run(experiment_id=sys.argv[1]) as run:
    mlflow.log_text('by variable', 'note.txt')
print(mlflow.MlflowClient().list_artifacts(run.info.run_id)[0].path)
"""


def test_the_variable_takes_no_address_that_a_shell_would_read(sick, room):
    call = offered(sick.database, "tracking_variable")
    for address in ("http://x/'; rm -rf ~", "sqlite:///x.db", "http://x/$(id)", "http://x/%PATH%"):
        with pytest.raises(BadInput):
            preview_fix(room, call.with_inputs({"address": address}))
    assert "secret" not in str(preview_fix(room, call.with_inputs({"address": "http://ana:secret@h:5000"})))


def test_a_local_store_takes_files_and_leaves_the_old_one(sick, room):
    before = sick.database.path.read_bytes()
    call = offered(sick.database, "local_store")
    assert "Nothing is copied" in " ".join(preview_fix(room, call).changes)
    done = apply_fix(room, call, quiet)
    new = MlflowClient(done.backend.uri, done.backend.uri).get_experiment_by_name("wine-remote")
    assert log_a_file(done.backend, new.experiment_id) == b"after the cure"
    assert found(done.backend)[0].level == "fine"
    assert sick.database.path.read_bytes() == before
    with pytest.raises(ActionRefused, match="already"):
        apply_fix(room, call.with_inputs({"folder": str(done.backend.path.parent)}), quiet)


def test_old_files_are_read_from_a_folder_that_stands_in_and_nothing_is_written(sick, room):
    before = sick.database.path.read_bytes()
    call = offered(sick.database, "mapped_folder")
    assert "2 of 2 folders" in " ".join(preview_fix(room, call).changes)
    apply_fix(room, call, quiet)
    found_ = read_locations(sick.database, sick.run)
    assert fetch_file(sick.database, found_[0], "note.txt").data == b"a note"
    assert fetch_file(sick.database, found_[1], "MLmodel").data.startswith(b"flavors")
    assert sick.database.path.read_bytes() == before
    (one,) = artifact_path_map.read_mappings(room.podium_home)
    artifact_path_map.remove_mapping(room.podium_home, one)
    assert read_locations(sick.database, sick.run)[0].uri.startswith("mlflow-artifacts:")


def test_a_folder_without_the_files_is_refused(sick, room, tmp_path):
    with pytest.raises(ActionRefused, match="none has its folder"):
        preview_fix(room, offered(sick.database, "mapped_folder").with_inputs({"folder": str(tmp_path)}))
    assert artifact_path_map.read_mappings(room.podium_home) == ()


@pytest.mark.parametrize(
    ("place", "title", "level"),
    [
        ("C:/Users/ana/mlruns/1", "The files of wine-remote belong to a Windows folder", "problem"),
        (r"C:\Users\ana\mlruns\1", "The files of wine-remote belong to a Windows folder", "problem"),
        ("file:///D:/mlruns/1", "The files of wine-remote belong to a Windows folder", "problem"),
        ("./mlruns/1", "Where the files of wine-remote go depends on where a script is started", "notice"),
        ("/Users/ana/project/mlruns/1", "The files of wine-remote belong to a folder that is not on this machine", "problem"),
        ("file://nas/share/1", "The files of wine-remote belong to a folder that is not on this machine", "problem"),
        ("s3://bucket/1", None, None),
        ("dbfs:/mnt/1", "Podium does not know where the files of wine-remote are", "notice"),
        ("http://[broken/1", "Podium does not know where the files of wine-remote are", "notice"),
    ],
)
def test_a_place_of_another_machine_is_named_for_what_it_is(sick, place, title, level):
    relocate(sick.database, "mlflow-artifacts:/0", str(sick.folder / "files"))
    relocate(sick.database, "mlflow-artifacts:/1", place)
    finding = next(one for one in found(sick.database) if any(row[0] == "wine-remote" for row in one.evidence))
    if title is None:
        assert "s3://bucket/1" in finding.means
        assert "S3" in finding.means
        return
    assert (finding.title, finding.level) == (title, level)


def test_a_moved_store_is_read_where_it_lies_now(sick, room):
    relocate(sick.database, "mlflow-artifacts:/", "C:/Users/ana/mlruns/")
    call = offered(sick.database, "mapped_folder")
    apply_fix(room, call, quiet)
    assert fetch_file(sick.database, read_locations(sick.database, sick.run)[0], "note.txt").data == b"a note"
    apply_fix(room, offered(sick.database, "fresh_experiment"), quiet)
    new = MlflowClient(sick.database.uri, sick.database.uri).get_experiment_by_name("wine-remote-2")
    assert log_a_file(sick.database, new.experiment_id) == b"after the cure"


@pytest.mark.parametrize("cure", ["local_server", "local_store", "mapped_folder", "migrate_file_store"])
def test_a_shared_podium_starts_nothing_and_reaches_no_folder_of_its_machine(room, cure):
    shared = replace(room, is_shared=True)
    wanted = next(one for one in FIXES if one.needs_machine_access and one.id.startswith(cure))
    for deed in (fix_inputs, preview_fix, lambda where, asked: apply_fix(where, asked, quiet)):
        with pytest.raises(ActionRefused, match="This Podium is shared"):
            deed(shared, FixOffer(wanted.id))
    assert local_server.running_servers() == ()


def test_the_lineage_of_a_version_is_read_through_a_folder_that_stands_in(sick, room):
    (version,) = MlflowClient(sick.database.uri, sick.database.uri).search_model_versions()
    seen = read_snapshot(sick.database, version.name).versions[str(version.version)]
    assert read_lineage(sick.database, version.name, seen).missing
    apply_fix(room, offered(sick.database, "mapped_folder"), quiet)
    told = read_lineage(sick.database, version.name, seen)
    assert (told.missing, len(told.artifact)) == ("", 64)
