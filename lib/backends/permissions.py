"""What a sign-in may do with the things of others on a server with users, and the grant that is missing, ready to be run.

MLflow's basic auth gives whoever makes an experiment or a model every right to it, and others a default that is usually reading.
Nothing is granted here: only an administrator, or whoever manages the thing, can do that.
"""

from dataclasses import dataclass
from typing import Literal

from lib.backends.backend import Backend
from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.backends.rest_request import API_PATH, send_request
from lib.errors import MissingPermission, NotWritable, PodiumError

Permission = Literal["READ", "USE", "EDIT", "MANAGE"]
_ORDER = ("DENY", "NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
_PERMISSION = "/api/3.0/mlflow/users/permissions/get"
_MINE = "/api/3.0/mlflow/users/current/permissions"
_OWNER = "Ask its owner for the right to write (on DagsHub: push rights to the repository)."


@dataclass(frozen=True)
class Resource:
    """An experiment or a registered model that belongs to somebody. A model's `id` is its name; an experiment's name may be its id."""

    kind: Literal["experiment", "registered_model"]
    id: str
    name: str

    @property
    def label(self) -> str:
        """As people call it: "experiment podium-ledger (number 1)", "model wine"."""
        if self.kind == "registered_model":
            return f"model {self.name}"
        return f"experiment {self.name}{f' (number {self.id})' if self.id not in ('', self.name) else ''}"


def read_user_name(backend: Backend) -> str:
    """The name the server knows this sign-in by; empty where it keeps no users."""
    said = send_request(backend, "GET", f"{API_PATH}/users/current")
    told = said.document.get("user")
    name = told.get("username") if said.status == 200 and isinstance(told, dict) else None
    return name if isinstance(name, str) else ""


def find_ledger_resource(backend: Backend) -> Resource | None:
    """The experiment that holds the record; None where there is none yet. Without its number where it may not even be read."""
    said = send_request(backend, "GET", f"{API_PATH}/experiments/get-by-name", params={"experiment_name": LEDGER_EXPERIMENT})
    if said.is_denied:
        return Resource("experiment", "", LEDGER_EXPERIMENT)
    found = said.document.get("experiment")
    return (
        Resource("experiment", str(found["experiment_id"]), LEDGER_EXPERIMENT)
        if isinstance(found, dict) and "experiment_id" in found
        else None
    )


def read_permission(backend: Backend, user_name: str, resource: Resource) -> str:
    """What a user may do with a thing, as the server counts it, defaults included; empty where it cannot be told."""
    if not resource.id:
        return "NO_PERMISSIONS"
    asked = {"username": user_name, "resource_type": resource.kind, "resource_id": resource.id}
    said = send_request(backend, "GET", _PERMISSION, params=asked)
    told = str(said.document.get("permission") or "") if said.status == 200 else ""
    return told if told in _ORDER else ""


def _is_sufficient(granted: str, required: Permission) -> bool:
    """Is a right as large as the one that is wanted? What cannot be told is not held against anybody."""
    return not granted or _ORDER.index(granted) >= _ORDER.index(required)


def find_missing_permission(
    backend: Backend, user_name: str, resource: Resource, required: Permission
) -> MissingPermission | None:
    """The missing grant as an error to be raised; None where nothing is missing or nobody keeps users."""
    if not user_name:
        return None
    has = read_permission(backend, user_name, resource)
    return None if _is_sufficient(has, required) else _missing(backend, user_name, resource, required)


def explain_refusal(backend: Backend, resource: Resource, required: Permission) -> NotWritable:
    """Why a server refused a write to a thing, told once it has refused."""
    try:
        name = read_user_name(backend)
    except PodiumError:
        name = ""
    if not name:
        return NotWritable(f"{backend.name} lets this sign-in read {resource.label}, not change it.", next=_OWNER)
    return _missing(backend, name, resource, required)


def explain_ledger_refusal(backend: Backend) -> NotWritable:
    """The same for the record."""
    try:
        thing = find_ledger_resource(backend)
    except PodiumError:
        thing = None
    return explain_refusal(backend, thing or Resource("experiment", "", LEDGER_EXPERIMENT), "EDIT")


def _grant_calls(backend: Backend, user_name: str, resource: Resource, required: Permission) -> tuple[str, ...]:
    """The Python calls that grant it, for an administrator or whoever manages the thing.

    A smaller right that was granted before stands in the way, and is taken back first.
    """
    number = (
        repr(resource.id)
        if resource.id
        else f"MlflowClient({backend.uri!r}).get_experiment_by_name({resource.name!r}).experiment_id"
    )
    what = f"{user_name!r}, {resource.kind!r}, {number}"
    grant = f"AuthServiceClient({backend.uri!r}).grant_user_permission({what}, {required!r})"
    before = [f"AuthServiceClient({backend.uri!r}).revoke_user_permission({what})"] if _was_granted(backend, resource) else []
    return (*before, grant)


def _was_granted(backend: Backend, thing: Resource) -> bool:
    """Does this sign-in hold a right of its own on the thing, apart from roles and defaults?"""
    told = send_request(backend, "GET", _MINE).document.get("permissions")
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    own = [row for row in rows if str(row.get("role_name", "")).startswith("__user_")]
    return any((row.get("resource_type"), row.get("resource_pattern")) == (thing.kind, thing.id) for row in own)


def _missing(backend: Backend, name: str, thing: Resource, wanted: Permission) -> MissingPermission:
    calls = _grant_calls(backend, name, thing, wanted)
    imports = [
        "from mlflow.server.auth.client import AuthServiceClient",
        *(["from mlflow import MlflowClient"] if not thing.id else []),
    ]
    record = "The record of every decision stands there, so nothing can be recorded or decided by this sign-in. " * (
        thing.name == LEDGER_EXPERIMENT
    )
    return MissingPermission(
        f"{name} needs the right {wanted} on {thing.label} of {backend.name}.",
        means=f"{record}Nothing was changed.",
        next=f"Ask an administrator, or whoever manages it, to run: {', then '.join(calls)}",
        grant_code="\n".join([*sorted(imports), "", *calls]),
    )
