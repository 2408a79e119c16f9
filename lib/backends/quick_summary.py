"""A backend in four lines: does it open, can it be written, where do files go, which MLflow is it.

Every line is looked up when it is asked for. Fixes belong to the doctor, not here.
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
    """One line: how it stands, what was checked, what was found. All three in plain words, never Markdown."""

    state: Literal["ok", "warning", "broken", "skipped"]
    label: str
    value: str


@dataclass(frozen=True)
class QuickSummary:
    """The checks of a backend and when it was made; `created` is None when it has no experiment."""

    rows: tuple[SummaryRow, ...]
    created: datetime | None


def read_quick_summary(backend: Backend) -> QuickSummary:
    """Look at a backend that answers. Raises BackendError when it stops doing so."""
    location, created = _oldest_experiment(backend)
    if backend.path is not None:
        return QuickSummary((_database(backend.path), _folder(backend), _registry(backend)), created)
    return QuickSummary((_files(location), _registry(backend)), created)


def _oldest_experiment(backend: Backend) -> tuple[str, datetime | None]:
    """Artifact location and time of creation of the oldest experiment: Default, in every store that still has it."""
    with translate_errors("The oldest experiment"):
        found = client(backend).search_experiments(max_results=1, order_by=["creation_time ASC"])
    if not found or found[0].creation_time is None:
        return "", None
    return found[0].artifact_location, datetime.fromtimestamp(found[0].creation_time / 1000, UTC)


def _database(path: Path) -> SummaryRow:
    megabytes = f"{path.name}, {path.stat().st_size / 1e6:,.1f}\N{NO-BREAK SPACE}MB"
    if can_write(path):
        return SummaryRow("ok", "Database opens and can be written", megabytes)
    return SummaryRow("warning", "Database opens, but cannot be written", megabytes)


def can_write(path: Path) -> bool:
    """Take SQLite's write lock for an instant and give it back; nothing is written."""
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return False
    try:
        take_write_lock(path, timeout_seconds=3)
    except sqlite3.OperationalError:
        return False
    return True


def _folder(backend: Backend) -> SummaryRow:
    folder = backend.artifact_folder
    if folder is None:
        return SummaryRow("skipped", "Files", "")
    if os.access(folder if folder.exists() else folder.parent, os.W_OK):
        return SummaryRow("ok", "Files go to a folder beside it", f"{folder.name}/")
    return SummaryRow("warning", "The folder for files cannot be written", f"{folder.name}/")


def _files(location: str) -> SummaryRow:
    scheme = urlsplit(location).scheme
    if scheme == "mlflow-artifacts":
        return SummaryRow("ok", "Files go through the server", "mlflow-artifacts")
    if not location:
        return SummaryRow("skipped", "Where files go", "no experiment yet")
    return SummaryRow("warning", "Files go past the server", f"{scheme or 'a folder'}: this machine must reach it too")


def _registry(backend: Backend) -> SummaryRow:
    can = read_capabilities(backend)
    told = f"MLflow {can.mlflow_version}" if can.mlflow_version else "version not told"
    missing = [word for word, one in (("stages", can.stages), ("aliases", can.aliases)) if one.is_available is False]
    if missing:
        return SummaryRow("warning", f"No {' and no '.join(missing)} here", told)
    return SummaryRow("ok", "Stages and aliases supported", told)
