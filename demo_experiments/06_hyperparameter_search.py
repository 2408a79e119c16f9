"""Demo 6: a hyper-parameter search.

Lesson: one parent run for the search, one child run per trial. The children record what was tried, the parent the best result:
best parameters, scores on rows unseen by the search, the data, predictions, a ROC curve and the best model.

    python 06_hyperparameter_search.py --n-estimators 10 50 100 --max-depth none 10 20 30
"""

import argparse
import os
import platform
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    accuracy_score,
    precision_recall_fscore_support,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, train_test_split

mpl.use("Agg")  # write plots to files, without a display
SEED = 42
PACKAGES = [f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "matplotlib")]


def depth(text: str) -> int | None:
    """Parse a depth: a number, or none for unlimited."""
    return None if text.lower() == "none" else int(text)


arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--experiment", default="Breast-Cancer-Rf-HP-Tuning", help="experiment name; created if it does not exist")
arguments.add_argument("--n-estimators", type=int, nargs="+", default=[10, 50, 100], help="numbers of trees to try")
arguments.add_argument(
    "--max-depth", type=depth, nargs="+", default=[None, 10, 20, 30], help="maximum depths to try; none for no limit"
)
arguments.add_argument("--folds", type=int, default=5, help="number of cross-validation folds (default: 5)")
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

cancer = load_breast_cancer(as_frame=True)
train, test = train_test_split(cancer.frame.astype({"target": float}), test_size=0.2, random_state=SEED)
X_train, y_train = train.drop(columns="target"), train["target"]
X_test, y_test = test.drop(columns="target"), test["target"]


class CountFits:
    """Callback for scikit-learn (1.9 and later), invoked around each fit in the worker process.

    Workers share no memory, so each finished fit creates an empty file in a folder, and the script counts the files.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def setup(self, estimator: object, context: object) -> None:
        """Do nothing: no setup is needed."""

    def on_fit_task_begin(self, estimator: object, context: object) -> None:
        """Do nothing when a fit begins."""

    def on_fit_task_end(self, estimator: object, context: object) -> None:
        """Count a finished trial on one fold; ignore the end of `search`, `fit` and the final refit."""
        if context.task_name == "candidate-split-evaluation":
            Path(self.folder, str(context.task_id)).touch()

    def teardown(self, estimator: object, context: object) -> None:
        """Do nothing: no cleanup is needed."""


def print_progress(folder: str, fits: int, ended: threading.Event) -> None:
    """Print one complete line per fit, in order, as the files appear."""
    printed, last_look = 0, False
    while not last_look:
        last_look = ended.wait(0.2)
        done = len(list(Path(folder).iterdir()))
        for number in range(printed + 1, done + 1):
            print(f"fit {number}/{fits}", flush=True)
        printed = done


def search_best(grid: dict[str, list[int | None]]) -> GridSearchCV:
    """Try every combination on every fold, on all cores, and print progress."""
    search = GridSearchCV(RandomForestClassifier(random_state=SEED), grid, cv=given.folds, scoring="accuracy", n_jobs=-1)
    fits, ended = len(given.n_estimators) * len(given.max_depth) * given.folds, threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        progress = threading.Thread(target=print_progress, args=(folder, fits, ended))
        progress.start()
        try:
            return search.set_callbacks(CountFits(folder)).fit(X_train, y_train)
        finally:
            ended.set()
            progress.join()


def log_data(rows: pd.DataFrame, context: str) -> None:
    """Log the data as a dataset input with its size, digest and source."""
    source = CodeDatasetSource({"loader": "sklearn.datasets.load_breast_cancer", "scikit-learn": version("scikit-learn")})
    name = f"breast-cancer-{context}"
    mlflow.log_input(mlflow.data.from_pandas(rows, source=source, targets="target", name=name), context=context)


def log_model(forest: RandomForestClassifier) -> None:
    """Log the best model with signature and exact requirements (01_first_run.py explains each option)."""
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


with mlflow.start_run(run_name="grid-search"):
    search = search_best({"n_estimators": given.n_estimators, "max_depth": given.max_depth})
    tags = {"Author": given.author, "Project": "Breast cancer classification", "model_type": "RandomForestClassifier"}

    trials = pd.DataFrame(search.cv_results_)[["params", "mean_test_score", "std_test_score"]]
    for number, tried, mean, spread in trials.itertuples():
        with mlflow.start_run(run_name=f"trial-{number + 1:02}", nested=True, tags=tags | {"purpose": "one trial of a search"}):
            mlflow.log_params(search.estimator.get_params() | tried)
            mlflow.log_metrics({"mean_cv_accuracy": mean, "std_cv_accuracy": spread})
        print(f"trial-{number + 1:02} {tried}: mean accuracy {mean:.4f}", flush=True)

    best = search.best_estimator_
    predicted, probability = best.predict(X_test), best.predict_proba(X_test)[:, 1]
    accuracy = accuracy_score(y_test, predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(y_test, predicted, average="macro", zero_division=0)

    mlflow.set_tags(tags | {"purpose": "hyper-parameter search"})
    mlflow.log_params(best.get_params() | {"test_size": 0.2, "test_rows": len(test), "folds": given.folds, "trials": len(trials)})
    mlflow.log_metrics({"best_cv_accuracy": search.best_score_, "auc": roc_auc_score(y_test, probability)})
    mlflow.log_metrics({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})
    log_data(train, "training")
    log_data(test, "testing")

    matrix = ConfusionMatrixDisplay.from_predictions(y_test, predicted, display_labels=cancer.target_names, cmap="Blues")
    mlflow.log_figure(matrix.figure_, "confusion_matrix.png")
    mlflow.log_figure(RocCurveDisplay.from_estimator(best, X_test, y_test, name="best forest").figure_, "roc_curve.png")
    predictions = pd.DataFrame({"row": test.index, "target": y_test, "predicted": predicted, "probability": probability})
    mlflow.log_text(predictions.to_csv(index=False), "test_predictions.csv")
    mlflow.log_text("\n".join([f"# Python {platform.python_version()}", *PACKAGES, ""]), "requirements.txt")
    mlflow.log_artifact(__file__)
    log_model(best)
print(f"grid-search {search.best_params_}: accuracy {accuracy:.4f} on {len(test)} test rows", flush=True)
