"""Registering the model of a run, and its lineage recorded by value."""

import hashlib
import subprocess

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.registry.code_snippets import register_snippet
from lib.registry.lineage import has_model_files, hash_folder, read_lineage
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.register import default_description, default_model_description, find_candidates, parse_model_name, register
from lib.registry.snapshot import VersionSnapshot
from lib.registry.version_sources import named_run_ids, source_model_ids
from tests.support.ledger_stores import DECISION, make_registered_model, make_trained_run, make_writer


def lineage_of(backend, model="wine", version="1"):
    bodies = [
        e.body for e in read_book_state(backend, model).book.entries if e.body.type == "REGISTERED" and e.body.version == version
    ]
    return bodies[-1].lineage


def test_a_model_is_registered_as_new_and_then_as_the_next_version(fresh_store):
    first = register(make_writer(fresh_store), make_trained_run(fresh_store), "wine", "The first forest.")
    second = register(make_writer(fresh_store), make_trained_run(fresh_store, "forest-15-trees"), "wine")
    assert (first.version, second.version) == ("1", "2")
    snapshot = read_snapshot(fresh_store, "wine")
    assert snapshot.versions["1"].description == "The first forest."
    assert snapshot.versions["2"].description == "From run forest-15-trees: accuracy 0.9444."
    assert [e.body.type for e in read_book_state(fresh_store, "wine").book.entries] == ["OPENED", "REGISTERED", "REGISTERED"]


def test_the_lineage_is_kept_by_value_and_outlives_the_run(fresh_store):
    mlflow = client(fresh_store)
    run_id = make_trained_run(fresh_store)
    mlflow.set_tag(run_id, "mlflow.source.git.commit", "c5a0e12")
    data = Dataset(name="wine", digest="8b3e", source_type="local", source="{}")
    mlflow.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    register(make_writer(fresh_store), run_id, "wine")
    mlflow.delete_run(run_id)
    lineage = lineage_of(fresh_store)
    assert (lineage.run_name, lineage.git_commit, lineage.data) == ("forest-5-trees", "c5a0e12", {"wine (training)": "8b3e"})
    assert lineage.metrics == {"accuracy": 0.9444}
    assert lineage.environment == hashlib.sha256(b"scikit-learn==1.9.1\n").hexdigest()
    assert len(lineage.parameters) == len(lineage.signature) == len(lineage.artifact) == 64
    assert lineage.missing == ""


def test_the_artifact_hash_is_that_of_the_list_sha256sum_prints(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt"):
        (tmp_path / name).write_text(name)
    listing = subprocess.run(
        "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert hash_folder(tmp_path) == hashlib.sha256(listing.stdout).hexdigest()
    (tmp_path / "a.txt").write_text("changed")
    assert hash_folder(tmp_path) != hashlib.sha256(listing.stdout).hexdigest()


def test_a_version_whose_files_are_gone_is_not_whole_and_its_lineage_says_so(fresh_store):
    make_registered_model(fresh_store, versions=1)
    assert has_model_files(fresh_store, "wine", "1")
    client(fresh_store).create_model_version("wine", "/nowhere/model")
    assert not has_model_files(fresh_store, "wine", "2")


def test_a_link_out_of_a_models_folder_is_not_hashed_into_its_lineage(fresh_store, tmp_path):
    """Otherwise the record could contain a hash of any file readable by Podium's login."""
    make_registered_model(fresh_store, versions=2)
    (tmp_path / "secret").write_text("s3cret")
    folder = fresh_store.artifact_folder / "plain-1"
    (folder / "key").symlink_to(tmp_path / "secret")
    assert not has_model_files(fresh_store, "wine", "1")
    snapshot = read_snapshot(fresh_store, "wine")
    assert "a link leads out" in read_lineage(fresh_store, "wine", snapshot.versions["1"]).missing
    assert read_lineage(fresh_store, "wine", snapshot.versions["2"]).artifact


def test_storage_that_needs_credentials_of_its_own_is_not_read_and_counts_as_whole(fresh_store):
    client(fresh_store).create_registered_model("wine")
    client(fresh_store).create_model_version("wine", "s3://bucket/model")
    assert has_model_files(fresh_store, "wine", "1")


def test_the_calls_that_are_shown_register_a_new_model_and_a_version_of_one_that_exists(fresh_store):
    (candidate,) = find_candidates(fresh_store, make_trained_run(fresh_store))
    origin = {"run_id": candidate.run.run_id, "model_id": candidate.model_id}
    for is_new_model in (True, False):
        exec(register_snippet(fresh_store.uri, "wine", candidate.source, origin, is_new_model=is_new_model), {})
    versions = read_snapshot(fresh_store, "wine").versions
    assert [versions[number].run_id for number in ("1", "2")] == [candidate.run.run_id] * 2


def test_a_run_is_refused_with_the_reason_when_it_cannot_be_registered(fresh_store):
    with pytest.raises(NotFound):
        find_candidates(fresh_store, "f" * 32)
    with pytest.raises(ActionRefused, match="still running"):
        find_candidates(fresh_store, make_trained_run(fresh_store, "a-1", status="RUNNING"))
    deleted = make_trained_run(fresh_store, "a-2")
    client(fresh_store).delete_run(deleted)
    with pytest.raises(ActionRefused, match="was deleted"):
        register(make_writer(fresh_store), deleted, "wine")
    assert read_snapshot(fresh_store, "wine").created_at is None


def test_a_model_among_the_artifacts_of_a_run_is_found_where_there_are_no_logged_models(fresh_store, tmp_path):
    mlflow = client(fresh_store)
    experiment = mlflow.create_experiment("old", str(fresh_store.artifact_folder / "old"))
    run = mlflow.create_run(experiment, run_name="old-run")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "MLmodel").write_text("flavors: {}\n")
    mlflow.log_artifacts(run.info.run_id, str(tmp_path / "made"), "model")
    mlflow.set_terminated(run.info.run_id)
    (candidate,) = find_candidates(fresh_store, run.info.run_id)
    assert candidate.source.endswith("/artifacts/model")
    version = register(make_writer(fresh_store), run.info.run_id, "old")
    assert has_model_files(fresh_store, "old", version.version)


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "name is empty"), ("a/b", "cannot contain /"), ("<img src=x>", "cannot contain"), ("x" * 201, "limit is 200")],
)
def test_a_name_the_registry_or_an_address_cannot_take_is_refused_before_anything_is_made(fresh_store, name, message):
    with pytest.raises(BadInput, match=message):
        register(make_writer(fresh_store), make_trained_run(fresh_store), name)
    assert client(fresh_store).search_registered_models() == []


def test_a_name_is_cleaned_of_what_nobody_can_see():
    assert parse_model_name(" wine\u200b-forest ") == "wine -forest"


def test_descriptions_begin_with_what_is_known(fresh_store):
    run_id = make_trained_run(fresh_store)
    client(fresh_store).set_tag(run_id, "Project", "Wine classification")
    (candidate,) = find_candidates(fresh_store, run_id)
    assert default_description(candidate) == "From run forest-5-trees: accuracy 0.9444."
    assert default_model_description(candidate) == "Wine classification"


def register_as_the_page_of_mlflow_does(store, run_id, source=None):
    """A version without a run: only its source leads to the logged model."""
    mlflow = client(store)
    (model_id,) = [output.model_id for output in mlflow.get_run(run_id).outputs.model_outputs]
    mlflow.create_registered_model("wine")
    mlflow.create_model_version("wine", source or mlflow.get_logged_model(model_id).artifact_location)


def test_the_lineage_of_a_version_without_a_run_is_found_by_its_logged_model(fresh_store):
    run_id = make_trained_run(fresh_store)
    register_as_the_page_of_mlflow_does(fresh_store, run_id)
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    lineage = lineage_of(fresh_store)
    assert (lineage.run_id, lineage.metrics, lineage.missing) == (run_id, {"accuracy": 0.9444}, "")


def test_a_lineage_without_any_run_says_so(fresh_store):
    register_as_the_page_of_mlflow_does(fresh_store, make_trained_run(fresh_store), "/nowhere/model")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    assert lineage_of(fresh_store).missing.endswith("; the version does not name a run")


@pytest.mark.parametrize(
    ("source", "run_ids"),
    [
        ("models:/m-1", {"of m-1"}),
        ("mlflow-artifacts:/2/models/m-1/artifacts", {"of m-1"}),
        ("/data/mlruns/2/models/m-1/artifacts", {"of m-1"}),
        (f"runs:/{'a' * 32}/model", {"a" * 32}),
        (f"/data/mlruns/2/{'a' * 32}/artifacts/model", {"a" * 32}),
        ("/data/elsewhere", set()),
    ],
)
def test_every_form_of_source_leads_to_its_run(source, run_ids):
    version = VersionSnapshot("1", "None", "", "", source=source)
    assert named_run_ids(version) | {f"of {model_id}" for model_id in source_model_ids(version)} == run_ids


def test_the_name_of_a_prompt_is_refused_and_nothing_of_it_is_changed(fresh_store):
    client(fresh_store).register_prompt("answer", "Answer {{question}} briefly.")
    with pytest.raises(BadInput, match="prompt in this registry is already called answer"):
        register(make_writer(fresh_store), make_trained_run(fresh_store), "answer")
    assert client(fresh_store).load_prompt("answer", version=1).template == "Answer {{question}} briefly."
