"""The demos as run by a student: plain scripts from a shell, against one SQLite store shared by all assertions."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow.entities import Run
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.launch.demo_jobs import DEMO_FOLDER

SPY = """
import runpy, sys
import mlflow.models, mlflow.sklearn
asked = mlflow.models.infer_pip_requirements
def spy(*args, **kwargs):
    print("MLflow infers requirements")
    return asked(*args, **kwargs)
mlflow.models.infer_pip_requirements = spy
"""
OLD_SERVER = """
import runpy, sys
import mlflow.models.model
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND
def unknown(**_):
    raise MlflowException("404", error_code=ENDPOINT_NOT_FOUND)
mlflow.models.model._create_logged_model = unknown
"""
RUN = """
import gc, json, os
import matplotlib.pyplot, mlflow.store.tracking.sqlalchemy_store, skops.io, sklearn.ensemble, sklearn.model_selection
gc.freeze()
for number, command in enumerate(json.loads(sys.argv[1])):
    if not (child := os.fork()):  # MLflow is loaded once for all of them
        os.dup2(os.open(f"output-{number}.txt", os.O_CREAT | os.O_WRONLY), 1)
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0, command
"""
WINE = {"accuracy": 17 / 18, "precision": 0.9333333333333332, "recall": 0.9523809523809524, "f1": 0.9373219373219372}
TREES = {1: 12 / 18, 5: 17 / 18, 15: 17 / 18}


def train(folder: Path, *commands: tuple[str, ...], prepare: str = SPY) -> list[str]:
    """Run demos as from a shell in a folder, without a tracking URI, one after the other, and return their output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    scripts = json.dumps([(str(DEMO_FOLDER / script), *arguments) for script, *arguments in commands])
    result = subprocess.run(
        [sys.executable, "-c", prepare + RUN, scripts],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [(folder / f"output-{number}.txt").read_text() for number in range(len(commands))]


@dataclass(frozen=True)
class Trained:
    """The results of all demos in one store, and their output."""

    backend: Backend
    said: Mapping[str, str]

    def runs(self, experiment: str) -> list[Run]:
        """The runs of an experiment, oldest first."""
        mlflow_client = client(self.backend)
        found_experiment = mlflow_client.get_experiment_by_name(experiment)
        assert found_experiment is not None
        return list(reversed(mlflow_client.search_runs([found_experiment.experiment_id])))

    def files(self, run: Run) -> set[str]:
        return {file.path for file in client(self.backend).list_artifacts(run.info.run_id)}

    def model(self, run: Run) -> Path:
        """The folder of the model logged by the run."""
        logged = client(self.backend).get_logged_model(run.outputs.model_outputs[0].model_id)
        return Path(logged.artifact_location.removeprefix("file://"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("demos")
    demos = {
        "first": ("01_first_run.py", "--n-estimators", "1", "5", "15"),
        "again": ("01_first_run.py", "--n-estimators", "1", "5", "15", "--experiment", "Again"),
        "id": ("02_experiment_by_id.py", "--author", "Ana"),
        "name": ("03_experiment_by_name.py",),
        "autolog": ("05_autolog.py",),
        "search": ("06_hyperparameter_search.py",),
    }
    output_by_demo = dict(zip(demos, train(folder, *demos.values()), strict=True))
    return Trained(sqlite_backend(folder / "mlflow.db"), output_by_demo)


def wine_runs(trained: Trained) -> list[Run]:
    names = ("Wine-Classification-RandomForest", "Default", "YT-MLOPS-Exp-2", "YT-MLOPS-Autolog-Exp-1")
    runs = [run for name in names for run in trained.runs(name)]
    assert len(runs) == 6, "three trees of the first run, and one run of each other demo"
    return runs


def test_one_five_and_fifteen_trees_score_exactly_this_on_the_eighteen_rows(trained: Trained) -> None:
    runs = trained.runs("Wine-Classification-RandomForest")
    assert [run.info.run_name for run in runs] == ["forest-1-tree", "forest-5-trees", "forest-15-trees"]
    assert {int(run.data.params["n_estimators"]): run.data.metrics["accuracy"] for run in runs} == pytest.approx(TREES, abs=1e-12)
    assert [line.split(": ")[1] for line in trained.said["first"].splitlines()] == [
        "accuracy 0.6667 on 18 test rows",
        "accuracy 0.9444 on 18 test rows",
        "accuracy 0.9444 on 18 test rows",
    ]


def test_a_second_run_gives_the_same_numbers_from_the_same_data(trained: Trained) -> None:
    once, again = trained.runs("Wine-Classification-RandomForest"), trained.runs("Again")
    assert [run.data.metrics for run in once] == [run.data.metrics for run in again]
    assert [run.data.params for run in once] == [run.data.params for run in again]
    digests = [{i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs} for run in (*once, *again)]
    assert all(digest == digests[0] for digest in digests)


@pytest.mark.parametrize("experiment", ["Default", "YT-MLOPS-Exp-2", "YT-MLOPS-Autolog-Exp-1"])
def test_the_other_wine_demos_train_the_same_forest_of_fifteen_trees(trained: Trained, experiment: str) -> None:
    (run,) = trained.runs(experiment)
    assert {name: run.data.metrics[name] for name in WINE} == pytest.approx(WINE, abs=1e-12)
    assert (run.data.params["n_estimators"], run.data.params["max_depth"], run.data.params["random_state"]) == ("15", "10", "42")


def test_every_wine_run_logs_what_a_judge_of_the_model_needs(trained: Trained) -> None:
    for run in wine_runs(trained):
        assert {"n_estimators", "max_depth", "criterion", "random_state", "test_size", "test_rows"} <= set(run.data.params)
        assert run.data.params["test_rows"] == "18"
        assert set(WINE) <= set(run.data.metrics)
        assert {"Author", "Project", "purpose", "model_type"} <= set(run.data.tags)
        assert {"confusion_matrix.png", "requirements.txt"} <= trained.files(run)
        assert any(re.fullmatch(r"0\d_\w+\.py", name) for name in trained.files(run))
        assert run.info.status == "FINISHED"
        assert run.outputs.model_outputs


def test_every_wine_run_names_its_data_with_size_digest_and_source(trained: Trained) -> None:
    for run in wine_runs(trained):
        data = {tag.value: i.dataset for i in run.inputs.dataset_inputs for tag in i.tags}
        testing, training = data["testing"], data.get("training") or data["train"]
        assert (json.loads(testing.profile)["num_rows"], testing.digest) == (18, "1e431312")
        assert "sklearn.datasets.load_wine" in testing.source
        assert training.digest
        assert training.source


def test_the_author_is_a_tag(trained: Trained) -> None:
    assert trained.runs("Default")[0].data.tags["Author"] == "Ana"


def test_the_logged_model_loads_and_scores_what_the_run_says(trained: Trained) -> None:
    run = trained.runs("Wine-Classification-RandomForest")[0]
    _, test = train_test_split(load_wine(as_frame=True).frame, test_size=0.10, random_state=42)
    forest = mlflow.sklearn.load_model(str(trained.model(run)))
    assert accuracy_score(test["target"], forest.predict(test.drop(columns="target"))) == pytest.approx(12 / 18)


def test_forests_are_kept_as_skops_and_autologs_by_cloudpickle(trained: Trained) -> None:
    formats = {}
    for run in (*wine_runs(trained), trained.runs("Breast-Cancer-Rf-HP-Tuning")[0]):
        flavor = yaml.safe_load((trained.model(run) / "MLmodel").read_text())["flavors"]["sklearn"]
        formats[run.info.run_name] = flavor["serialization_format"]
    assert formats.pop("autolog-15-trees") == "cloudpickle"
    assert set(formats.values()) == {"skops"}


def test_the_environment_is_written_down_in_exact_versions(trained: Trained) -> None:
    run = trained.runs("Wine-Classification-RandomForest")[0]
    lines = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/requirements.txt").splitlines()
    assert lines[0].startswith("# Python 3.")
    assert f"mlflow=={mlflow.__version__}" in lines
    assert all("==" in line for line in lines[1:])


def test_no_demo_lets_mlflow_infer_requirements_but_autolog_whose_lesson_it_is(trained: Trained) -> None:
    inferring = {name for name, output in trained.said.items() if "MLflow infers requirements" in output}
    assert inferring == {"autolog"}


def test_autolog_logs_training_metrics_by_itself(trained: Trained) -> None:
    (run,) = trained.runs("YT-MLOPS-Autolog-Exp-1")
    assert run.data.metrics["training_accuracy_score"] == 1.0
    assert "training_confusion_matrix.png" in trained.files(run)


def test_the_search_leaves_one_parent_and_one_child_for_each_trial(trained: Trained) -> None:
    parent, *children = trained.runs("Breast-Cancer-Rf-HP-Tuning")
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    tried = {(child.data.params["n_estimators"], child.data.params["max_depth"]) for child in children}
    assert len(children) == len(tried) == 12
    assert tried == {(trees, depth) for trees in ("10", "50", "100") for depth in ("None", "10", "20", "30")}
    best = max(child.data.metrics["mean_cv_accuracy"] for child in children)
    assert parent.data.metrics["best_cv_accuracy"] == best == pytest.approx(0.9582417582417582, abs=1e-12)
    assert all(child.data.tags["Author"] == "Podium demo" for child in children)


def test_the_parent_of_a_search_says_what_won_on_which_rows(trained: Trained) -> None:
    parent = trained.runs("Breast-Cancer-Rf-HP-Tuning")[0]
    assert parent.data.metrics["accuracy"] == pytest.approx(110 / 114, abs=1e-12)
    assert {"precision", "recall", "f1", "auc"} <= set(parent.data.metrics)
    assert (parent.data.params["n_estimators"], parent.data.params["test_rows"]) == ("100", "114")
    rows = {tag.value: json.loads(i.dataset.profile)["num_rows"] for i in parent.inputs.dataset_inputs for tag in i.tags}
    assert rows == {"training": 455, "testing": 114}
    pictures = {"confusion_matrix.png", "roc_curve.png"}
    assert trained.files(parent) == pictures | {"test_predictions.csv", "requirements.txt", "06_hyperparameter_search.py"}


def test_the_predictions_of_the_search_add_up_to_its_accuracy(trained: Trained) -> None:
    parent = trained.runs("Breast-Cancer-Rf-HP-Tuning")[0]
    lines = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/test_predictions.csv").splitlines()
    is_correct = [float(line.split(",")[1]) == float(line.split(",")[2]) for line in lines[1:]]
    assert sum(is_correct) / len(is_correct) == pytest.approx(parent.data.metrics["accuracy"])


def test_the_search_says_how_far_it_is_in_whole_lines_and_in_order(trained: Trained) -> None:
    fits = [line for line in trained.said["search"].splitlines() if line.startswith("fit ")]
    assert fits == [f"fit {number}/60" for number in range(1, 61)]


def test_files_of_a_new_experiment_lie_beside_the_database(trained: Trained) -> None:
    for name in ("Wine-Classification-RandomForest", "YT-MLOPS-Exp-2", "YT-MLOPS-Autolog-Exp-1", "Breast-Cancer-Rf-HP-Tuning"):
        found_experiment = client(trained.backend).get_experiment_by_name(name)
        assert found_experiment.artifact_location == trained.backend.artifact_folder.as_uri()


def test_an_experiment_id_that_does_not_exist_is_told_with_those_that_do(trained: Trained) -> None:
    result = subprocess.run(
        [sys.executable, DEMO_FOLDER / "02_experiment_by_id.py", "--experiment-id", "99"],
        cwd=trained.backend.path.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "experiment '99' does not exist; available:" in result.stderr
    assert "'0': 'Default'" in result.stderr


def test_on_a_server_without_logged_models_the_model_goes_into_the_run(trained: Trained, tmp_path: Path) -> None:
    (output,) = train(tmp_path, ("01_first_run.py", "--n-estimators", "1"), prepare=OLD_SERVER)
    assert "older than MLflow 3" in output
    store = Trained(sqlite_backend(tmp_path / "mlflow.db"), {})
    (run,) = store.runs("Wine-Classification-RandomForest")
    assert "model" in store.files(run)
    assert mlflow.sklearn.load_model(f"{run.info.artifact_uri}/model").n_estimators == 1
