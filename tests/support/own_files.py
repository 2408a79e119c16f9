"""What belongs to the person who runs the tests: their environment, and their stores and settings in the project's folder."""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER

_FOREIGN_PREFIXES = ("MLFLOW_", "PODIUM_", "DAGSHUB_", "STREAMLIT_")
_TEST_OPTIONS = frozenset({"PODIUM_NO_BROWSER", "PODIUM_BROWSER"})
_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect"})
PERSONAL_NAMES = ("mlflow.db", "mlruns", "mlartifacts", ".podium", "backends.toml")
_PERSONAL_PATHS = tuple(str(PROJECT_FOLDER / name) for name in PERSONAL_NAMES)


def clear_environment(environment: MutableMapping[str, str]) -> None:
    """Take out whatever would make the tests use the backend, the folder or the settings of the person who runs them."""
    for name in list(environment):
        if name.startswith(_FOREIGN_PREFIXES) and name not in _TEST_OPTIONS:
            del environment[name]


def guard_personal_files() -> None:
    """From now on fail whatever opens, lists or changes such a file in this process, at once: Python reports every one of these calls."""
    sys.addaudithook(_refuse_personal_file)


def is_personal(path: object) -> bool:
    """Whether an absolute path, or the address of a database, leads to one of these files.

    A relative one never does: tests run in a folder of their own, and where such a name counts from an open folder nobody can tell.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    absolute_path = os.path.normpath(os.fsdecode(path).removeprefix("file://").partition("?")[0])
    return absolute_path.startswith(_PERSONAL_PATHS) and _is_one_of_them(absolute_path)


def _is_one_of_them(path: str) -> bool:
    """mlflow.db-wal and .podium/x are, mlruns-notes.md is not."""
    rest = Path(path).relative_to(PROJECT_FOLDER).parts[0]
    return rest in PERSONAL_NAMES or rest.startswith("mlflow.db")


def _refuse_personal_file(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS and arguments and is_personal(arguments[0]):
        raise AssertionError(f"A test touches {arguments[0]!r} ({event}), which belongs to the person who runs it.")
