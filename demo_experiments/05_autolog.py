"""Demo 5: autolog.

Lesson: with one line, `mlflow.sklearn.autolog()`, `fit` logs every parameter, training metrics, the data, plots and the model.
Everything it cannot know must be logged explicitly: author, purpose, the script, the exact environment, the score on unseen rows.

It takes about 10 s, longer than the other demos, because autolog does not accept the model's requirements: MLflow loads the model
again in a second process and observes its imports. (It also pickles the forest with cloudpickle, while `log_model` now uses skops.
On a server older than MLflow 3 it warns and omits the model.)

    python 05_autolog.py --n-estimators 15
"""

import argparse
import os
import platform
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import mlflow
from mlflow.data.code_dataset_source import CodeDatasetSource
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

mpl.use("Agg")  # write plots to files, without a display
SEED = 42
PACKAGES = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "cloudpickle", "numpy", "pandas", "matplotlib")]

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--experiment", default="YT-MLOPS-Autolog-Exp-1", help="experiment name; created if it does not exist")
arguments.add_argument("--n-estimators", type=int, default=15, help="trees in the forest (default: 15)")
arguments.add_argument("--max-depth", type=int, default=10, help="maximum tree depth (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="author of the run; saved as the Author tag")
given = arguments.parse_args()

# Set the tracking URI first.
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

mlflow.sklearn.autolog()

with mlflow.start_run(run_name=f"autolog-{given.n_estimators}-trees"):
    # `fit` logs parameters, training metrics, the training data, plots and the model.
    forest = RandomForestClassifier(n_estimators=given.n_estimators, max_depth=given.max_depth, random_state=SEED)
    forest.fit(X_train, y_train)

    # Everything below is not covered by autolog.
    mlflow.sklearn.autolog(disable=True)  # otherwise it would log the scores again under its own names
    predicted = forest.predict(X_test)
    accuracy = accuracy_score(y_test, predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(y_test, predicted, average="macro", zero_division=0)
    mlflow.log_metrics({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})
    mlflow.log_params({"test_size": 0.10, "test_rows": len(test)})
    mlflow.set_tags({"Author": given.author, "Project": "Wine classification"})
    mlflow.set_tags({"purpose": "what autolog captures", "model_type": "RandomForestClassifier"})

    source = CodeDatasetSource({"loader": "sklearn.datasets.load_wine", "scikit-learn": version("scikit-learn")})
    mlflow.log_input(mlflow.data.from_pandas(test, source=source, targets="target", name="wine-testing"), context="testing")
    matrix = ConfusionMatrixDisplay.from_predictions(y_test, predicted, display_labels=wine.target_names, cmap="Blues")
    mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
    mlflow.log_text("\n".join([f"# Python {platform.python_version()}", *PACKAGES, ""]), "requirements.txt")
    mlflow.log_artifact(__file__)
print(f"run 1/1 autolog-{given.n_estimators}-trees: accuracy {accuracy:.4f} on {len(test)} test rows", flush=True)
