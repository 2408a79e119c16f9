"""Carrying out decisions, undoing writes and giving up, on plain values: every combination terminates."""

from hypothesis import event, given, settings
from hypothesis import strategies as st

from lib.ledger.state.replay import is_fulfilled
from lib.registry.moves import apply_move, is_in_force, plan_moves, settled_or
from lib.registry.recovery_plan import NOBODY, plan_give_up, plan_repair
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot
from tests.support.ledger_factories import CREATED_AT, make_book_state, make_closing, make_intent, make_opened

NUMBERS, STAGES = ("1", "2", "3"), ("None", "Staging", "Production", "Archived")
DECISIONS = st.tuples(
    st.sampled_from(NUMBERS),
    st.sampled_from(STAGES),
    st.sampled_from(STAGES),
    st.sampled_from(["open", "mine", "APPLIED", "OVERTAKEN", "FAILED"]),
    st.sampled_from([(), ("production",), ("staging",)]),
)


@st.composite
def registries(draw):
    versions = {n: VersionSnapshot(n, draw(st.sampled_from(STAGES)), created_at="x", updated_at="x") for n in NUMBERS}
    names = [name for name in ("production", "staging") if draw(st.booleans())]
    aliases = {name: draw(st.sampled_from(NUMBERS)) for name in names}
    return RegistrySnapshot("m", created_at=CREATED_AT, aliases=aliases, versions=versions)


def make_state(snapshot, decisions):
    """A book with these decisions, some of them closed. Returns it and the id of the last own one."""
    bodies, own_ids = [make_opened(snapshot.slot_states)], list[str]()
    for version, to, from_, end, slots in decisions:
        bodies.append(make_intent(version, to, from_, slots=slots))
        own_ids = [f"e{len(bodies)}"] if end == "mine" else own_ids
        if end not in ("open", "mine"):
            bodies.append(make_closing(len(bodies), end, slot_states=snapshot.slot_states))
    return make_book_state(*bodies), own_ids


def converge(state, snapshot, own_ids, trusted_slots=()):
    """Apply a writer's moves until none remain, without concurrent writers. Returns the final registry and all moves.

    For the `trusted_slots`, a trusted key confirms the holder.
    """
    moves, seen_holders = [], {slot: set() for slot in snapshot.slot_states}
    for _ in range(60):
        for slot, slot_state in snapshot.slot_states.items():
            seen_holders[slot] |= set(slot_state.holders or (NOBODY,))
        counts = settled_or(own_ids, state, snapshot)
        in_force = [intent.id for intent in state.open_intents if intent.id in own_ids and is_in_force(state, intent, counts)]
        desired = state.holders_decided_by(counts)
        certain_holders = {
            slot: {*holders, *(desired[slot].holders or (NOBODY,))} if slot in trusted_slots else holders
            for slot, holders in seen_holders.items()
        }
        planned = plan_repair(state, snapshot, own_ids, moves, certain_holders) or plan_moves(state, snapshot, in_force)
        if not planned:
            return snapshot, moves
        snapshot = apply_move(snapshot, planned[0])
        moves.append(planned[0])
    raise AssertionError(f"does not terminate: {moves[-6:]}")


@settings(max_examples=600, deadline=None)
@given(registries(), st.lists(DECISIONS, max_size=5), st.sets(st.sampled_from(["production", "staging"])))
def test_whatever_was_decided_and_settled_carrying_it_out_comes_to_rest(snapshot, decisions, trusted_slots):
    state, own_ids = make_state(snapshot, decisions)
    after, _ = converge(state, snapshot, own_ids, trusted_slots)
    counts = settled_or(own_ids, state, after)
    targets = {"Production": "production", "Staging": "staging"}
    intents = [e for e in state.open_intents if e.id in own_ids and e.body.to in targets and is_in_force(state, e, counts)]
    event("carried out" if intents else "nothing to carry out")
    for intent in intents:
        target = targets[intent.body.to]
        assert is_fulfilled(state.holders_decided_by(counts)[target], after.slot_states[target])


@settings(max_examples=300, deadline=None)
@given(registries(), st.lists(DECISIONS, max_size=4), st.data())
def test_giving_a_decision_up_comes_to_rest_whatever_else_is_open(snapshot, decisions, data):
    state, _ = make_state(snapshot, decisions)
    if not state.open_intents:
        return
    intent = data.draw(st.sampled_from(state.open_intents))
    for _ in range(60):
        moves = plan_give_up(state, snapshot, intent)
        if not moves:
            return
        snapshot = apply_move(snapshot, moves[0])
    raise AssertionError(f"does not terminate: {moves}")
