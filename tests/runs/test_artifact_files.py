"""Files of runs and models: listed and fetched from real stores, and nothing outside them can be accessed."""

import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BackendError, BadInput, NotFound, NotWritable
from lib.runs.artifacts import files
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.artifacts.local_files import folder_of_uri
from tests.support.run_factories import ARTIFACT_FILES, log_files, log_model, log_run, make_experiment


@pytest.fixture
def run_location(fresh_store):
    """A run's local artifact location with its folder created: (location, folder)."""
    run_id = log_run(fresh_store, make_experiment(fresh_store, "wine"), "first", model=False)
    location = files.read_locations(fresh_store, run_id)[0]
    folder = folder_of_uri(location.uri)
    folder.mkdir(parents=True, exist_ok=True)
    return location, folder


@pytest.mark.parametrize("kind", ["file", "server"])
def test_files_of_a_run_and_of_its_model_are_listed_and_fetched(request, fresh_store, tmp_path, kind):
    store = fresh_store if kind == "file" else request.getfixturevalue("mlflow_server")
    experiment = make_experiment(store, f"files on a {kind}")
    run_id = log_run(store, experiment, "first", model=False)
    log_files(store, run_id, tmp_path / "logged")
    model = log_model(store, experiment, run_id, tmp_path / "model", {"MLmodel": b"flavors: {}\n"})

    run_location, model_location = files.read_locations(store, run_id)
    assert (run_location.run_id, model_location.model_id, model_location.name) == (run_id, model, "forest")
    assert [(entry.path, entry.is_folder, entry.size or 0) for entry in files.list_folder(store, run_location)] == [
        ("plots", True, 0),
        ("empty.bin", False, 0),
        ("notes.txt", False, 4),
    ]
    tree = files.walk_tree(store, run_location)
    assert [entry.path for entry in tree.entries] == [
        "plots",
        "plots/deep",
        "plots/deep/a b.csv",
        "plots/roc.png",
        "empty.bin",
        "notes.txt",
    ]
    assert not tree.has_more
    for path, data in ARTIFACT_FILES.items():
        assert files.fetch_file(store, run_location, path).data == data
    assert files.fetch_file(store, model_location, "MLmodel").data == b"flavors: {}\n"
    with pytest.raises(NotFound):
        files.fetch_file(store, run_location, "plots")
    with pytest.raises(NotFound):
        files.fetch_file(store, run_location, "nowhere/there.txt")


def test_a_folder_that_is_not_there_is_reported(fresh_store, run_location):
    with pytest.raises(NotFound):
        files.list_folder(fresh_store, run_location[0], "nowhere")


def test_a_run_without_files_has_an_empty_list(fresh_store, mlflow_server):
    for store in (fresh_store, mlflow_server):
        run_id = log_run(store, make_experiment(store, f"bare {store.kind}"), "bare", model=False)
        (location,) = files.read_locations(store, run_id)
        assert files.walk_tree(store, location) == files.ArtifactTree(())


@pytest.mark.parametrize(
    "path",
    ["../../mlflow.db", "/etc/passwd", "plots/../../x", "C:/x", "c:x", "a\\..\\b", "a\x00b", "a\nb", "..", "x" * 1001, "\udcff"],
)
def test_nothing_outside_a_place_can_be_named(fresh_store, mlflow_server, run_location, path):
    local_location = run_location[0]
    server_location = ArtifactLocation("mlflow-artifacts:/0/x/artifacts", run_id="x")
    for store, location in ((fresh_store, local_location), (mlflow_server, server_location)):
        with pytest.raises(ActionRefused):
            files.fetch_file(store, location, path)
        with pytest.raises(ActionRefused):
            files.list_folder(store, location, path)


@settings(deadline=None, max_examples=60)
@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "%2e%2e", "~", "…", "\\", "/", "file:", " .."]), max_size=6))
def test_whatever_path_is_asked_for_only_what_lies_inside_is_read(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("law") / "home"
    folder.mkdir()
    (folder.parent / "a").write_bytes(b"outside")
    try:
        data = files.fetch_file(Backend("sqlite:////nowhere.db", "sqlite"), ArtifactLocation(str(folder)), "/".join(parts)).data
    except (ActionRefused, NotFound, BadInput):
        return
    pytest.fail(f"read {data!r}")


def test_a_link_that_leads_out_is_listed_but_not_followed(fresh_store, run_location, tmp_path):
    location, folder = run_location
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("s3cret")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "key").symlink_to(tmp_path / "secret" / "key")
    (folder / "round").symlink_to(folder / "round")
    (folder / "in.txt").write_text("fine")
    (folder / "inner").symlink_to(folder / "in.txt")
    for path in ("key", "out/key"):
        with pytest.raises(ActionRefused, match="leads out"):
            files.fetch_file(fresh_store, location, path)
    with pytest.raises(ActionRefused):
        files.list_folder(fresh_store, location, "out")
    with pytest.raises(BackendError):
        files.fetch_file(fresh_store, location, "round")
    assert files.fetch_file(fresh_store, location, "inner").data == b"fine"
    assert [entry.path for entry in files.walk_tree(fresh_store, location).entries] == ["out", "in.txt", "inner", "key", "round"]


@pytest.mark.parametrize("depth", [0, 1])
def test_a_link_in_the_place_of_a_runs_folder_is_refused_like_one_inside(fresh_store, run_location, tmp_path, depth):
    """The folder `artifacts` itself, or that of the run above it; a link above both is how people move a store to another disk."""
    location, folder = run_location
    secret = tmp_path / "secret" / ("" if depth == 0 else "artifacts")
    secret.mkdir(parents=True)
    (secret / "key").write_text("s3cret")
    folder.rmdir()
    if depth == 1:
        folder.parent.rmdir()
    (folder, folder.parent)[depth].symlink_to(tmp_path / "secret")
    with pytest.raises(ActionRefused, match="leads out"):
        files.fetch_file(fresh_store, location, "key")
    with pytest.raises(ActionRefused, match="leads out"):
        files.list_folder(fresh_store, location)


def test_a_store_that_was_moved_to_another_disk_is_read_through_the_link(fresh_store, run_location, tmp_path):
    location, folder = run_location
    (folder / "notes.txt").write_text("fine")
    experiment = folder.parents[1]
    experiment.rename(tmp_path / "large disk")
    experiment.symlink_to(tmp_path / "large disk")
    assert files.fetch_file(fresh_store, location, "notes.txt").data == b"fine"


def test_a_folder_that_holds_itself_ends(fresh_store, run_location):
    location, folder = run_location
    (folder / "again").symlink_to(folder)
    assert len(files.walk_tree(fresh_store, location).entries) <= 300


def test_a_pipe_is_refused_instead_of_waited_for(fresh_store, run_location, monkeypatch):
    location, folder = run_location
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        monkeypatch.chdir(folder)  # a socket's path has few characters
        plug.bind("plug")
        for name in ("pipe", "plug"):
            with pytest.raises(ActionRefused, match="not a regular file"):
                files.fetch_file(fresh_store, location, name)


def test_names_that_could_not_be_asked_for_are_left_out(fresh_store, run_location):
    location, folder = run_location
    for name in (b"line\nbreak", b"back\\slash", b"\xff\xfe", "grün ![x] #1 100%?.txt".encode()):
        (folder / os.fsdecode(name)).write_bytes(b"x")
    assert [entry.path for entry in files.list_folder(fresh_store, location)] == ["grün ![x] #1 100%?.txt"]
    assert files.fetch_file(fresh_store, location, "grün ![x] #1 100%?.txt").data == b"x"


def test_a_large_file_is_refused_with_its_size_before_it_is_read(fresh_store, run_location):
    location, folder = run_location
    with (folder / "model.bin").open("wb") as sparse:
        sparse.truncate(2_000_000_000)
    with pytest.raises(ActionRefused, match=r"2,000.0 MB; the limit here is 10 MB") as raised:
        files.fetch_file(fresh_store, location, "model.bin")
    assert "MLflow client" in raised.value.next
    with pytest.raises(ActionRefused):
        files.fetch_file(fresh_store, location, "model.bin", files.MAX_DOWNLOAD_BYTES)
    with (folder / "model.bin").open("wb") as sparse:
        sparse.truncate(10_000_001)
    with pytest.raises(ActionRefused) as raised:
        files.fetch_file(fresh_store, location, "model.bin")
    assert "Download it" in raised.value.next
    assert len(files.fetch_file(fresh_store, location, "model.bin", files.MAX_DOWNLOAD_BYTES).data) == 10_000_001


def test_a_large_file_on_a_server_is_refused_and_nothing_stays_in_the_temporary_folder(mlflow_server, tmp_path, monkeypatch):
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, "large"), "large", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged", {"a.txt": b"x" * 100})
    (location,) = files.read_locations(mlflow_server, run_id)
    temporary_folder = tmp_path / "spare"
    temporary_folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary_folder))
    with pytest.raises(ActionRefused):
        files.fetch_file(mlflow_server, location, "a.txt", 99)
    assert files.fetch_file(mlflow_server, location, "a.txt", 100).data == b"x" * 100
    assert list(temporary_folder.iterdir()) == []
    with pytest.raises(NotFound):
        files.fetch_file(mlflow_server, location, "b#c?.txt")


def test_files_logged_through_a_server_are_not_read_from_a_bare_database(fresh_store):
    with pytest.raises(BackendError, match="bare database") as raised:
        files.list_folder(fresh_store, ArtifactLocation("mlflow-artifacts:/1/abc/artifacts", run_id="abc"))
    assert "MLFLOW_TRACKING_URI" in raised.value.next


@pytest.mark.parametrize(
    "uri", ["http://evil.example/x", "mlflow-artifacts://evil.example/x", "ftp://evil/x", "", "runs:/x/y", "models:/m/1"]
)
def test_another_host_is_never_asked(fresh_store, mlflow_server, uri):
    for store in (fresh_store, mlflow_server):
        with pytest.raises(BackendError):
            files.list_folder(store, ArtifactLocation(uri, run_id="x"))


@pytest.mark.parametrize("uri", ["/etc", "file:///etc", "relative/folder"])
def test_a_server_cannot_make_podium_read_this_machines_folders(mlflow_server, uri):
    location = ArtifactLocation(uri, run_id="0" * 32)
    with pytest.raises(NotFound):
        files.list_folder(mlflow_server, location)
    with pytest.raises(NotFound):
        files.fetch_file(mlflow_server, location, "passwd")
    with pytest.raises(NotFound, match="not a valid run id"):
        files.fetch_file(mlflow_server, ArtifactLocation(uri, run_id="../../x"), "passwd")


def test_files_in_a_folder_of_the_servers_machine_come_through_the_server(mlflow_server, tmp_path):
    uri = (tmp_path / "on the server").as_uri()
    experiment = client(mlflow_server).create_experiment("logged without the server", artifact_location=uri)
    run_id = log_run(mlflow_server, experiment, "first", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged", ARTIFACT_FILES | {"odd &+é.txt": b"odd"})
    log_model(mlflow_server, experiment, run_id, tmp_path / "model", {"MLmodel": b"flavors: {}"})
    run_location, model_location = files.read_locations(mlflow_server, run_id)
    assert (run_location.uri.startswith("file:"), model_location.uri.startswith("file:")) == (True, True)
    assert [entry.path for entry in files.walk_tree(mlflow_server, run_location).entries][:3] == [
        "plots",
        "plots/deep",
        "plots/deep/a b.csv",
    ]
    assert [entry.path for entry in files.list_folder(mlflow_server, model_location)] == ["MLmodel"]
    assert files.fetch_file(mlflow_server, run_location, "odd &+é.txt").data == b"odd"
    assert files.fetch_file(mlflow_server, run_location, "plots/deep/a b.csv").data == ARTIFACT_FILES["plots/deep/a b.csv"]
    assert files.fetch_file(mlflow_server, model_location, "MLmodel").data == b"flavors: {}"
    with pytest.raises(ActionRefused, match="limit here"):
        files.fetch_file(mlflow_server, run_location, "notes.txt", 3)
    with pytest.raises(NotFound):
        files.fetch_file(mlflow_server, run_location, "nowhere.txt")


def test_a_long_list_is_cut_and_says_so(fresh_store, run_location):
    location, folder = run_location
    for number in range(30):
        (folder / f"{number:02}.txt").write_text("x")
    tree = files.walk_tree(fresh_store, location, max_entries=10)
    assert (len(tree.entries), tree.has_more) == (10, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_reported(fresh_store, run_location):
    location, folder = run_location
    (folder / "mine").write_text("x")
    (folder / "mine").chmod(0)
    with pytest.raises(NotWritable):
        files.fetch_file(fresh_store, location, "mine")
