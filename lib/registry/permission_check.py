"""Checks that this sign-in may record and carry out a decision before it is written, on servers with users.

A decision by a user who may write the record but not move the version would stay open until another user carries it out.
"""

import os
from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.permissions import Permission, Resource, find_ledger_resource, find_missing_permission
from lib.backends.registry_uri import require_one_registry
from lib.errors import MissingPermission, NotWritable
from lib.registry.moves import Move


def required_permission(moves: Iterable[Move]) -> Permission:
    """The permission that moves need: deleting an alias needs more than EDIT. Pure."""
    return "MANAGE" if any(move.verb == "unalias" for move in moves) else "EDIT"


def find_decision_blocker(backend: Backend, model: str) -> NotWritable | None:
    """Why this sign-in cannot decide about a model; None if no obstacle is known. Writes nothing."""
    capabilities = read_capabilities(backend)
    if capabilities.ledger_access.is_available is False:
        return MissingPermission(
            capabilities.ledger_access.explanation,
            next=capabilities.ledger_access.fallback,
            grant_code=capabilities.ledger_access.grant_code,
        )
    return find_missing_permission(backend, capabilities.user_name, Resource("registered_model", model, model), "EDIT")


def require_move_permission(backend: Backend, model: str, moves: Iterable[Move]) -> None:
    """Raise MissingPermission if this sign-in may not make these moves on a model."""
    _require_permission(backend, Resource("registered_model", model, model), required_permission(moves))


def require_settle_permission(backend: Backend, model: str) -> None:
    """Raise MissingPermission if this sign-in may not settle findings that block decisions about a model: that needs MANAGE."""
    require_ledger_permission(backend)
    _require_permission(backend, Resource("registered_model", model, model), "MANAGE")


def require_ledger_permission(backend: Backend) -> None:
    """Raise MissingPermission if this sign-in may not write to the existing ledger, ActionRefused if another registry is configured."""
    require_one_registry(os.environ, backend)
    if read_capabilities(backend).user_name and (ledger := find_ledger_resource(backend)) is not None:
        _require_permission(backend, ledger, "EDIT")


def _require_permission(backend: Backend, resource: Resource, permission: Permission) -> None:
    user_name = read_capabilities(backend).user_name
    if missing := find_missing_permission(backend, user_name, resource, permission):
        raise missing
