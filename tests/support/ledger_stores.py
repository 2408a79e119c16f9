"""Real stores for the tests of ledger and registry: models with small real files, made by plain MLflow calls."""

import atexit
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy, rmtree
from tempfile import TemporaryDirectory, mkdtemp

from mlflow.entities import LoggedModelOutput

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.ledger.entry.vocabulary import Actor, make_reason
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import Writer
from lib.ledger.storage.book_index import find_book_id
from lib.ledger.storage.head_memory import create_head_memory
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import incarnation_of, read_book_state, read_snapshot

REASON = make_reason("better", "Measured better on the same rows, twice.")
DECISION = Decision(REASON)
_PROMOTED = {}
"""The databases of `make_promoted_model`, by what was promoted and the number of versions."""
MLMODEL = "flavors: {}\nmodel_size_bytes: 10\nsignature:\n  inputs: '[]'\nmodel_uuid: m\n"


def make_writer(backend, name="ana"):
    return Writer(backend, Actor(name=name), lambda: datetime.now(UTC))


def make_remembering_writer(backend, home, name="ana"):
    """The writer of a Podium whose folder is this one: it signs, and remembers what it saw."""
    environment = {"PODIUM_HOME": str(home)}
    signer, memory = create_signer(environment, lambda: datetime.now(UTC)), create_head_memory(environment)
    return replace(make_writer(backend, name), signer=signer, memory=memory)


def clear_book_cache():
    """Let the next reading of any book begin from the store, as in a new process."""
    with book_cache._LOCK:
        for cache in (book_cache._BODIES, book_cache._VOLUMES, book_cache._BOOKS):
            cache.clear()


def make_model_folder(backend, n=1):
    """A folder that looks like a logged model."""
    folder = Path(backend.artifact_folder) / f"plain-{n}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    return folder


def make_registered_model(backend, name="wine", versions=3, stages=None, aliases=None):
    """A registered model made by plain MLflow, with these many versions, stages and aliases."""
    registry = client(backend)
    registry.create_registered_model(name)
    for n in range(1, versions + 1):
        registry.create_model_version(name, str(make_model_folder(backend, n)))
    for version, stage in (stages or {}).items():
        registry.transition_model_version_stage(name, version, stage)
    for alias, version in (aliases or {}).items():
        registry.set_registered_model_alias(name, alias, version)
    return name


def make_promoted_model(backend, *promoted, versions=3):
    """The model wine in an empty SQLite store, with these of its versions promoted to Production in turn: v1, if none is named.

    The promotions are made once per process, in a database of their own, and copied; the files of the versions stay beside that one.
    """
    key = promoted or ("1",), versions
    if key not in _PROMOTED:
        folder = Path(mkdtemp(prefix="podium-tests-"))
        atexit.register(rmtree, folder, ignore_errors=True)
        template = sqlite_backend(Path(copy(backend.path, folder / "mlflow.db")))
        make_registered_model(template, versions=versions)
        for version in key[0]:
            move_version(make_writer(template), MoveRequest("wine", version, "Production"), DECISION)
        _PROMOTED[key] = template.path
    with closing(sqlite3.connect(_PROMOTED[key])) as source, closing(sqlite3.connect(backend.path)) as target:
        source.backup(target)
    clear_book_cache()  # the copies contain the same runs


def make_trained_run(backend, name="forest-5-trees", accuracy=0.9444, status="FINISHED", experiment="wine"):
    """A finished run with a model, made by plain MLflow calls."""
    mlflow = client(backend)
    experiment_found = mlflow.get_experiment_by_name(experiment)
    artifact_location = str(backend.artifact_folder / experiment) if backend.artifact_folder else None
    experiment = experiment_found.experiment_id if experiment_found else mlflow.create_experiment(experiment, artifact_location)
    run = mlflow.create_run(experiment, run_name=name)
    mlflow.log_metric(run.info.run_id, "accuracy", accuracy)
    mlflow.log_param(run.info.run_id, "n_estimators", name.split("-")[1])
    logged_model = mlflow.create_logged_model(experiment, name="model", source_run_id=run.info.run_id)
    with TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text(MLMODEL)
        (Path(folder) / "requirements.txt").write_text("scikit-learn==1.9.1\n")
        mlflow.log_model_artifacts(logged_model.model_id, folder)
    mlflow.finalize_logged_model(logged_model.model_id, "READY")
    mlflow.log_outputs(run.info.run_id, models=[LoggedModelOutput(logged_model.model_id, 0)])
    if status != "RUNNING":
        mlflow.set_terminated(run.info.run_id, status)
    return run.info.run_id


def promote_in_turn(backend, times, name="wine"):
    """A model whose versions 1, 2 and 3 were put into Production in turn, so many times."""
    make_registered_model(backend, name)
    results = [
        move_version(make_writer(backend), MoveRequest(name, str(n % 3 + 1), "Production"), DECISION) for n in range(times)
    ]
    assert {result.outcome for result in results} == {"applied"}
    return read_book_state(backend, name)


def book_id_of(backend, model="wine"):
    """The run id of a model's book, None when it has none."""
    return find_book_id(backend, incarnation_of(read_snapshot(backend, model)))


def ledger_findings(backend, model="wine"):
    """What does not fit in a model's book, the heads noted on its versions included."""
    return read_book_state(backend, model).findings(read_snapshot(backend, model).anchors(book_id_of(backend, model)))
