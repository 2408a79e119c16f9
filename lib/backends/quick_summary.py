"""A backend in four lines: whether it opens, whether it is writable, where artifacts go, and its MLflow version.

Every line is read on each call. Fixes belong to the Doctor.
"""

import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.sqlite_store import take_write_lock


@dataclass(frozen=True)
class SummaryRow:
    """One line: its state, the check and the finding. Plain text, never Markdown."""

    state: Literal["ok", "warning", "broken", "skipped"]
    label: str
    value: str


@dataclass(frozen=True)
class QuickSummary:
    """The rows of a backend and its creation time; None if it has no experiment."""

    rows: tuple[SummaryRow, ...]
    created: datetime | None


def read_quick_summary(backend: Backend) -> QuickSummary:
    """Summarise a backend that answers. Raises BackendError if it stops answering."""
    location, created = _oldest_experiment(backend)
    if backend.path is not None:
        return QuickSummary((_database_row(backend.path), _artifact_folder_row(backend), _registry_row(backend)), created)
    return QuickSummary((_artifact_location_row(location), _registry_row(backend)), created)


def _oldest_experiment(backend: Backend) -> tuple[str, datetime | None]:
    """Return artifact location and creation time of the oldest experiment: Default, unless it was deleted."""
    with translate_errors("The oldest experiment"):
        experiments = client(backend).search_experiments(max_results=1, order_by=["creation_time ASC"])
    if not experiments or experiments[0].creation_time is None:
        return "", None
    return experiments[0].artifact_location, datetime.fromtimestamp(experiments[0].creation_time / 1000, UTC)


def _database_row(path: Path) -> SummaryRow:
    value = f"{path.name}, {path.stat().st_size / 1e6:,.1f}\N{NO-BREAK SPACE}MB"
    if can_write(path):
        return SummaryRow("ok", "Database opens and is writable", value)
    return SummaryRow("warning", "Database opens but is not writable", value)


def can_write(path: Path) -> bool:
    """Whether the database is writable. Takes SQLite's write lock for an instant; nothing is written."""
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return False
    try:
        take_write_lock(path, timeout_seconds=3)
    except sqlite3.OperationalError:
        return False
    return True


def _artifact_folder_row(backend: Backend) -> SummaryRow:
    folder = backend.artifact_folder
    if folder is None:
        return SummaryRow("skipped", "Artifacts", "")
    if os.access(folder if folder.exists() else folder.parent, os.W_OK):
        return SummaryRow("ok", "Artifacts go to a folder next to it", f"{folder.name}/")
    return SummaryRow("warning", "The artifact folder is not writable", f"{folder.name}/")


def _artifact_location_row(location: str) -> SummaryRow:
    scheme = urlsplit(location).scheme
    if scheme == "mlflow-artifacts":
        return SummaryRow("ok", "Artifacts go through the server", "mlflow-artifacts")
    if not location:
        return SummaryRow("skipped", "Artifact location", "no experiment yet")
    return SummaryRow("warning", "Artifacts bypass the server", f"{scheme or 'a folder'}: this machine must be able to reach it")


def _registry_row(backend: Backend) -> SummaryRow:
    capabilities = read_capabilities(backend)
    version = f"MLflow {capabilities.mlflow_version}" if capabilities.mlflow_version else "version unknown"
    missing_names = [
        name
        for name, capability in (("stages", capabilities.stages), ("aliases", capabilities.aliases))
        if capability.is_available is False
    ]
    if missing_names:
        return SummaryRow("warning", f"No {' and no '.join(missing_names)} here", version)
    return SummaryRow("ok", "Stages and aliases supported", version)
