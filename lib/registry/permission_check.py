"""May this sign-in record and move what it is about to? Asked before a decision is written, where a server keeps users.

A decision by somebody who may write the record, but not move the version, would wait there for somebody else to carry it out.
"""

from collections.abc import Iterable

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.backends.permissions import Level, Thing, lacking, ledger_thing
from lib.errors import MissingGrant, NotWritable
from lib.registry.move_plan import Move


def right_for(moves: Iterable[Move]) -> Level:
    """The right that moves need: taking an alias off counts as deleting, which EDIT does not allow. Pure."""
    return "MANAGE" if any(move.verb == "unalias" for move in moves) else "EDIT"


def why_not(backend: Backend, model: str) -> NotWritable | None:
    """Why nobody can decide about a model with this sign-in; None where nothing is known against it. Writes nothing."""
    can = capabilities(backend)
    if can.recording.has is False:
        return MissingGrant(can.recording.why, next=can.recording.instead, call=can.recording.call)
    return lacking(backend, can.user, Thing("registered_model", model, model), "EDIT")


def must_move(backend: Backend, model: str, moves: Iterable[Move]) -> None:
    """Raise MissingGrant when this sign-in may not make these moves on a model."""
    _must(backend, Thing("registered_model", model, model), right_for(moves))


def must_record(backend: Backend) -> None:
    """Raise MissingGrant when this sign-in may not write the record that is there."""
    if capabilities(backend).user and (home := ledger_thing(backend)) is not None:
        _must(backend, home, "EDIT")


def _must(backend: Backend, thing: Thing, wanted: Level) -> None:
    name = capabilities(backend).user
    if missing := lacking(backend, name, thing, wanted):
        raise missing
