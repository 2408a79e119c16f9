"""Decisions about the model "wine" for tests of the registry: requests, an intent whose writer died, and what must hold at rest."""

from collections import Counter

from lib.ledger.state.replay import is_fulfilled
from lib.ledger.storage.book import append
from lib.registry.move_plan import MoveRequest, entry_factory, plan_move
from lib.registry.reader import read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.recover import recover_decisions
from tests.support.ledger_stores import DECISION, REASON, ledger_findings, make_writer


def move_request(version, stage="Production", **fields):
    """A request to move a version of wine to a stage."""
    return MoveRequest("wine", version, stage, **fields)


def leave_intent_open(backend, version="2", stage="Production"):
    """Decide and vanish before the registry is touched; gives the id of the intent."""
    status = sync_model_status(make_writer(backend), "wine")
    plan = plan_move(status, move_request(version, stage))
    writer = make_writer(backend)
    return append(writer, status.book_id, entry_factory(plan, DECISION, lambda: writer.common_fields("wine")))


def finish_open_decisions(writer, model="wine", choice="finish"):
    """Finish whatever was left open, or give it up; gives the status afterwards and the ids that were closed."""
    status = sync_model_status(writer, model)
    intent_ids = [intent.id for intent in status.state.open_intents]
    closed = recover_decisions(writer, model, intent_ids, choice, REASON) if intent_ids else ()
    return sync_model_status(writer, model), tuple(decision.intent_id for decision in closed)


def entry_types(backend, model="wine"):
    """The types of all entries in the book of a model, in order."""
    return [entry.body.type for entry in read_book_state(backend, model).book.entries]


def check_at_rest(backend, model="wine"):
    """Ledger, alias and stage agree, nothing is open, the chain is whole, no position is empty; gives the number of entries by type."""
    snapshot, state = read_snapshot(backend, model), read_book_state(backend, model)
    assert ledger_findings(backend, model) == ()
    assert state.open_intents == ()
    assert [entry.position for entry in state.book.entries] == list(range(1, state.book.head + 1))
    for slot, desired in state.desired_holders().items():
        assert not desired.is_managed or is_fulfilled(desired, snapshot.slot_states[slot]), (slot, desired, snapshot.slot_states)
    assert len(snapshot.slot_states["production"].stage) <= 1
    return Counter(entry.body.type for entry in state.book.entries)
