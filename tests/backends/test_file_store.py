"""An old file store with damaged files: each is reported with its problem, and everything else is shown."""

import shutil

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from lib.backends import file_store
from lib.backends.backend import Backend
from lib.backends.file_store import damaged_folders
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.cli import podium
from lib.doctor.check_runner import run_checks
from lib.doctor.checks import damaged_files
from lib.errors import DamagedEntry
from lib.ui.app.session import now
from tests.support.variants import thin_rows


@pytest.fixture(scope="module")
def sound_store(tmp_path_factory):
    """A file store with two runs and two models, created by MLflow itself."""
    folder = tmp_path_factory.mktemp("file-store") / "mlruns"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.chdir(folder.parent)  # MLflow opens its default store, too, and makes it in the current folder
        mlflow_client = MlflowClient(folder.as_uri(), folder.as_uri())
        experiment_id = mlflow_client.create_experiment("old")
        for name in ("first", "second"):
            run = mlflow_client.create_run(experiment_id, run_name=name)
            mlflow_client.log_metric(run.info.run_id, "accuracy", 0.9)
            mlflow_client.create_registered_model(f"{name}-model")
            mlflow_client.create_model_version(f"{name}-model", "file:///nowhere")
    return folder


@pytest.fixture
def store(sound_store, tmp_path, monkeypatch):
    monkeypatch.setattr(file_store, "_STORES", {})  # otherwise every later command of this process would report this damage
    shutil.copytree(sound_store, tmp_path / "mlruns")
    return Backend((tmp_path / "mlruns").as_uri(), "file")


def damage(store, kind, content):
    """Damage one file of a store; returns the folder that is then unreadable."""
    (metric,) = sorted(store.folder.glob("*/*/metrics/accuracy"))[:1]
    run_folder = metric.parents[1]
    file = {
        "run": run_folder / "meta.yaml",
        "metric": metric,
        "experiment": run_folder.parent / "meta.yaml",
        "model": store.folder / "models" / "first-model" / "meta.yaml",
        "version": store.folder / "models" / "first-model" / "version-1" / "meta.yaml",
    }[kind]
    file.write_bytes(content) if content is not None else file.unlink()
    return run_folder if kind == "metric" else file.parent


def run_podium(store, *words):
    return CliRunner().invoke(podium, [*words, "--backend", store.uri])


@pytest.mark.parametrize(
    ("kind", "content", "reason", "command", "rest"),
    [
        ("run", b"", "meta.yaml is empty", ("runs", "old"), "accuracy 0.9000"),
        ("run", b"a: [", "not valid YAML", ("runs", "old"), "accuracy 0.9000"),
        ("run", b"\xff\xfe", "not text", ("runs", "old"), "accuracy 0.9000"),
        ("run", b"name: x", "lacks", ("runs", "old"), "accuracy 0.9000"),
        ("run", None, "meta.yaml is missing", ("runs", "old"), "accuracy 0.9000"),
        ("metric", b"malformed", "'accuracy' is malformed", ("runs", "old"), "accuracy 0.9000"),
        ("model", b"", "meta.yaml is empty", ("models",), "second-model: 1 versions"),
        ("version", b"- a\n- b", "does not contain names and values", ("models",), "second-model: 1 versions"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(store, kind, content, reason, command, rest):
    folder = damage(store, kind, content)
    result = run_podium(store, *command)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(rest) == 1
    assert f"podium: skipped {folder}: " in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("kind", "content"), thin_rows([("run", b""), ("experiment", b""), ("model", b"a: ["), ("metric", b"1")], 4)
)
def test_the_doctor_names_it_and_lives(store, kind, content):
    folder = damage(store, kind, content)
    report = run_checks(store, now)
    rows = {row[0] for finding in report.findings if finding.check_id == "damaged_files" for row in finding.evidence}
    assert str(folder) in rows
    assert not [finding.title for finding in report.findings if "could not be checked" in finding.title]


def test_a_sound_store_has_no_damage_and_a_mended_file_is_shown_again(store):
    metadata = damage(store, "run", b"") / "meta.yaml"
    (finding,) = damaged_files.check_damaged_files(store, now, print)
    assert finding.level == "problem"
    other = next(path for path in metadata.parent.parent.glob("*/meta.yaml") if path.stat().st_size)
    metadata.write_text(other.read_text().replace(other.parent.name, metadata.parent.name))
    (finding,) = damaged_files.check_damaged_files(store, now, print)
    assert finding.level == "fine"
    assert damaged_folders(store.folder) == ()


def test_reading_makes_no_database_in_the_current_folder(store, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "second-model: 1 versions" in run_podium(store, "models").stdout
    assert [*(tmp_path / "here").iterdir()] == []


def test_a_damaged_run_asked_for_by_its_id_says_which_file(store):
    folder = damage(store, "run", b"")
    with pytest.raises(DamagedEntry, match=rf"{folder.name} cannot be read: meta.yaml is empty"), translate_errors("The run"):
        client(store).get_run(folder.name)


def test_a_page_names_what_it_left_out_and_shows_the_rest(app, store):
    folder = damage(store, "run", b"")
    page = app("compare", store)
    assert any(folder.name in box.value for box in page.warning)
