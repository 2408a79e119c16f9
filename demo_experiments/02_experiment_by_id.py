"""Demo 2: selecting an experiment by id.

Lesson: a name can change, an id never does. A pipeline that must always log to the same experiment should store the id.
Experiment 0 is called "Default" and exists in every backend; real work deserves its own experiment.

    python 02_experiment_by_id.py --experiment-id 0
"""

import argparse
import os
import platform
import tempfile
from importlib.metadata import version

import matplotlib as mpl
import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

mpl.use("Agg")  # write plots to files, without a display
SEED = 42
PACKAGES = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "matplotlib")]

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--experiment-id", default="0", help="id of an existing experiment (default: 0)")
arguments.add_argument("--n-estimators", type=int, default=15, help="trees in the forest (default: 15)")
arguments.add_argument("--max-depth", type=int, default=10, help="maximum tree depth (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="author of the run; saved as the Author tag")
given = arguments.parse_args()

# Set the tracking URI first.
tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
mlflow.set_tracking_uri(tracking_uri)

known = {experiment.experiment_id: experiment.name for experiment in mlflow.search_experiments()}
if given.experiment_id not in known:
    arguments.error(f"experiment {given.experiment_id!r} does not exist; available: {known}")
mlflow.set_experiment(experiment_id=given.experiment_id)
print(f"experiment {given.experiment_id} is currently called {known[given.experiment_id]!r}")

wine = load_wine(as_frame=True)
train, test = train_test_split(wine.frame.astype({"target": float}), test_size=0.10, random_state=SEED)
X_train, y_train = train.drop(columns="target"), train["target"]
X_test, y_test = test.drop(columns="target"), test["target"]


def log_data(rows: pd.DataFrame, context: str) -> None:
    """Log the data as a dataset input with its size, digest and source."""
    source = CodeDatasetSource({"loader": "sklearn.datasets.load_wine", "scikit-learn": version("scikit-learn")})
    mlflow.log_input(mlflow.data.from_pandas(rows, source=source, targets="target", name=f"wine-{context}"), context=context)


def log_model(forest: RandomForestClassifier) -> None:
    """Log the model with signature and exact requirements, so that nothing is inferred (01_first_run.py explains each option)."""
    options = {
        "signature": infer_signature(X_train, forest.predict(X_train)),
        "pip_requirements": PACKAGES,
        "skops_trusted_types": ["sklearn.tree._tree.Tree"],
    }
    try:
        mlflow.sklearn.log_model(forest, name="model", **options)
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND" and "unsupported endpoint" not in str(error):
            raise
        print("This server is older than MLflow 3, so the model is logged to the run's artifacts.")
        with tempfile.TemporaryDirectory() as folder:
            mlflow.sklearn.save_model(forest, f"{folder}/model", **options)
            mlflow.log_artifacts(f"{folder}/model", "model")


with mlflow.start_run(run_name=f"forest-{given.n_estimators}-trees"):
    forest = RandomForestClassifier(n_estimators=given.n_estimators, max_depth=given.max_depth, random_state=SEED)
    predicted = forest.fit(X_train, y_train).predict(X_test)
    accuracy = accuracy_score(y_test, predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(y_test, predicted, average="macro", zero_division=0)

    mlflow.set_tags({"Author": given.author, "Project": "Wine classification"})
    mlflow.set_tags({"purpose": "an experiment by id", "model_type": "RandomForestClassifier"})
    mlflow.log_params(forest.get_params() | {"test_size": 0.10, "test_rows": len(test)})
    mlflow.log_metrics({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})
    log_data(train, "training")
    log_data(test, "testing")

    matrix = ConfusionMatrixDisplay.from_predictions(y_test, predicted, display_labels=wine.target_names, cmap="Blues")
    mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
    mlflow.log_text("\n".join([f"# Python {platform.python_version()}", *PACKAGES, ""]), "requirements.txt")
    mlflow.log_artifact(__file__)
    log_model(forest)
print(f"run 1/1 forest-{given.n_estimators}-trees: accuracy {accuracy:.4f} on {len(test)} test rows", flush=True)
