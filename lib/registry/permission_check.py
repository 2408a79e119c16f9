"""May this sign-in record and move what it is about to? Asked before a decision is written, where a server keeps users.

A decision by somebody who may write the record, but not move the version, would wait there for somebody else to carry it out.
"""

from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.permissions import Permission, Resource, find_ledger_resource, find_missing_permission
from lib.errors import MissingPermission, NotWritable
from lib.registry.move_plan import Move


def required_permission(moves: Iterable[Move]) -> Permission:
    """The right that moves need: taking an alias off counts as deleting, which EDIT does not allow. Pure."""
    return "MANAGE" if any(move.verb == "unalias" for move in moves) else "EDIT"


def find_decision_blocker(backend: Backend, model: str) -> NotWritable | None:
    """Why nobody can decide about a model with this sign-in; None where nothing is known against it. Writes nothing."""
    can = read_capabilities(backend)
    if can.ledger_access.is_available is False:
        return MissingPermission(
            can.ledger_access.explanation, next=can.ledger_access.fallback, grant_code=can.ledger_access.grant_code
        )
    return find_missing_permission(backend, can.user_name, Resource("registered_model", model, model), "EDIT")


def require_move_permission(backend: Backend, model: str, moves: Iterable[Move]) -> None:
    """Raise MissingGrant when this sign-in may not make these moves on a model."""
    _must(backend, Resource("registered_model", model, model), required_permission(moves))


def require_ledger_permission(backend: Backend) -> None:
    """Raise MissingGrant when this sign-in may not write the record that is there."""
    if read_capabilities(backend).user_name and (home := find_ledger_resource(backend)) is not None:
        _must(backend, home, "EDIT")


def _must(backend: Backend, thing: Resource, wanted: Permission) -> None:
    name = read_capabilities(backend).user_name
    if missing := find_missing_permission(backend, name, thing, wanted):
        raise missing
