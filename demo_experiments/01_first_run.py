"""Demo 1: a first run.

Lesson: set the tracking URI explicitly before anything else. Then log everything needed to assess a model in one run: parameters,
several metrics, the data, the environment, a plot, the script and the model itself.

    python 01_first_run.py --n-estimators 1 5 15        one run per number of trees
"""

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

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
arguments.add_argument(
    "--experiment", default="Wine-Classification-RandomForest", help="experiment name; created if it does not exist"
)
arguments.add_argument("--n-estimators", type=int, nargs="+", default=[5], help="trees in the forest; one run per value")
arguments.add_argument("--max-depth", type=int, default=10, help="maximum tree depth (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="author of the run; saved as the Author tag")
given = arguments.parse_args()

# Set the tracking URI once, before anything else, and use the same one for the entire team.
tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
mlflow.set_tracking_uri(tracking_uri)

if mlflow.get_experiment_by_name(given.experiment) is None:
    # Artifacts of a SQLite database go to mlruns/ next to it; a server uses its own location.
    path = Path(tracking_uri.removeprefix("sqlite:///")).absolute()
    files = path.with_name("mlruns").as_uri() if tracking_uri.startswith("sqlite:///") else None
    mlflow.create_experiment(given.experiment, artifact_location=files)
mlflow.set_experiment(given.experiment)

wine = load_wine(as_frame=True)
train, test = train_test_split(wine.frame.astype({"target": float}), test_size=0.10, random_state=SEED)
X_train, y_train = train.drop(columns="target"), train["target"]
X_test, y_test = test.drop(columns="target"), test["target"]


def log_data(rows: pd.DataFrame, context: str) -> None:
    """Log the data as a dataset input with its size, digest and source."""
    source = CodeDatasetSource({"loader": "sklearn.datasets.load_wine", "scikit-learn": version("scikit-learn")})
    mlflow.log_input(mlflow.data.from_pandas(rows, source=source, targets="target", name=f"wine-{context}"), context=context)


def log_model(forest: RandomForestClassifier) -> None:
    """Log the model with its signature and exact requirements.

    Current MLflow differs from older tutorials in three ways. `artifact_path=` is now `name=`. The format is skops, which does not
    run code from the file on loading but requires the tree type to be listed as trusted (cloudpickle does not). Without
    `pip_requirements`, MLflow would load the model in a second process to infer them: about 10 s instead of 0.03 s.
    """
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


for number, trees in enumerate(given.n_estimators, start=1):
    name = f"forest-{trees}-{'tree' if trees == 1 else 'trees'}"
    with mlflow.start_run(run_name=name):
        forest = RandomForestClassifier(n_estimators=trees, max_depth=given.max_depth, random_state=SEED).fit(X_train, y_train)
        predicted = forest.predict(X_test)
        accuracy = accuracy_score(y_test, predicted)
        precision, recall, f1, _ = precision_recall_fscore_support(y_test, predicted, average="macro", zero_division=0)

        mlflow.set_tags({"Author": given.author, "Project": "Wine classification"})
        mlflow.set_tags({"purpose": "a first run", "model_type": "RandomForestClassifier"})
        mlflow.log_params(forest.get_params() | {"test_size": 0.10, "test_rows": len(test)})
        mlflow.log_metrics({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})
        log_data(train, "training")
        log_data(test, "testing")

        matrix = ConfusionMatrixDisplay.from_predictions(y_test, predicted, display_labels=wine.target_names, cmap="Blues")
        mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
        mlflow.log_text("\n".join([f"# Python {platform.python_version()}", *PACKAGES, ""]), "requirements.txt")
        mlflow.log_artifact(__file__)
        log_model(forest)
    print(f"run {number}/{len(given.n_estimators)} {name}: accuracy {accuracy:.4f} on {len(test)} test rows", flush=True)
