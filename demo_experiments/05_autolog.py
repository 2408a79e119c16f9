"""Demo 5: autolog.

Lesson: one line, `mlflow.sklearn.autolog()`, and `fit` logs every parameter, training metrics, the data, plots and the model.
What it cannot know is still ours to log: who, what for, the script, the exact environment, the score on unseen rows.

It takes about 10 s, longer than its neighbours, and on purpose: autolog has no way to be told the requirements of the model, so
MLflow loads the model once more in a second process and watches what gets imported. (It also pickles the forest by cloudpickle,
where `log_model` today takes skops. On a server older than MLflow 3 it warns and leaves the model out.)

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

mpl.use("Agg")  # pictures go to files; no screen is needed
SEED = 42
PACKAGES = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "cloudpickle", "numpy", "pandas", "matplotlib")]

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--experiment", default="YT-MLOPS-Autolog-Exp-1", help="its name; made when it is missing")
arguments.add_argument("--n-estimators", type=int, default=15, help="trees in the forest (default: 15)")
arguments.add_argument("--max-depth", type=int, default=10, help="how deep a tree may grow (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="who trains; becomes the tag Author")
given = arguments.parse_args()

# Where runs go: said first.
tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
mlflow.set_tracking_uri(tracking_uri)

if mlflow.get_experiment_by_name(given.experiment) is None:
    # A SQLite database keeps the files of its runs in mlruns/ beside it; a server decides for itself.
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

    # Everything below is what autolog misses.
    mlflow.sklearn.autolog(disable=True)  # else it would log the scores once more, under names of its own
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
