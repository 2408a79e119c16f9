"""Two guards that ask for a signature: nobody else settles for this Podium, and nobody else switches its reviews off."""

import pytest

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.signatures import NO_KEYS, trust_fingerprints
from lib.ledger.entry.schema_2_types import PolicySet, Settlement
from lib.ledger.entry.types import to_json
from lib.ledger.state.replay import replay
from lib.ledger.state.settlements import ReviewRule, review_rule, settled_positions
from tests.support.entry_signing import fingerprint_of, make_param, make_private_key
from tests.support.ledger_entries import REASON
from tests.support.ledger_factories import COMMON_FIELDS, make_opened

BOOK, OURS, FOREIGN = "a" * 32, make_private_key("ours"), make_private_key("foreign")
KEYS = trust_fingerprints([fingerprint_of(OURS)])


def make_book(*bodies_and_keys):
    """A book whose entries are signed by these keys. `FORGED` is a signature that does not fit."""
    params = {}
    for body, key in bodies_and_keys:
        is_forged = key == "FORGED"
        param = make_param(
            decode_volume(params, BOOK), to_json(body), OURS if is_forged else key, {"place": 99} if is_forged else {}
        )
        params |= dict([param])
    return decode_volume(params, BOOK)


def settle(*places):
    return Settlement(**COMMON_FIELDS, places=places, why="newer schema", reason=REASON)


def policy(*, require_review):
    return PolicySet(**COMMON_FIELDS, name="p", sha="ab", text="t", require_review=require_review, reason=REASON)


ON, OFF = policy(require_review=True), policy(require_review=False)


@pytest.mark.parametrize("key", [FOREIGN, None, "FORGED"], ids=["another key", "no key", "a forged signature"])
def test_what_somebody_else_settled_is_not_settled_here(key):
    book = make_book((make_opened(), OURS), (settle(1), key))
    assert settled_positions(book, KEYS) == {}
    assert settled_positions(book, trust_fingerprints([fingerprint_of(FOREIGN)])) == ({1: 2} if key == FOREIGN else {})


def test_what_was_settled_under_a_trusted_key_is_told_with_the_first_entry_that_did():
    book = make_book((make_opened(), OURS), (settle(1), FOREIGN), (settle(1, 7), OURS), (settle(1), OURS))
    assert settled_positions(book, KEYS) == {1: 3, 7: 3}
    assert settled_positions(book, NO_KEYS) == {}


@pytest.mark.parametrize(
    ("policies", "rule"),
    [
        ([], ReviewRule()),
        ([(OFF, None)], ReviewRule()),
        ([(ON, None)], ReviewRule(is_required=True)),
        ([(ON, FOREIGN)], ReviewRule(is_required=True)),
        ([(ON, "FORGED")], ReviewRule(is_required=True)),
        ([(ON, OURS), (OFF, OURS)], ReviewRule()),
        ([(ON, None), (OFF, OURS)], ReviewRule()),
        ([(ON, OURS), (OFF, None)], ReviewRule(is_required=True, ignored_positions=(3,))),
        ([(ON, OURS), (OFF, FOREIGN), (OFF, "FORGED")], ReviewRule(is_required=True, ignored_positions=(3, 4))),
        ([(ON, OURS), (OFF, FOREIGN), (OFF, OURS)], ReviewRule()),
        ([(ON, OURS), (OFF, OURS), (ON, None), (OFF, None)], ReviewRule(is_required=True, ignored_positions=(5,))),
    ],
)
def test_anybody_switches_reviews_on_and_only_a_trusted_key_off(policies, rule):
    assert review_rule(make_book((make_opened(), None), *policies), KEYS) == rule


def test_neither_of_them_changes_what_the_book_adds_up_to():
    state = replay(make_book((make_opened(), OURS), (settle(1), OURS), (ON, OURS), (OFF, FOREIGN)))
    before = replay(make_book((make_opened(), OURS)))
    assert (state.desired_holders(), state.observed_slots, state.known_versions, state.open_intents) == (
        before.desired_holders(),
        before.observed_slots,
        before.known_versions,
        before.open_intents,
    )
