"""Demo 4: a remote backend.

Lesson: with a tracking URI on another machine, the entire team sees every run, and the same code logs parameters, plots and the
model over the network. Nothing is stored on this disk.

    export DAGSHUB_USER_TOKEN=...          your token from dagshub.com: profile picture, Settings, Tokens
    python 04_remote_dagshub.py --repo owner/repo

Without --repo it logs to the server set in MLFLOW_TRACKING_URI.
"""

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import version

import dagshub
import httpx
import matplotlib as mpl
import mlflow
import pandas as pd
from dagshub.auth.token_auth import HTTPBearerAuth
from dagshub.common.api import RepoAPI
from dagshub.common.api.repo import RepoNotFoundError
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
arguments.add_argument("--repo", help="existing DagsHub repository, as owner/repo")
arguments.add_argument("--experiment", default="YT-MLOPS-Dagshub-Exp-1", help="experiment name; created if it does not exist")
arguments.add_argument("--n-estimators", type=int, default=15, help="trees in the forest (default: 15)")
arguments.add_argument("--max-depth", type=int, default=10, help="maximum tree depth (default: 10)")
arguments.add_argument("--author", default="Podium demo", help="author of the run; saved as the Author tag")
given = arguments.parse_args()


def connect(repository: str) -> None:
    """Point MLflow to a DagsHub repository with `dagshub.init`, after checking the token and the repository.

    On its own, `init` creates a public repository for a misspelled name, and without a token it opens a browser and waits forever.
    """
    owner, _, name = repository.partition("/")
    token = os.environ.get("DAGSHUB_USER_TOKEN")
    if not token:
        sys.exit("Set DAGSHUB_USER_TOKEN to your token first (dagshub.com: profile picture, Settings, Tokens).")
    try:
        RepoAPI(f"{owner}/{name}", auth=HTTPBearerAuth(token)).get_repo_info()
    except RepoNotFoundError:
        sys.exit(
            f"There is no repository {repository} that your token can access. Check the spelling, or create it on dagshub.com."
        )
    except (RuntimeError, httpx.HTTPError) as error:
        sys.exit(f"DagsHub refused the request: {error} 401 means the token is invalid; for 429 or 5xx try again later.")
    dagshub.init(
        repo_owner=owner, repo_name=name, mlflow=True
    )  # by keyword: the first positional argument is the repository, not the owner


# Set the tracking URI first. `init` puts address, user and token into the environment, where MLflow reads them.
if given.repo:
    connect(given.repo)
tracking_uri = os.environ.get("MLFLOW_TRACKING_URI", "")
if not tracking_uri.startswith("http"):
    arguments.error("specify where to log: --repo owner/repo, or a server address in MLFLOW_TRACKING_URI")
mlflow.set_tracking_uri(tracking_uri)
mlflow.set_experiment(given.experiment)  # created if it does not exist; the server chooses its artifact location

wine = load_wine(as_frame=True)
train, test = train_test_split(wine.frame.astype({"target": float}), test_size=0.10, random_state=SEED)
X_train, y_train = train.drop(columns="target"), train["target"]
X_test, y_test = test.drop(columns="target"), test["target"]


def log_data(rows: pd.DataFrame, context: str) -> None:
    """Log the data as a dataset input with its size, digest and source."""
    source = CodeDatasetSource({"loader": "sklearn.datasets.load_wine", "scikit-learn": version("scikit-learn")})
    mlflow.log_input(mlflow.data.from_pandas(rows, source=source, targets="target", name=f"wine-{context}"), context=context)


def log_model(forest: RandomForestClassifier) -> None:
    """Log the model with signature and exact requirements, so that nothing is inferred (01_first_run.py explains each option).

    A remote server may be older than the local MLflow. If it does not support logged models, the model is logged to the run's
    artifacts, from which it can also be registered.
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


with mlflow.start_run(run_name=f"forest-{given.n_estimators}-trees"):
    forest = RandomForestClassifier(n_estimators=given.n_estimators, max_depth=given.max_depth, random_state=SEED)
    predicted = forest.fit(X_train, y_train).predict(X_test)
    accuracy = accuracy_score(y_test, predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(y_test, predicted, average="macro", zero_division=0)

    mlflow.set_tags({"Author": given.author, "Project": "Wine classification"})
    mlflow.set_tags({"purpose": "a remote backend", "model_type": "RandomForestClassifier"})
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
