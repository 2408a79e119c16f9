"""Stores made sick on purpose, for the tests of the doctor: made by a real server, moved from another machine, or leaking secrets."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from lib.backends.backend import Backend, sqlite_backend
from tests.support.browser import serve_mlflow
from tests.support.ledger_stores import make_trained_run

KEY = "AKIAIOSFODNN7" + "EXAMPLE"
PASSWORD = "hunter2-and-more"
TOKEN = "ghp_" + "aB3dE6gH9" * 4


@dataclass(frozen=True)
class ServerMadeStore:
    """A database that a server made: experiment `wine-remote` with one run, a file of it, a logged model and a registered version."""

    folder: Path
    experiment: str
    run: str

    @property
    def database(self) -> Backend:
        """The bare database, as somebody opens it without the server."""
        return sqlite_backend(self.folder / "server.db")


def make_store_by_server(folder: Path) -> ServerMadeStore:
    """Run a server, log through it, end it: what is left is the guide's artifact-URI mismatch."""
    server = serve_mlflow(folder)
    try:
        mlflow_client = MlflowClient(server.url, server.url)
        experiment_id = mlflow_client.create_experiment("wine-remote")
        run_id = mlflow_client.create_run(experiment_id, run_name="forest-5").info.run_id
        mlflow_client.log_metric(run_id, "accuracy", 0.9444)
        mlflow_client.log_text(run_id, "a note", "note.txt")
        model = mlflow_client.create_logged_model(experiment_id=experiment_id, name="forest", source_run_id=run_id)
        (folder / "model").mkdir()
        (folder / "model" / "MLmodel").write_text("flavors: {}\n")
        mlflow_client.log_model_artifacts(model.model_id, str(folder / "model"))
        mlflow_client.finalize_logged_model(model.model_id, "READY")
        mlflow_client.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, 0)])
        mlflow_client.create_registered_model("wine-forest")
        mlflow_client.create_model_version("wine-forest", f"models:/{model.model_id}", run_id=run_id, model_id=model.model_id)
        mlflow_client.set_terminated(run_id)
    finally:
        server.stop()
    return ServerMadeStore(folder, experiment_id, run_id)


def copy_store_files(store: ServerMadeStore, folder: Path) -> ServerMadeStore:
    """A copy of its own, files and all."""
    shutil.copytree(store.folder, folder)
    return ServerMadeStore(folder, store.experiment, store.run)


def relocate(backend: Backend, old: str, new: str) -> None:
    """Say in the database that files belong elsewhere, as a database does that came from another machine."""
    with closing(sqlite3.connect(str(backend.path))) as db, db:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
        ):
            db.execute(f"update {table} set {column} = replace({column}, ?, ?)", (old, new))


def log_secrets(store):
    """Runs that hold a key, a password and a token, in a parameter, a tag, an address and a name."""
    mlflow_client = MlflowClient(store.uri, store.uri)
    first_id, second_id = (make_trained_run(store, f"run-{n}", experiment="Wine-Forest") for n in (1, 2))
    mlflow_client.log_param(first_id, "aws", KEY)
    mlflow_client.set_tag(first_id, "db", f"postgresql://ana:{PASSWORD}@db/wine")
    mlflow_client.log_param(second_id, "db_password", PASSWORD)
    mlflow_client.update_run(second_id, name=f"run with {TOKEN}")
    return first_id, second_id
