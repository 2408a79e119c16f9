"""Demo 3: selecting an experiment by name, creating it if necessary.

Lesson: people read and type names, so a name should describe what is tried (one experiment per kind of model). The first run
creates the experiment; later runs find it. The artifact location is fixed when the experiment is created and never changes.

    python 03_experiment_by_name.py --experiment YT-MLOPS-Exp-2
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
arguments.add_argument("--experiment", default="YT-MLOPS-Exp-2", help="experiment name; created if it does not exist")
arguments.add_argument("--n-estimators", type=int, default=15, help="trees in the forest (default: 15)")
arguments.add_argument("--max-depth", type=int, default=10, help="maximum tree depth (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="author of the run; saved as the Author tag")
given = arguments.parse_args()

# Set the tracking URI first.
tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
mlflow.set_tracking_uri(tracking_uri)

experiment = mlflow.get_experiment_by_name(given.experiment)
if experiment is None:
    # Artifacts of a SQLite database go to mlruns/ next to it; a server uses its own location.
    path = Path(tracking_uri.removeprefix("sqlite:///")).absolute()
    files = path.with_name("mlruns").as_uri() if tracking_uri.startswith("sqlite:///") else None
    experiment_id = mlflow.create_experiment(given.experiment, artifact_location=files)
    print(f"experiment {given.experiment!r} was created with id {experiment_id}")
else:
    experiment_id = experiment.experiment_id
    print(f"experiment {given.experiment!r} already exists with id {experiment_id}")
mlflow.set_experiment(experiment_id=experiment_id)

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
    mlflow.set_tags({"purpose": "an experiment by name", "model_type": "RandomForestClassifier"})
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
