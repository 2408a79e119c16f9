"""What a backend can do: asked once, cached in this process, asked again on demand. Leaves nothing behind in a store.

Every request changes nothing whatever the answer: it is about a model that cannot exist, has an empty name, or only reads. What is
missing has the reason and what Podium does instead.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lib.backends import dagshub
from lib.backends.backend import Backend
from lib.backends.database_errors import find_database_fault
from lib.backends.length_limits import LengthLimits, length_limits
from lib.backends.mlflow_client import MLFLOW_VERSION_PATTERN, installed_mlflow_version
from lib.backends.permissions import find_ledger_resource, find_missing_permission, read_user_name
from lib.backends.registry_uri import REGISTRY_ADVICE, find_registry_conflict
from lib.backends.rest_request import API_PATH, RestResponse, send_request
from lib.backends.sqlite_store import take_write_lock
from lib.errors import PodiumError

_RECHECK_SECONDS = 60.0
"""What was missing is asked for again after this time: a permission may have been granted, a server updated."""
_IMPOSSIBLE_MODEL = "podium-probe-of-a-model-that-cannot-be"
_CLIENT_METHODS = {
    "stages": "transition_model_version_stage",
    "aliases": "set_registered_model_alias",
    "logged models": "get_logged_model",
}


@dataclass(frozen=True)
class Capability:
    """One thing a backend can or cannot do. `is_available` None: not known.

    `explanation` says in a sentence what is missing or not certain, `fallback` what Podium does then, `grant_code` what would grant it.
    """

    is_available: bool | None
    explanation: str = ""
    fallback: str = ""
    grant_code: str = ""

    @property
    def summary(self) -> str:
        """Explanation and fallback as one text; empty when nothing is missing."""
        return " ".join(part for part in (self.explanation, self.fallback) if part)


@dataclass(frozen=True)
class Capabilities:
    """What one backend can do. `write_access` is about anything at all, `ledger_access` about the record of decisions.

    `mlflow_version` is that of the MLflow behind it, `user_name` whom a server with users takes us for; either may be empty.
    """

    backend: Backend
    mlflow_version: str
    user_name: str
    registry: Capability
    stages: Capability
    aliases: Capability
    logged_models: Capability
    write_access: Capability
    ledger_access: Capability
    write_once: Capability
    limits: LengthLimits

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return all(
            capability.is_available is not False
            for capability in (self.registry, self.stages, self.aliases, self.logged_models, self.ledger_access)
        )


_AVAILABLE = Capability(is_available=True)
_CACHE: dict[Backend, tuple[float, Capabilities]] = {}


def read_capabilities(backend: Backend) -> Capabilities:
    """What a backend can do, asked at the first call. Raises Unreachable when a server does not answer."""
    read_at, cached_capabilities = _CACHE.get(backend, (0.0, None))
    if cached_capabilities is not None and (cached_capabilities.is_complete or time.monotonic() - read_at < _RECHECK_SECONDS):
        return cached_capabilities
    return refresh_capabilities(backend)


def refresh_capabilities(backend: Backend) -> Capabilities:
    """Ask again, whatever is cached. Raises Unreachable when a server does not answer."""
    capabilities = _read_server_capabilities(backend) if backend.kind == "server" else _read_store_capabilities(backend)
    if conflict := find_registry_conflict(os.environ, backend):
        capabilities = replace(capabilities, ledger_access=_refused_access(conflict, REGISTRY_ADVICE))
    _CACHE[backend] = (time.monotonic(), capabilities)
    return capabilities


def forget_capabilities(backend: Backend) -> None:
    """Forget the cached answer: the backend has just given another."""
    _CACHE.pop(backend, None)


def _read_store_capabilities(backend: Backend) -> Capabilities:
    """A database or a folder that MLflow opens itself: what the MLflow installed here can do."""
    version, is_folder = installed_mlflow_version(), backend.kind == "file"
    write_access = _file_write_access(backend.path) if backend.path else _AVAILABLE
    return Capabilities(
        backend=backend,
        mlflow_version=version,
        user_name="",
        registry=_AVAILABLE,
        stages=_limit_to_client("stages", _AVAILABLE),
        aliases=_limit_to_client("aliases", _AVAILABLE),
        logged_models=_limit_to_client("logged models", _AVAILABLE),
        write_access=write_access,
        ledger_access=write_access,
        write_once=_NO_ATOMIC_WRITES if is_folder else _AVAILABLE,
        limits=length_limits(version),
    )


_NO_ATOMIC_WRITES = Capability(
    is_available=False,
    explanation="A folder of files checks and writes in two steps, so two people who decide at once could both take one place.",
    fallback="Let one person at a time decide, or move to SQLite.",
)


def _file_write_access(path: Path) -> Capability:
    """Whether the file can be written. Takes SQLite's write lock for an instant; a file that others keep locked can be written later."""
    if not path.exists():
        return (
            _AVAILABLE
            if os.access(path.parent, os.W_OK)
            else _refused_access(f"The folder of {path.name} cannot be written.", "")
        )
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return _refused_access(f"{path.name} or its folder may only be read by this account.", _READING_ONLY)
    try:
        take_write_lock(path, timeout_seconds=0.2)
    except sqlite3.OperationalError as error:
        if find_database_fault(error) != "busy":
            return _refused_access(f"{path.name} cannot be written ({error}).", _READING_ONLY)
    return _AVAILABLE


def _refused_access(explanation: str, fallback: str) -> Capability:
    return Capability(is_available=False, explanation=explanation, fallback=fallback)


_ASK_ADMINISTRATOR = "Ask an administrator, or whoever manages it, for that right."
_READING_ONLY = "What was done outside is shown, and not recorded."


def _read_server_capabilities(backend: Backend) -> Capabilities:
    """Send all requests in parallel; each may take its five seconds."""
    questions: dict[str, Callable[[], RestResponse]] = {
        "version": lambda: send_request(backend, "GET", "/version"),
        "registry": lambda: send_request(backend, "GET", f"{API_PATH}/registered-models/search", params={"max_results": "1"}),
        "stages": lambda: send_request(backend, "POST", f"{API_PATH}/model-versions/transition-stage", json=_INVALID_TRANSITION),
        "aliases": lambda: send_request(
            backend, "GET", f"{API_PATH}/registered-models/alias", params={"name": _IMPOSSIBLE_MODEL, "alias": "none"}
        ),
        "logged models": lambda: send_request(backend, "GET", f"{API_PATH}/logged-models/m-{'0' * 32}"),
    }
    with ThreadPoolExecutor(len(questions) + 1) as threads:
        permissions = threads.submit(_read_server_permissions, backend)
        futures = {name: threads.submit(question) for name, question in questions.items()}
        responses = {name: future.result() for name, future in futures.items()}
        name, (write_access, ledger_access) = permissions.result()
    version = _parse_version(responses["version"])
    return Capabilities(
        backend=backend,
        mlflow_version=version,
        user_name=name,
        registry=_endpoint_capability(responses["registry"], _NO_REGISTRY),
        stages=_limit_to_client("stages", _endpoint_capability(responses["stages"], _NO_STAGES)),
        aliases=_limit_to_client("aliases", _endpoint_capability(responses["aliases"], _NO_ALIASES)),
        logged_models=_limit_to_client("logged models", _endpoint_capability(responses["logged models"], _NO_LOGGED_MODELS)),
        write_access=write_access,
        ledger_access=ledger_access,
        write_once=_AVAILABLE if version else _VERSION_UNKNOWN,
        limits=length_limits(version),
    )


_INVALID_TRANSITION = {"name": _IMPOSSIBLE_MODEL, "version": "1", "stage": "None", "archive_existing_versions": "false"}
_NO_REGISTRY = Capability(
    is_available=False,
    explanation="This server does not know the model registry.",
    fallback="Runs can be compared; models cannot be registered.",
)
_NO_STAGES = Capability(
    is_available=False,
    explanation="This server does not know stages.",
    fallback="Podium keeps them as alias and as tag podium.stage of the version.",
)
_NO_ALIASES = Capability(
    is_available=False, explanation="This server does not know aliases.", fallback="Podium moves the stages alone."
)
_NO_LOGGED_MODELS = Capability(
    is_available=False,
    explanation="This server does not know logged models, which came with MLflow 3.",
    fallback="Models are kept among the artifacts of their run, and registered from there.",
)
_VERSION_UNKNOWN = Capability(
    is_available=None,
    explanation="The server does not tell its version, so it is not certain that a parameter can never be changed.",
    fallback="Every entry carries a hash: a change would be named by verify.",
)


def _endpoint_capability(response: RestResponse, missing: Capability) -> Capability:
    return missing if response.is_unknown_endpoint else _AVAILABLE


def _limit_to_client(name: str, capability: Capability) -> Capability:
    """The capability, if the MLflow installed here still has the call."""
    from mlflow import MlflowClient

    if hasattr(MlflowClient, _CLIENT_METHODS[name]):
        return capability
    missing = {"stages": _NO_STAGES, "aliases": _NO_ALIASES, "logged models": _NO_LOGGED_MODELS}[name]
    return Capability(is_available=False, explanation=f"The MLflow installed here has no {name}.", fallback=missing.fallback)


def _parse_version(response: RestResponse) -> str:
    version = response.text.strip().strip('"')
    return version if response.status == 200 and MLFLOW_VERSION_PATTERN.fullmatch(version) else ""


def _read_server_permissions(backend: Backend) -> tuple[str, tuple[Capability, Capability]]:
    """Who we are to the server, whether we may write anything at all, and whether we may write the record.

    An experiment without a name can never be made, but only those who might make one are told so.
    """
    if dagshub.repository_of(backend):
        return _read_dagshub_permissions(backend)
    name, write_access = read_user_name(backend), _AVAILABLE
    if send_request(backend, "POST", f"{API_PATH}/experiments/create", json={"name": ""}).is_denied:
        explanation = f"{backend.name} lets {name or 'this sign-in'} read, not write."
        return name, (Capability(is_available=False, explanation=explanation, fallback=_READING_ONLY),) * 2
    if (
        name
        and (ledger := find_ledger_resource(backend)) is not None
        and (missing_permission := find_missing_permission(backend, name, ledger, "EDIT"))
    ):
        return name, (
            write_access,
            Capability(
                is_available=False,
                explanation=missing_permission.what,
                fallback=f"{_ASK_ADMINISTRATOR} {_READING_ONLY}",
                grant_code=missing_permission.grant_code,
            ),
        )
    return name, (write_access, write_access)


def _read_dagshub_permissions(backend: Backend) -> tuple[str, tuple[Capability, Capability]]:
    """The same on DagsHub, which tells whose a token is and whether that person may push to the repository.

    What it does not tell is asked of MLflow behind it.
    """
    try:
        access = dagshub.check_access(backend)
    except PodiumError:
        access = dagshub.RepositoryAccess(dagshub.repository_of(backend), "", None)
    is_read_only = access.can_push is False
    if access.can_push is None:
        is_read_only = send_request(backend, "POST", f"{API_PATH}/experiments/create", json={"name": ""}).is_denied
    if is_read_only:
        return access.user_name, (
            Capability(is_available=False, explanation=dagshub.read_only_text(access), fallback=f"{_ASK_OWNER} {_READING_ONLY}"),
        ) * 2
    return access.user_name, (_AVAILABLE, _AVAILABLE)


_ASK_OWNER = "Ask the owner of the repository for push rights."
