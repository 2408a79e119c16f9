"""Stores made sick on purpose, for the tests of the doctor: made by a real server, moved from another machine, or leaking secrets."""

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.types import CONFIRMATION_INPUT, FINGERPRINT_INPUT, FixContext, FixOffer, FixResult, offer_fix
from lib.errors import PodiumError
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


def run_gc_here(command: list[str]) -> str:
    """Run MLflow's `gc` in this process, as quickly as a call. Takes and returns what `mlflow_gc._run_gc` does."""
    import mlflow
    from click.testing import CliRunner
    from mlflow.cli import gc

    tracking_uri = mlflow.tracking._tracking_service.utils._tracking_uri
    try:
        result = CliRunner().invoke(gc, command[2:], catch_exceptions=True)
    finally:
        mlflow.set_tracking_uri(tracking_uri or "")
    return "" if result.exit_code == 0 else str(result.exception or result.output)[:300]


def confirm(context: FixContext, offer: FixOffer) -> FixOffer:
    """The offer as the page passes it on after its preview was confirmed."""
    preview = fix_runner.preview_fix(context, offer)
    return offer.with_inputs({CONFIRMATION_INPUT: preview.confirmation_text, FINGERPRINT_INPUT: preview.fingerprint})


def apply_fix(context: FixContext, fix_id: str, **arguments: str) -> FixResult:
    """Preview, confirm and apply a fix without anything in between."""
    return fix_runner.apply_fix(context, confirm(context, offer_fix(fix_id, **arguments)), lambda _: None)


def apply_in_threads(context: FixContext, offers: list[FixOffer]) -> list[FixResult | PodiumError]:
    """Apply these fixes at the same moment, as several sessions of one Podium would. Returns each one's result or error."""
    barrier = threading.Barrier(len(offers))

    def apply(offer: FixOffer) -> FixResult | PodiumError:
        barrier.wait()
        try:
            return fix_runner.apply_fix(context, offer, lambda _: None)
        except PodiumError as error:
            return error

    with ThreadPoolExecutor(len(offers)) as pool:
        return list(pool.map(apply, offers))


def after_call(function: Callable[..., Any], action: Callable[[], object]) -> Callable[..., Any]:
    """The function, after whose first call something else happens: what another user does between two steps of a fix."""
    pending = [action]

    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if pending:
            pending.pop()()
        return result

    return call


def failing_after(function: Callable[..., Any], calls: int, error: Exception) -> Callable[..., Any]:
    """The function, which works for so many calls and then raises the error."""
    counter = itertools.count(1)

    def call(*arguments: Any, **options: Any) -> Any:
        if next(counter) > calls:
            raise error
        return function(*arguments, **options)

    return call


def make_run(store: Backend, name: str, *, experiment: str = "wine", file: str = "", model: bool = False, **tags: str) -> str:
    """A finished run without training, with a file of this text and a logged model if asked for."""
    mlflow_client = client(store)
    existing = mlflow_client.get_experiment_by_name(experiment)
    folder = str(store.artifact_folder / f"folder-of-{abs(hash(experiment))}")
    experiment_id = existing.experiment_id if existing else mlflow_client.create_experiment(experiment, folder)
    run_id = mlflow_client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
    if file:
        mlflow_client.log_text(run_id, file, "note.txt")
    if model:
        logged_model = mlflow_client.create_logged_model(experiment_id, name="model", source_run_id=run_id)
        Path(logged_model.artifact_location).mkdir(parents=True)
        Path(logged_model.artifact_location, "MLmodel").write_text("flavors: {}\n")
        mlflow_client.finalize_logged_model(logged_model.model_id, "READY")
        mlflow_client.log_outputs(run_id, models=[LoggedModelOutput(logged_model.model_id, 0)])
    mlflow_client.set_terminated(run_id)
    return run_id


def insert_stale_runs(store: Backend, count: int, experiment_id: str = "0") -> list[str]:
    """Rows of runs that have been running since 1970, written in one transaction."""
    run_ids = [f"{number:032x}" for number in range(1, count + 1)]
    with closing(sqlite3.connect(store.path)) as db, db:
        db.executemany(
            "insert into runs (run_uuid, name, experiment_id, status, start_time, lifecycle_stage, user_id, artifact_uri)"
            " values (?, ?, ?, 'RUNNING', 1, 'active', 'ana', '')",
            [(run_id, f"stale-{number}", experiment_id) for number, run_id in enumerate(run_ids)],
        )
    return run_ids


def count_rows_of(store: Backend, table: str, condition: str = "1 = 1") -> int:
    """The number of rows of a table, read from the file."""
    with closing(sqlite3.connect(store.path)) as db:
        return db.execute(f"select count(*) from {table} where {condition}").fetchone()[0]


def files_below(folder: Path) -> set[str]:
    """The relative paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@contextmanager
def write_lock(store: Backend) -> Iterator[None]:
    """Hold the write lock of a database, as another program does in the middle of a transaction."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("begin immediate")
        yield
        db.execute("rollback")


def make_file_store(folder: Path, runs: int = 2) -> Path:
    """An old file store written by hand as MLflow lays it out: experiment `old-wine` with runs, each with a param, a tag and a metric."""
    experiment = folder / "mlruns" / "7"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text(
        f"artifact_location: {experiment}\nexperiment_id: '7'\nlifecycle_stage: active\nname: old-wine\ncreation_time: 1\nlast_update_time: 1\n"
    )
    for number in range(1, runs + 1):
        run = experiment / f"{number:032x}"
        for name, file, text in (
            ("params", "n", "5"),
            ("tags", "mlflow.user", "ana"),
            ("metrics", "accuracy", "1 0.9 0\n2 0.8 1\n"),
        ):
            (run / name).mkdir(parents=True)
            (run / name / file).write_text(text)
        (run / "artifacts").mkdir()
        (run / "artifacts" / "note.txt").write_text("hello")
        (run / "meta.yaml").write_text(
            f"artifact_uri: {run / 'artifacts'}\nend_time: 2\nentry_point_name: ''\nexperiment_id: '7'\nlifecycle_stage: active\n"
            f"run_id: {run.name}\nrun_name: forest-{number}\nrun_uuid: {run.name}\nsource_name: ''\nsource_type: 4\n"
            "source_version: ''\nstart_time: 1\nstatus: 3\ntags: []\nuser_id: ana\n"
        )
    return folder / "mlruns"
