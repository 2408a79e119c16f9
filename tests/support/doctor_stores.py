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
from tests.support.ledger_stores import trained

KEY = "AKIAIOSFODNN7" + "EXAMPLE"
PASSWORD = "hunter2-and-more"
TOKEN = "ghp_" + "aB3dE6gH9" * 4


@dataclass(frozen=True)
class ServerMade:
    """A database that a server made: experiment `wine-remote` with one run, a file of it, a logged model and a registered version."""

    folder: Path
    experiment: str
    run: str

    @property
    def database(self) -> Backend:
        """The bare database, as somebody opens it without the server."""
        return sqlite_backend(self.folder / "server.db")


def make_by_server(folder: Path) -> ServerMade:
    """Run a server, log through it, end it: what is left is the guide's artifact-URI mismatch."""
    served = serve_mlflow(folder)
    try:
        client = MlflowClient(served.url, served.url)
        experiment = client.create_experiment("wine-remote")
        run = client.create_run(experiment, run_name="forest-5").info.run_id
        client.log_metric(run, "accuracy", 0.9444)
        client.log_text(run, "a note", "note.txt")
        model = client.create_logged_model(experiment_id=experiment, name="forest", source_run_id=run)
        (folder / "model").mkdir()
        (folder / "model" / "MLmodel").write_text("flavors: {}\n")
        client.log_model_artifacts(model.model_id, str(folder / "model"))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run, models=[LoggedModelOutput(model.model_id, 0)])
        client.create_registered_model("wine-forest")
        client.create_model_version("wine-forest", f"models:/{model.model_id}", run_id=run, model_id=model.model_id)
        client.set_terminated(run)
    finally:
        served.stop()
    return ServerMade(folder, experiment, run)


def copied(made: ServerMade, folder: Path) -> ServerMade:
    """A copy of its own, files and all."""
    shutil.copytree(made.folder, folder)
    return ServerMade(folder, made.experiment, made.run)


def relocate(backend: Backend, old: str, new: str) -> None:
    """Say in the database that files belong elsewhere, as a database does that came from another machine."""
    with closing(sqlite3.connect(str(backend.path))) as db, db:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
        ):
            db.execute(f"update {table} set {column} = replace({column}, ?, ?)", (old, new))


def leaky(store):
    """Runs that hold a key, a password and a token, in a parameter, a tag, an address and a name."""
    client = MlflowClient(store.uri, store.uri)
    first, second = (trained(store, f"run-{n}", experiment="Wine-Forest") for n in (1, 2))
    client.log_param(first, "aws", KEY)
    client.set_tag(first, "db", f"postgresql://ana:{PASSWORD}@db/wine")
    client.log_param(second, "db_password", PASSWORD)
    client.update_run(second, name=f"run with {TOKEN}")
    return first, second
