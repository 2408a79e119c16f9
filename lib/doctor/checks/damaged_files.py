"""Reports unreadable folders of an old file store by name, with the cause. The rest of the store remains visible."""

from typing import TYPE_CHECKING

from mlflow.entities import ViewType

from lib.backends.backend import Backend
from lib.backends.file_store import damaged_folders
from lib.backends.mlflow_client import client
from lib.backends.pagination import read_pages
from lib.doctor.types import Check, Clock, Finding, ProgressCallback
from lib.text import format_count

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE_SIZE = 1000


def check_damaged_files(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """Read all experiments, runs, models and versions of a file store, including deleted ones, and report what was skipped."""
    if backend.folder is None:
        return (Finding(DAMAGED_FILES_CHECK.id, "skipped", DAMAGED_FILES_CHECK.title, "applies to file stores only"),)
    _read_everything(client(backend))
    damaged = damaged_folders(backend.folder)
    if not damaged:
        return DAMAGED_FILES_CHECK.fine_findings("none")
    return (
        Finding(
            DAMAGED_FILES_CHECK.id,
            "problem",
            f"{format_count(len(damaged), 'folder')} of the store cannot be read",
            f"{len(damaged)} skipped",
            ("Folder", "What is wrong"),
            tuple((str(folder.path), folder.reason) for folder in damaged),
            "Their contents are missing from every page and command. Everything else is shown.",
            "Restore the listed meta.yaml files from a backup, or move the folders out of the store.",
        ),
    )


def _read_everything(mlflow_client: "MlflowClient") -> None:
    experiments = read_pages(
        lambda token: mlflow_client.search_experiments(view_type=ViewType.ALL, max_results=PAGE_SIZE, page_token=token)
    )
    ids = [experiment.experiment_id for experiment in experiments]
    mlflow_client.search_runs(ids, run_view_type=ViewType.ALL, max_results=1)  # reads every run, regardless of max_results
    mlflow_client.search_registered_models(max_results=1)
    mlflow_client.search_model_versions(max_results=1)


DAMAGED_FILES_CHECK = Check("damaged_files", "Damaged files", "Can every file of the store be read?", check_damaged_files)
CHECKS = (DAMAGED_FILES_CHECK,)
