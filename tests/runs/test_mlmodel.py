"""Parsing MLmodel files: of current models and of MLflow 2's, and invalid ones."""

import json
from pathlib import Path

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.artifacts import mlmodel
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.artifacts.mlmodel import SignatureColumn, parse_model_file, read_model_file, read_model_locations
from lib.runs.reading.run_reader import read_run
from tests.support.ledger_stores import MLMODEL, make_trained_run
from tests.support.run_factories import MODEL_FILE, log_run, log_run_with_model, make_experiment


def test_flavours_signature_sizes_and_versions_are_reported():
    model_file = parse_model_file(MODEL_FILE)
    assert model_file.flavours["sklearn"] == {"serialization_format": "skops", "sklearn_version": "1.9.1"}
    assert model_file.inputs == (
        SignatureColumn("alcohol", "double"),
        SignatureColumn("tags", "array of string", is_required=False),
    )
    assert model_file.outputs == (SignatureColumn("column 1", "int64 (-1, 3)"),)
    assert model_file.params == (SignatureColumn("top", "long"),)
    assert (model_file.size_bytes, model_file.mlflow_version, model_file.python_version, model_file.has_signature) == (
        25600,
        "3.17.2",
        "3.11.9",
        True,
    )


def test_a_model_without_signature_says_so():
    model_file = parse_model_file("flavors: {sklearn: {}}\n")
    assert (model_file.has_signature, model_file.inputs, model_file.size_bytes) == (False, (), None)


DEEP = "a: " + "[" * 5000
BOMB = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.parametrize(
    "text", ["", "just text", "- 1", "a: b: c", DEEP, BOMB, "!!python/object/apply:os.system ['true']", "a: \x00"]
)
def test_what_is_no_mlmodel_file_is_reported(text):
    with pytest.raises(BadInput):
        parse_model_file(text)


@pytest.mark.parametrize("text", ["[" + "[]," * 300_000 + "]", "\n".join(f"k{n}: v" for n in range(120_000))])
def test_a_file_of_too_many_values_is_reported_at_once(text):
    with pytest.raises(BadInput):
        parse_model_file(text)


def test_a_long_number_of_base_sixty_is_only_text():
    assert parse_model_file("mlflow_version: " + "1:" * 300_000 + "1").mlflow_version == ("1:" * 300)[:200]


@pytest.mark.parametrize(
    "text",
    [
        "flavors: [1, 2]\nsignature: 3\nmodel_size_bytes: -5\n",
        "signature: {inputs: '[[[', outputs: '{}', params: '[1, null]'}\nmodel_size_bytes: true\n",
        f"signature: {{inputs: '{'[' * 20000}'}}\n",
        "flavors: {1: 2, x: [y]}\nmlflow_version: [1]\n",
    ],
)
def test_nonsense_inside_is_left_out(text):
    model_file = parse_model_file(text)
    assert (model_file.inputs, model_file.size_bytes) == ((), None)


def test_references_that_repeat_themselves_do_not_grow():
    levels = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert parse_model_file("a0: &a0 [x]\n" + levels + "flavors: {sklearn: *a59}\n").flavours == {"sklearn": {}}


def test_a_file_and_a_server_give_the_same(fresh_store, mlflow_server):
    model_files = []
    for store in (fresh_store, mlflow_server):
        location = read_model_locations(
            store, read_run(store, log_run_with_model(store, extra_files=[("requirements.txt", "numpy==2\n\n scikit-learn\n")]))
        )[0]
        assert (location.name, location.status, location.model_id[:2]) == ("model", "READY", "m-")
        model_files.append(read_model_file(store, location))
    assert model_files[0] == model_files[1]
    assert model_files[0].requirements == ("numpy==2", "scikit-learn")
    assert model_files[0].inputs[0].name == "alcohol"


def test_a_model_without_files_is_reported(fresh_store):
    run_id = log_run(fresh_store, make_experiment(fresh_store, "bare"), "bare")
    with pytest.raises(NotFound):
        read_model_file(fresh_store, read_model_locations(fresh_store, read_run(fresh_store, run_id))[0])


def test_a_model_among_the_artifacts_is_found(fresh_store, mlflow_server):
    for store in (fresh_store, mlflow_server):
        run_id = log_run(store, make_experiment(store, f"mlflow 2 {store.kind}"), "old", model=False)
        for name, content in (("MLmodel", MLMODEL), ("requirements.txt", "numpy\n")):
            client(store).log_text(run_id, content, f"old model/{name}")
        client(store).log_text(run_id, "{}", "plain/x.json")
        locations = read_model_locations(store, read_run(store, run_id))
        assert [(location.name, location.model_id) for location in locations] == [("old model", "")]
        assert read_model_file(store, locations[0]).requirements == ("numpy",)


def test_a_run_without_artifacts_has_no_model(fresh_store):
    run_id = log_run(fresh_store, make_experiment(fresh_store, "none"), "none", model=False)
    assert read_model_locations(fresh_store, read_run(fresh_store, run_id)) == ()


def test_a_too_large_file_is_refused_unread(fresh_store, monkeypatch):
    monkeypatch.setattr(mlmodel, "MAX_FILE_BYTES", 100)
    with pytest.raises(ActionRefused, match="MB"):
        read_model_file(fresh_store, read_model_locations(fresh_store, read_run(fresh_store, log_run_with_model(fresh_store)))[0])


@pytest.mark.parametrize("uri", ["s3://bucket/m", "https://evil.invalid/m", "mlflow-artifacts:/0/m", "mlflow-artifacts://evil/m"])
def test_files_elsewhere_are_not_asked_for(fresh_store, uri):
    with pytest.raises(ActionRefused, match="which Podium does not read"):
        read_model_file(fresh_store, ArtifactLocation(uri, model_id="m-1", name="model"))


def test_a_model_that_was_really_trained_by_a_demo_shape_is_read(fresh_store):
    model_file = read_model_file(
        fresh_store, read_model_locations(fresh_store, read_run(fresh_store, make_trained_run(fresh_store)))[0]
    )
    assert (model_file.size_bytes, model_file.has_signature, json.dumps(model_file.requirements)) == (
        10,
        True,
        '["scikit-learn==1.9.1"]',
    )


def test_a_model_whose_file_is_a_link_that_leads_out_is_not_read(fresh_store, tmp_path):
    (tmp_path / "secret").write_text(MODEL_FILE)
    run_id = log_run(fresh_store, make_experiment(fresh_store, "linked"), "linked", model=False)
    client(fresh_store).log_text(run_id, "x", "model/other.txt")
    folder = Path(read_run(fresh_store, run_id).artifact_uri.removeprefix("file://")) / "model"
    (folder / "MLmodel").symlink_to(tmp_path / "secret")
    with pytest.raises(ActionRefused, match="leads out"):
        read_model_file(fresh_store, read_model_locations(fresh_store, read_run(fresh_store, run_id))[0])


def test_a_folder_that_only_a_server_knows_is_never_read_from_this_machine(mlflow_server, tmp_path):
    (tmp_path / "MLmodel").write_text(MODEL_FILE)
    with pytest.raises(NotFound):
        read_model_file(mlflow_server, ArtifactLocation(str(tmp_path), model_id="m-" + "0" * 32, name="model"))
