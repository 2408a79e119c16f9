"""What a backend can do: probed once, cached in this process, refreshed on demand. Leaves no trace in a store.

No request changes anything, whatever the answer: it names a model that cannot exist, has an empty name, or only reads. Each missing
capability carries the reason and Podium's fallback.
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
from lib.backends.database_privileges import may_write
from lib.backends.length_limits import LengthLimits, length_limits
from lib.backends.mlflow_client import MLFLOW_VERSION_PATTERN, installed_mlflow_version
from lib.backends.permissions import find_ledger_resource, find_missing_permission, read_user_name
from lib.backends.registry_uri import REGISTRY_ADVICE, find_registry_conflict
from lib.backends.rest_request import API_PATH, RestResponse, send_request
from lib.backends.sqlite_store import take_write_lock
from lib.errors import PodiumError

_RECHECK_SECONDS = 60.0
"""Missing capabilities are probed again after this time: a permission may have been granted or a server updated."""
_IMPOSSIBLE_MODEL = "podium-probe-of-a-model-that-cannot-be"
_CLIENT_METHODS = {
    "stages": "transition_model_version_stage",
    "aliases": "set_registered_model_alias",
    "logged models": "get_logged_model",
}


@dataclass(frozen=True)
class Capability:
    """One thing a backend can or cannot do. `is_available` is None if unknown.

    `explanation` says in a sentence what is missing or uncertain, `fallback` what Podium does instead, `grant_code` how to grant it.
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
    """What one backend can do. `write_access` covers writing in general, `ledger_access` the record of decisions.

    `mlflow_version` is the backend's MLflow version, `user_name` our user on a server with users; either may be empty.
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
    """Return what a backend can do, probed at the first call. Raises Unreachable if a server does not answer."""
    read_at, cached_capabilities = _CACHE.get(backend, (0.0, None))
    if cached_capabilities is not None and (cached_capabilities.is_complete or time.monotonic() - read_at < _RECHECK_SECONDS):
        return cached_capabilities
    return refresh_capabilities(backend)


def refresh_capabilities(backend: Backend) -> Capabilities:
    """Probe again, ignoring the cache. Raises Unreachable if a server does not answer."""
    capabilities = _read_server_capabilities(backend) if backend.kind == "server" else _read_store_capabilities(backend)
    if conflict := find_registry_conflict(os.environ, backend):
        capabilities = replace(capabilities, ledger_access=_refused_access(conflict, REGISTRY_ADVICE))
    _CACHE[backend] = (time.monotonic(), capabilities)
    return capabilities


def forget_capabilities(backend: Backend) -> None:
    """Drop the cached answer because the backend has just contradicted it."""
    _CACHE.pop(backend, None)


def _read_store_capabilities(backend: Backend) -> Capabilities:
    """Return the capabilities of a database or folder that MLflow opens itself: those of the installed MLflow."""
    version, is_folder = installed_mlflow_version(), backend.kind == "file"
    write_access = _file_write_access(backend.path) if backend.path else _database_write_access(backend)
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
    explanation="A file store checks and writes in two steps, so two simultaneous decisions could take the same place.",
    fallback="Let one person decide at a time, or move to SQLite.",
)


def _file_write_access(path: Path) -> Capability:
    """Whether the file can be written. Takes SQLite's write lock for an instant; a locked file counts as writable later."""
    if not path.exists():
        return (
            _AVAILABLE
            if os.access(path.parent, os.W_OK)
            else _refused_access(f"The folder of {path.name} cannot be written.", "")
        )
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return _refused_access(f"{path.name} or its folder is read-only for this account.", _READING_ONLY)
    try:
        take_write_lock(path, timeout_seconds=0.2)
    except sqlite3.OperationalError as error:
        if find_database_fault(error) != "busy":
            return _refused_access(f"{path.name} cannot be written ({error}).", _READING_ONLY)
    return _AVAILABLE


def _database_write_access(backend: Backend) -> Capability:
    """Whether the login of a database may write, as far as the database says so."""
    if may_write(backend) is False:
        return _refused_access(f"This login may only read {backend.name}.", _READING_ONLY)
    return _AVAILABLE


def _refused_access(explanation: str, fallback: str) -> Capability:
    return Capability(is_available=False, explanation=explanation, fallback=fallback)


_ASK_ADMINISTRATOR = "Ask an administrator or its manager for this permission."
_READING_ONLY = "Changes made outside Podium are shown but not recorded."


def _read_server_capabilities(backend: Backend) -> Capabilities:
    """Send all requests in parallel, each with a limit of five seconds."""
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
    explanation="This server has no model registry.",
    fallback="Runs can be compared; models cannot be registered.",
)
_NO_STAGES = Capability(
    is_available=False,
    explanation="This server does not support stages.",
    fallback="Podium stores them as an alias and as the version's tag podium.stage.",
)
_NO_ALIASES = Capability(
    is_available=False, explanation="This server does not support aliases.", fallback="Podium moves stages only."
)
_NO_LOGGED_MODELS = Capability(
    is_available=False,
    explanation="This server does not support logged models, which need MLflow 3.",
    fallback="Models are stored as artifacts of their run and registered from there.",
)
_VERSION_UNKNOWN = Capability(
    is_available=None,
    explanation="Server version unknown, so it is uncertain whether parameters are write-once.",
    fallback="Every entry carries a hash, so verify would report a change.",
)


def _endpoint_capability(response: RestResponse, missing: Capability) -> Capability:
    return missing if response.is_unknown_endpoint else _AVAILABLE


def _limit_to_client(name: str, capability: Capability) -> Capability:
    """Return the capability, or a missing one if the installed MLflow lacks the call."""
    from mlflow import MlflowClient

    if hasattr(MlflowClient, _CLIENT_METHODS[name]):
        return capability
    missing = {"stages": _NO_STAGES, "aliases": _NO_ALIASES, "logged models": _NO_LOGGED_MODELS}[name]
    return Capability(is_available=False, explanation=f"The MLflow installed here has no {name}.", fallback=missing.fallback)


def _parse_version(response: RestResponse) -> str:
    version = response.text.strip().strip('"')
    return version if response.status == 200 and MLFLOW_VERSION_PATTERN.fullmatch(version) else ""


def _read_server_permissions(backend: Backend) -> tuple[str, tuple[Capability, Capability]]:
    """Return our user on the server, whether we may write in general, and whether we may write the record.

    An experiment without a name can never be created, but only users who may create one get that answer.
    """
    if dagshub.repository_of(backend):
        return _read_dagshub_permissions(backend)
    name, write_access = read_user_name(backend), _AVAILABLE
    if send_request(backend, "POST", f"{API_PATH}/experiments/create", json={"name": ""}).is_denied:
        explanation = f"{backend.name} lets {name or 'this sign-in'} read but not write."
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
    """Like `_read_server_permissions` for DagsHub, which reports the owner of a token and their push permission.

    If DagsHub does not report the permission, MLflow behind it is probed.
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
