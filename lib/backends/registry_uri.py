"""MLFLOW_REGISTRY_URI: a registry apart from the runs. Podium reads and writes one store, so it decides nothing while the two differ.

It concerns the backend that the environment names; who chooses another one by name or address has said which registry is meant.
"""

from collections.abc import Mapping
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend, backend_from_environment, parse_backend
from lib.errors import ActionRefused, BadInput

REGISTRY_URI_VARIABLE = "MLFLOW_REGISTRY_URI"
REGISTRY_ADVICE = f"Unset {REGISTRY_URI_VARIABLE}, or set MLFLOW_TRACKING_URI to the same store."


def find_registry_conflict(environment: Mapping[str, str], backend: Backend) -> str:
    """Why the models of a backend are not those that this environment means; empty when they are."""
    value = environment.get(REGISTRY_URI_VARIABLE, "").strip()
    if not value:
        return ""
    try:
        if not backend_from_environment(environment, PROJECT_FOLDER).is_same_store(backend):
            return ""
        registry = parse_backend(value, Path.cwd())
    except BadInput:
        return f"{REGISTRY_URI_VARIABLE} names a registry that Podium cannot open, so its models are not shown and nothing is decided."
    if registry.is_same_store(backend):
        return ""
    return f"{REGISTRY_URI_VARIABLE} names another registry, {registry.label}: the models there are not shown, and nothing is decided here."


def require_one_registry(environment: Mapping[str, str], backend: Backend) -> None:
    """Raise ActionRefused while the environment names another registry than this backend's own."""
    if conflict := find_registry_conflict(environment, backend):
        raise ActionRefused(conflict, next=REGISTRY_ADVICE)
