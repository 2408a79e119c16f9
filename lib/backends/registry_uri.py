"""MLFLOW_REGISTRY_URI: a registry separate from the runs. Podium uses one store, so it blocks decisions while the two differ.

This applies only to the backend set in the environment. Choosing another backend by name or address also chooses its registry.
"""

from collections.abc import Mapping
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend, backend_from_environment, parse_backend
from lib.errors import ActionRefused, BadInput

REGISTRY_URI_VARIABLE = "MLFLOW_REGISTRY_URI"
REGISTRY_ADVICE = f"Unset {REGISTRY_URI_VARIABLE}, or set MLFLOW_TRACKING_URI to the same store."


def find_registry_conflict(environment: Mapping[str, str], backend: Backend) -> str:
    """Return why a backend's models are not those of this environment; empty if they are."""
    value = environment.get(REGISTRY_URI_VARIABLE, "").strip()
    if not value:
        return ""
    try:
        if not backend_from_environment(environment, PROJECT_FOLDER).is_same_store(backend):
            return ""
        registry = parse_backend(value, Path.cwd())
    except BadInput:
        return f"{REGISTRY_URI_VARIABLE} names a registry that Podium cannot open, so its models are not shown and decisions are blocked."
    if registry.is_same_store(backend):
        return ""
    return f"{REGISTRY_URI_VARIABLE} names another registry, {registry.label}. Its models are not shown, and decisions are blocked here."


def require_one_registry(environment: Mapping[str, str], backend: Backend) -> None:
    """Raise ActionRefused if the environment names a registry other than this backend's own."""
    if conflict := find_registry_conflict(environment, backend):
        raise ActionRefused(conflict, next=REGISTRY_ADVICE)
