"""Files of runs and models: listed and fetched from real stores, and nothing outside them can be named."""

import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BackendError, BadInput, NotFound, NotWritable
from lib.runs.artifacts import files as artifacts
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.artifacts.local_files import folder_of_uri
from tests.support.run_factories import ARTIFACT_FILES, log_files, log_model, log_run, make_experiment


@pytest.fixture
def run_place(fresh_store):
    """A run's place on this machine, its folder made: (place, folder)."""
    run_id = log_run(fresh_store, make_experiment(fresh_store, "wine"), "first", model=False)
    place = artifacts.read_locations(fresh_store, run_id)[0]
    home = folder_of_uri(place.uri)
    home.mkdir(parents=True, exist_ok=True)
    return place, home


@pytest.mark.parametrize("kind", ["file", "server"])
def test_files_of_a_run_and_of_its_model_are_listed_and_fetched(request, fresh_store, tmp_path, kind):
    store = fresh_store if kind == "file" else request.getfixturevalue("mlflow_server")
    experiment = make_experiment(store, f"files on a {kind}")
    run_id = log_run(store, experiment, "first", model=False)
    log_files(store, run_id, tmp_path / "logged")
    model = log_model(store, experiment, run_id, tmp_path / "model", {"MLmodel": b"flavors: {}\n"})

    own, of_model = artifacts.read_locations(store, run_id)
    assert (own.run_id, of_model.model_id, of_model.name) == (run_id, model, "forest")
    assert [(one.path, one.is_folder, one.size or 0) for one in artifacts.list_folder(store, own)] == [
        ("plots", True, 0),
        ("empty.bin", False, 0),
        ("notes.txt", False, 4),
    ]
    tree = artifacts.walk_tree(store, own)
    assert [one.path for one in tree.entries] == [
        "plots",
        "plots/deep",
        "plots/deep/a b.csv",
        "plots/roc.png",
        "empty.bin",
        "notes.txt",
    ]
    assert not tree.has_more
    for path, data in ARTIFACT_FILES.items():
        assert artifacts.fetch_file(store, own, path).data == data
    assert artifacts.fetch_file(store, of_model, "MLmodel").data == b"flavors: {}\n"
    with pytest.raises(NotFound):
        artifacts.fetch_file(store, own, "plots")
    with pytest.raises(NotFound):
        artifacts.fetch_file(store, own, "nowhere/there.txt")


def test_a_folder_that_is_not_there_is_told(fresh_store, run_place):
    with pytest.raises(NotFound):
        artifacts.list_folder(fresh_store, run_place[0], "nowhere")


def test_a_run_without_files_has_an_empty_list(fresh_store, mlflow_server):
    for store in (fresh_store, mlflow_server):
        run_id = log_run(store, make_experiment(store, f"bare {store.kind}"), "bare", model=False)
        (place,) = artifacts.read_locations(store, run_id)
        assert artifacts.walk_tree(store, place) == artifacts.ArtifactTree(())


@pytest.mark.parametrize(
    "path",
    ["../../mlflow.db", "/etc/passwd", "plots/../../x", "C:/x", "c:x", "a\\..\\b", "a\x00b", "a\nb", "..", "x" * 1001, "\udcff"],
)
def test_nothing_outside_a_place_can_be_named(fresh_store, mlflow_server, run_place, path):
    place = run_place[0]
    elsewhere = ArtifactLocation("mlflow-artifacts:/0/x/artifacts", run_id="x")
    for store, where in ((fresh_store, place), (mlflow_server, elsewhere)):
        with pytest.raises(ActionRefused):
            artifacts.fetch_file(store, where, path)
        with pytest.raises(ActionRefused):
            artifacts.list_folder(store, where, path)


@settings(deadline=None, max_examples=60)
@given(parts=st.lists(st.sampled_from(["..", ".", "", "a", "%2e%2e", "~", "…", "\\", "/", "file:", " .."]), max_size=6))
def test_whatever_path_is_asked_for_only_what_lies_inside_is_read(tmp_path_factory, parts):
    home = tmp_path_factory.mktemp("law") / "home"
    home.mkdir()
    (home.parent / "a").write_bytes(b"outside")
    try:
        data = artifacts.fetch_file(Backend("sqlite:////nowhere.db", "sqlite"), ArtifactLocation(str(home)), "/".join(parts)).data
    except (ActionRefused, NotFound, BadInput):
        return
    pytest.fail(f"read {data!r}")


def test_a_link_that_leads_out_is_listed_but_not_followed(fresh_store, run_place, tmp_path):
    place, home = run_place
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("s3cret")
    (home / "out").symlink_to(tmp_path / "secret")
    (home / "key").symlink_to(tmp_path / "secret" / "key")
    (home / "round").symlink_to(home / "round")
    (home / "in.txt").write_text("fine")
    (home / "inner").symlink_to(home / "in.txt")
    for path in ("key", "out/key"):
        with pytest.raises(ActionRefused, match="leads out"):
            artifacts.fetch_file(fresh_store, place, path)
    with pytest.raises(ActionRefused):
        artifacts.list_folder(fresh_store, place, "out")
    with pytest.raises(BackendError):
        artifacts.fetch_file(fresh_store, place, "round")
    assert artifacts.fetch_file(fresh_store, place, "inner").data == b"fine"
    assert [one.path for one in artifacts.walk_tree(fresh_store, place).entries] == ["out", "in.txt", "inner", "key", "round"]


def test_a_folder_that_holds_itself_ends(fresh_store, run_place):
    place, home = run_place
    (home / "again").symlink_to(home)
    assert len(artifacts.walk_tree(fresh_store, place).entries) <= 300


def test_a_pipe_is_refused_instead_of_waited_for(fresh_store, run_place, monkeypatch):
    place, home = run_place
    os.mkfifo(home / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        monkeypatch.chdir(home)  # a socket's path has few characters
        plug.bind("plug")
        for name in ("pipe", "plug"):
            with pytest.raises(ActionRefused, match="no plain file"):
                artifacts.fetch_file(fresh_store, place, name)


def test_names_that_could_not_be_asked_for_are_left_out(fresh_store, run_place):
    place, home = run_place
    for name in (b"line\nbreak", b"back\\slash", b"\xff\xfe", "grün ![x] #1 100%?.txt".encode()):
        (home / os.fsdecode(name)).write_bytes(b"x")
    assert [one.path for one in artifacts.list_folder(fresh_store, place)] == ["grün ![x] #1 100%?.txt"]
    assert artifacts.fetch_file(fresh_store, place, "grün ![x] #1 100%?.txt").data == b"x"


def test_a_large_file_is_refused_with_its_size_before_it_is_read(fresh_store, run_place):
    place, home = run_place
    with (home / "model.bin").open("wb") as sparse:
        sparse.truncate(2_000_000_000)
    with pytest.raises(ActionRefused, match=r"2,000.0 MB, and at most 10 MB") as told:
        artifacts.fetch_file(fresh_store, place, "model.bin")
    assert "MLflow client" in told.value.next
    with pytest.raises(ActionRefused):
        artifacts.fetch_file(fresh_store, place, "model.bin", artifacts.MAX_DOWNLOAD_BYTES)
    with (home / "model.bin").open("wb") as sparse:
        sparse.truncate(10_000_001)
    with pytest.raises(ActionRefused) as told:
        artifacts.fetch_file(fresh_store, place, "model.bin")
    assert "Download it" in told.value.next
    assert len(artifacts.fetch_file(fresh_store, place, "model.bin", artifacts.MAX_DOWNLOAD_BYTES).data) == 10_000_001


def test_a_large_file_on_a_server_is_refused_and_nothing_stays_in_the_temporary_folder(mlflow_server, tmp_path, monkeypatch):
    run_id = log_run(mlflow_server, make_experiment(mlflow_server, "large"), "large", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged", {"a.txt": b"x" * 100})
    (place,) = artifacts.read_locations(mlflow_server, run_id)
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    with pytest.raises(ActionRefused):
        artifacts.fetch_file(mlflow_server, place, "a.txt", 99)
    assert artifacts.fetch_file(mlflow_server, place, "a.txt", 100).data == b"x" * 100
    assert list(spare.iterdir()) == []
    with pytest.raises(NotFound):
        artifacts.fetch_file(mlflow_server, place, "b#c?.txt")


def test_files_logged_through_a_server_are_told_apart_from_a_bare_database(fresh_store):
    with pytest.raises(BackendError, match="bare database") as told:
        artifacts.list_folder(fresh_store, ArtifactLocation("mlflow-artifacts:/1/abc/artifacts", run_id="abc"))
    assert "MLFLOW_TRACKING_URI" in told.value.next


@pytest.mark.parametrize(
    "uri", ["http://evil.example/x", "mlflow-artifacts://evil.example/x", "ftp://evil/x", "", "runs:/x/y", "models:/m/1"]
)
def test_another_host_is_never_asked(fresh_store, mlflow_server, uri):
    for store in (fresh_store, mlflow_server):
        with pytest.raises(BackendError):
            artifacts.list_folder(store, ArtifactLocation(uri, run_id="x"))


@pytest.mark.parametrize("uri", ["/etc", "file:///etc", "relative/folder"])
def test_a_server_cannot_make_podium_read_this_machines_folders(mlflow_server, uri):
    place = ArtifactLocation(uri, run_id="0" * 32)
    with pytest.raises(NotFound):
        artifacts.list_folder(mlflow_server, place)
    with pytest.raises(NotFound):
        artifacts.fetch_file(mlflow_server, place, "passwd")
    with pytest.raises(NotFound, match="no id"):
        artifacts.fetch_file(mlflow_server, ArtifactLocation(uri, run_id="../../x"), "passwd")


def test_files_in_a_folder_of_the_servers_machine_come_through_the_server(mlflow_server, tmp_path):
    home = (tmp_path / "on the server").as_uri()
    experiment = client(mlflow_server).create_experiment("logged without the server", artifact_location=home)
    run_id = log_run(mlflow_server, experiment, "first", model=False)
    log_files(mlflow_server, run_id, tmp_path / "logged", ARTIFACT_FILES | {"odd &+é.txt": b"odd"})
    log_model(mlflow_server, experiment, run_id, tmp_path / "model", {"MLmodel": b"flavors: {}"})
    own, of_model = artifacts.read_locations(mlflow_server, run_id)
    assert (own.uri.startswith("file:"), of_model.uri.startswith("file:")) == (True, True)
    assert [one.path for one in artifacts.walk_tree(mlflow_server, own).entries][:3] == [
        "plots",
        "plots/deep",
        "plots/deep/a b.csv",
    ]
    assert [one.path for one in artifacts.list_folder(mlflow_server, of_model)] == ["MLmodel"]
    assert artifacts.fetch_file(mlflow_server, own, "odd &+é.txt").data == b"odd"
    assert artifacts.fetch_file(mlflow_server, own, "plots/deep/a b.csv").data == ARTIFACT_FILES["plots/deep/a b.csv"]
    assert artifacts.fetch_file(mlflow_server, of_model, "MLmodel").data == b"flavors: {}"
    with pytest.raises(ActionRefused, match="at most"):
        artifacts.fetch_file(mlflow_server, own, "notes.txt", 3)
    with pytest.raises(NotFound):
        artifacts.fetch_file(mlflow_server, own, "nowhere.txt")


def test_a_long_list_is_cut_and_says_so(fresh_store, run_place):
    place, home = run_place
    for number in range(30):
        (home / f"{number:02}.txt").write_text("x")
    tree = artifacts.walk_tree(fresh_store, place, max_entries=10)
    assert (len(tree.entries), tree.has_more) == (10, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(fresh_store, run_place):
    place, home = run_place
    (home / "mine").write_text("x")
    (home / "mine").chmod(0)
    with pytest.raises(NotWritable):
        artifacts.fetch_file(fresh_store, place, "mine")
