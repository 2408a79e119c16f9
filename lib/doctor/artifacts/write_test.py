"""Verifies that files can be stored at a location: writes a small file there, lists it, reads it back and deletes it.

No run is created, and MLflow's cache of artifact repositories is bypassed because it could return one of another backend.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ulid import ULID

from lib.backends.backend import Backend
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.types import Rows
from lib.errors import BackendError

TEST_TEXT = "Written by Podium's Doctor to test whether files can be stored here.\n"


def verify_writable(backend: Backend, location: str) -> Rows:
    """Write, list, read and delete a file at a location, as a run would. Returns the evidence.

    Raises BackendError if any step fails; the file may then be left behind, and the error names it.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    name = f"podium-probe-{ULID()}.txt".lower()
    with (
        tempfile.TemporaryDirectory(prefix="podium-probe-") as folder,
        _translate_storage_errors(location, name),
        translate_errors("The test file"),
    ):
        test_file = Path(folder, name)
        test_file.write_text(TEST_TEXT, encoding="utf-8")
        repository = get_artifact_repository(location, tracking_uri=backend.uri, registry_uri=backend.uri)
        repository.log_artifact(str(test_file))
        try:
            listed_paths = [item.path for item in repository.list_artifacts()]
            content = Path(repository.download_artifacts(name, tempfile.mkdtemp(dir=folder))).read_text(encoding="utf-8")
        finally:
            repository.delete_artifacts(name)
        remaining_paths = [item.path for item in repository.list_artifacts()]
    if name not in listed_paths or content != TEST_TEXT or name in remaining_paths:
        raise BackendError(f"The test file {name} at {location} was not read back intact or could not be deleted.")
    return (("Files belong at", location), ("Test file", "written, listed, read back, deleted"))


@contextmanager
def _translate_storage_errors(location: str, name: str) -> Iterator[None]:
    """Translate file system and network errors into one error that names the location."""
    try:
        yield
    except (OSError, ImportError) as error:
        raise BackendError(
            f"A test file could not be stored at {location}: {error}"[:400],
            means=f"Files cannot be stored there reliably. If {name} was left behind, it can be deleted.",
            next="Choose another location.",
        ) from error
