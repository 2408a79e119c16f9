"""Only names that a trusted key vouches for are shown as verified; all others as a claim or as typed."""

import pytest

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.chain.signatures import NO_KEYS, KnownKey, TrustedKeys, trust_fingerprints
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.types import Corrected, to_json
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR, Actor, make_reason
from lib.ledger.queries.actor_names import actor_status, displayed_name
from lib.ledger.queries.as_of import answer_to_json, as_of, verify_holders
from lib.ledger.queries.as_of_text import answer_text
from lib.ledger.queries.history import entry_to_json, history_rows, verify_names
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.replay import replay
from tests.support.entry_signing import fingerprint_of, make_param, make_private_key
from tests.support.ledger_factories import COMMON_FIELDS, make_closing, make_intent, make_opened, make_slot_states, time_at

BOOK, OURS, FOREIGN = "a" * 32, make_private_key("ours"), make_private_key("foreign")
KEYS = trust_fingerprints([fingerprint_of(OURS)])
ANA = Actor(name="ana", how="server")


def make_state(*bodies_and_keys):
    """A book with entries signed by these keys, after an unsigned first entry."""
    params = {}
    for body, key in ((make_opened(), None), *bodies_and_keys):
        book = decode_volume(params, BOOK)
        fields = to_json(body) if body.type != "APPLIED" else to_json(body) | {"intent": book.entries[-1].id}
        params |= dict([make_param(book, fields, key)])
    return replay(decode_volume(params, BOOK))


def make_decision(actor=ANA, key=OURS, closing_key=None):
    intent = make_intent("1").model_copy(update={"by": actor})
    return (intent, key), (make_closing(2, slot_states=make_slot_states("1")), closing_key)


def ask(state, keys=KEYS):
    return verify_holders(as_of(state.book.entries, "production", TimeQuery(time_at(11))), state.book, keys)


@pytest.mark.parametrize(
    ("actor", "signature", "status"),
    [
        (ANA, "trusted", "verified"),
        (ANA, "unknown", "claimed"),
        (ANA, "none", "claimed"),
        (ANA, "invalid", "claimed"),
        (Actor(name="ana", how="oidc"), "trusted", "verified"),
        (Actor(name="ana", how="oidc"), "unknown", "claimed"),
        (Actor(name="ana"), "trusted", "typed"),
        (Actor(name="ana", via="service account ci"), "trusted", "typed"),
        (PODIUM_ACTOR, "trusted", "none"),
        (UNKNOWN_ACTOR, "none", "none"),
        (Actor(name="Podium", how="server"), "none", "claimed"),
    ],
)
def test_a_name_is_verified_only_under_a_trusted_signature(actor, signature, status):
    assert actor_status(actor, signature) == status
    assert displayed_name(actor.name, status) == (f"claims to be {actor.name}" if status == "claimed" else actor.name)


@pytest.mark.parametrize(("key", "signature"), [(OURS, "trusted"), (FOREIGN, "unknown"), (None, "none")])
def test_history_as_of_and_their_json_say_whose_signature_a_decision_carries(key, signature):
    state, is_trusted = make_state(*make_decision(key=key)), signature == "trusted"
    rows = verify_names(history_rows(state), state.book, KEYS)
    assert [row.displayed_name for row in rows if row.badge == "approve"] == ["ana" if is_trusted else "claims to be ana"]
    assert [row.name_status for row in rows if row.badge == "approve"] == ["verified" if is_trusted else "claimed"]
    text = answer_text("m", ask(state))
    assert ("Someone who claims to be ana decided this" in text) == (not is_trusted)
    assert ("the name is only a claim" in text) == (not is_trusted)
    (holder,) = answer_to_json(ask(state))["holders"]
    assert holder["signature"] == signature
    assert holder["by"] == {"name": "ana", "how": "server"}
    assert entry_to_json(state.book.entries[1], (), signature).get("signature", "none") == signature


def test_whoever_asks_no_key_sees_claims():
    state = make_state(*make_decision())
    answer = as_of(state.book.entries, "production", TimeQuery(time_at(11)))
    assert "claims to be ana" in answer_text("m", answer)
    assert [row.displayed_name for row in history_rows(state) if row.badge == "approve"] == ["claims to be ana"]
    assert "claims to be ana" in answer_text("m", ask(state, NO_KEYS))


def test_a_key_that_is_distrusted_vouches_for_nobody_any_more():
    keys = TrustedKeys((KnownKey(fingerprint_of(OURS), is_own=True, is_trusted=False),))
    assert "claims to be ana" in answer_text("m", ask(make_state(*make_decision()), keys))


def test_a_typed_name_is_told_as_before_with_and_without_a_signature():
    for key in (OURS, FOREIGN, None):
        text = answer_text("m", ask(make_state(*make_decision(Actor(name="ana"), key))))
        assert "ana decided this" in text
        assert "claims" not in text
        assert "the name was typed and not verified" in text
        assert "signature" not in answer_to_json(ask(make_state(*make_decision(Actor(name="ana"), key))))["holders"][0]


def test_a_closing_under_a_trusted_key_verifies_no_name_of_the_decision():
    assert "claims to be ana" in answer_text("m", ask(make_state(*make_decision(key=FOREIGN, closing_key=OURS))))


def test_a_correction_makes_no_name_verified():
    """A correction to a verified name is only typed."""
    state = make_state(*make_decision(Actor(name="anna")))
    reason = make_reason("other", "It was misspelt in the first place.")
    body = Corrected(**COMMON_FIELDS, reason=reason, supersedes=(state.book.entries[1].id,), instead=Correction(by=ANA))
    entries = (*state.book.entries, Entry(4, "c" * 26, "x", body))
    answer = verify_holders(as_of(entries, "production", TimeQuery(time_at(11))), state.book, KEYS)
    assert (answer.holders[0].actor, answer.holders[0].name_status) == (ANA, "claimed")
    assert "claims to be ana" in answer_text("m", answer)
