"""Permissions on resources of other users, on a server with users, and the code for a missing grant.

MLflow's basic auth gives the creator of an experiment or model every permission on it, and others a default, usually READ.
Nothing is granted here: only an administrator or a manager of the resource can do that.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from lib.backends.backend import Backend
from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.backends.rest_request import API_PATH, send_request
from lib.errors import MissingPermission, NotWritable, PodiumError
from lib.text import format_count

Permission = Literal["READ", "USE", "EDIT", "MANAGE"]
_PERMISSION_ORDER = ("DENY", "NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
_PERMISSION_PATH = "/api/3.0/mlflow/users/permissions/get"
_OWN_PERMISSIONS_PATH = "/api/3.0/mlflow/users/current/permissions"
_IMPOSSIBLE_EXPERIMENT = "999999999"
_MAX_EXPERIMENTS_ASKED = 50
_ASK_OWNER = "Ask its owner for write permission (on DagsHub: push rights to the repository)."


@dataclass(frozen=True)
class Resource:
    """An experiment or registered model with an owner. A model's `id` is its name; an experiment's name may be its id."""

    kind: Literal["experiment", "registered_model"]
    id: str
    name: str

    @property
    def label(self) -> str:
        """The display name: "experiment podium-ledger (number 1)", "model wine"."""
        if self.kind == "registered_model":
            return f"model {self.name}"
        return f"experiment {self.name}{f' (number {self.id})' if self.id not in ('', self.name) else ''}"


LEDGER_RESOURCE = Resource("experiment", "", LEDGER_EXPERIMENT)
"""The experiment that holds the record, if its ID is unknown."""


def read_user_name(backend: Backend) -> str:
    """Return the server's user name for this sign-in; empty if the server has no users."""
    response = send_request(backend, "GET", f"{API_PATH}/users/current")
    user = response.document.get("user")
    name = user.get("username") if response.status == 200 and isinstance(user, dict) else None
    return name if isinstance(name, str) else ""


def find_ledger_resource(backend: Backend) -> Resource | None:
    """Return the experiment that holds the record; None if there is none yet, without its ID if it cannot be read."""
    response = send_request(backend, "GET", f"{API_PATH}/experiments/get-by-name", params={"experiment_name": LEDGER_EXPERIMENT})
    if response.is_denied:
        return LEDGER_RESOURCE
    experiment = response.document.get("experiment")
    return (
        Resource("experiment", str(experiment["experiment_id"]), LEDGER_EXPERIMENT)
        if isinstance(experiment, dict) and "experiment_id" in experiment
        else None
    )


def read_permission(backend: Backend, user_name: str, resource: Resource) -> str:
    """Return a user's permission on a resource as stored by the server, including defaults; empty if unknown."""
    if not resource.id:
        return "NO_PERMISSIONS"
    params = {"username": user_name, "resource_type": resource.kind, "resource_id": resource.id}
    response = send_request(backend, "GET", _PERMISSION_PATH, params=params)
    permission = str(response.document.get("permission") or "") if response.status == 200 else ""
    return permission if permission in _PERMISSION_ORDER else ""


def _is_sufficient(granted: str, required: Permission) -> bool:
    """Whether a permission covers the required one; an unknown permission counts as sufficient."""
    return not granted or _PERMISSION_ORDER.index(granted) >= _PERMISSION_ORDER.index(required)


def find_missing_permission(
    backend: Backend, user_name: str, resource: Resource, required: Permission
) -> MissingPermission | None:
    """Return the missing grant as an error to raise; None if nothing is missing or the server has no users."""
    if not user_name:
        return None
    permission = read_permission(backend, user_name, resource)
    return None if _is_sufficient(permission, required) else _missing_permission_error(backend, user_name, resource, required)


def explain_refusal(backend: Backend, resource: Resource, required: Permission) -> NotWritable:
    """Return the error that explains why a server refused access to a resource."""
    try:
        user_name = read_user_name(backend)
    except PodiumError:
        user_name = ""
    if not user_name and required == "READ":
        return NotWritable(
            f"{backend.name} does not let this sign-in read {resource.label}.", next="Ask its owner for read permission."
        )
    if not user_name:
        return NotWritable(f"{backend.name} lets this sign-in read {resource.label} but not change it.", next=_ASK_OWNER)
    return _missing_permission_error(backend, user_name, resource, required)


def explain_ledger_refusal(backend: Backend) -> NotWritable:
    """Return the error that explains why a server refused access to the record."""
    try:
        ledger = find_ledger_resource(backend)
    except PodiumError:
        ledger = None
    return explain_refusal(backend, ledger or LEDGER_RESOURCE, "EDIT")


def describe_unreadable_experiments(backend: Backend, readable_ids: Collection[str]) -> str:
    """Return a sentence with the number of experiments this account cannot read; empty if none is known.

    MLflow silently omits them from every list. Its stores number experiments consecutively, so each ID missing from `readable_ids` is
    requested: a refusal means it exists, unless the server also refuses IDs that do not exist.
    """
    if backend.kind != "server" or not read_user_name(backend):
        return ""
    if _is_experiment_refused(backend, _IMPOSSIBLE_EXPERIMENT):
        return "This account can read only experiments granted to it. There may be others."
    known_numbers = {int(id_) for id_ in readable_ids if id_.isdecimal() and len(id_) < len(_IMPOSSIBLE_EXPERIMENT)}
    last_number = max(known_numbers, default=0)
    gaps = [number for number in range(last_number, -1, -1) if number not in known_numbers]
    refused = [number for number in gaps[:_MAX_EXPERIMENTS_ASKED] if _is_experiment_refused(backend, str(number))]
    number = last_number + 1
    while number - last_number <= _MAX_EXPERIMENTS_ASKED and _is_experiment_refused(backend, str(number)):
        refused.append(number)
        number += 1
    at_least = "At least " * (len(gaps) > _MAX_EXPERIMENTS_ASKED or number - last_number > _MAX_EXPERIMENTS_ASKED)
    return f"{at_least}{format_count(len(refused), 'experiment')} cannot be read with this account." if refused else ""


def _is_experiment_refused(backend: Backend, experiment_id: str) -> bool:
    return send_request(backend, "GET", f"{API_PATH}/experiments/get", params={"experiment_id": experiment_id}).is_denied


def _grant_calls(backend: Backend, user_name: str, resource: Resource, required: Permission) -> tuple[str, ...]:
    """Return the Python calls that grant the permission, for an administrator or a manager of the resource.

    An existing smaller grant would block the new one, so it is revoked first.
    """
    resource_id = (
        repr(resource.id)
        if resource.id
        else f"MlflowClient({backend.uri!r}).get_experiment_by_name({resource.name!r}).experiment_id"
    )
    target = f"{user_name!r}, {resource.kind!r}, {resource_id}"
    grant = f"AuthServiceClient({backend.uri!r}).grant_user_permission({target}, {required!r})"
    revocations = (
        [f"AuthServiceClient({backend.uri!r}).revoke_user_permission({target})"] if _has_own_grant(backend, resource) else []
    )
    return (*revocations, grant)


def _has_own_grant(backend: Backend, resource: Resource) -> bool:
    """Whether this user has a direct permission on the resource, apart from roles and defaults."""
    permissions = send_request(backend, "GET", _OWN_PERMISSIONS_PATH).document.get("permissions")
    rows = [row for row in permissions if isinstance(row, dict)] if isinstance(permissions, list) else []
    own_rows = [row for row in rows if str(row.get("role_name", "")).startswith("__user_")]
    return any((row.get("resource_type"), row.get("resource_pattern")) == (resource.kind, resource.id) for row in own_rows)


def _missing_permission_error(backend: Backend, user_name: str, resource: Resource, required: Permission) -> MissingPermission:
    calls = _grant_calls(backend, user_name, resource, required)
    imports = [
        "from mlflow.server.auth.client import AuthServiceClient",
        *(["from mlflow import MlflowClient"] if not resource.id else []),
    ]
    consequence = "It holds the record of every decision, so this sign-in cannot record or decide anything. " * (
        resource.name == LEDGER_EXPERIMENT
    )
    return MissingPermission(
        f"{user_name} needs {required} permission on {resource.label} of {backend.name}.",
        means=f"{consequence}Nothing was changed.",
        next=f"Ask an administrator or its manager to run: {', then '.join(calls)}",
        grant_code="\n".join([*sorted(imports), "", *calls]),
    )
