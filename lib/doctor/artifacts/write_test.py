"""Proves that files can be kept at a location: writes one small file there, lists it, reads it back and removes it.

No run is made for it, and MLflow's own cache of artifact roots is bypassed: it could answer for another backend.
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

TEST_TEXT = "Written by Podium's doctor to see whether files can be kept here.\n"


def verify_writable(backend: Backend, location: str) -> Rows:
    """Write, list, read and remove a file at a location, as a run would. Returns the evidence.

    Raises BackendError when one of it does not work; then the file may be left behind, and the error names it.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    name = f"podium-probe-{ULID()}.txt".lower()
    with (
        tempfile.TemporaryDirectory(prefix="podium-probe-") as folder,
        _translate_storage_errors(location, name),
        translate_errors("The trial file"),
    ):
        test_file = Path(folder, name)
        test_file.write_text(TEST_TEXT, encoding="utf-8")
        repository = get_artifact_repository(location, tracking_uri=backend.uri, registry_uri=backend.uri)
        repository.log_artifact(str(test_file))
        listed_paths = [item.path for item in repository.list_artifacts()]
        content = Path(repository.download_artifacts(name, tempfile.mkdtemp(dir=folder))).read_text(encoding="utf-8")
        repository.delete_artifacts(name)
        remaining_paths = [item.path for item in repository.list_artifacts()]
    if name not in listed_paths or content != TEST_TEXT or name in remaining_paths:
        raise BackendError(f"The trial file {name} at {location} did not come back as it was written, or could not be removed.")
    return (("Files belong at", location), ("Trial file", "written, listed, read back, removed"))


@contextmanager
def _translate_storage_errors(location: str, name: str) -> Iterator[None]:
    """Turn what the file system and the network raise into one error that names the location."""
    try:
        yield
    except (OSError, ImportError) as error:
        raise BackendError(
            f"A trial file could not be kept at {location}: {error}"[:400],
            means=f"Files are not safe there. If {name} lies there, it can be removed.",
            next="Choose another place.",
        ) from error
