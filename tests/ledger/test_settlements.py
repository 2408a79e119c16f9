"""Two guards that require a trusted signature: settling findings, and switching reviews off."""

import pytest

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import LedgerFinding
from lib.ledger.chain.signatures import NO_KEYS, trust_fingerprints
from lib.ledger.entry.schema_2_types import HeadRef, PolicySet, Settlement
from lib.ledger.entry.types import to_json
from lib.ledger.state.replay import replay
from lib.ledger.state.settlements import ReviewRule, Settlements, has_trusted_closing, mark_settled, read_settlements, review_rule
from tests.support.entry_signing import fingerprint_of, make_param, make_private_key
from tests.support.ledger_entries import REASON
from tests.support.ledger_factories import COMMON_FIELDS, make_closing, make_opened

BOOK, OURS, FOREIGN = "a" * 32, make_private_key("ours"), make_private_key("foreign")
KEYS = trust_fingerprints([fingerprint_of(OURS)])


def make_book(*bodies_and_keys):
    """A book whose entries are signed by these keys. `FORGED` is an invalid signature."""
    params = {}
    for body, key in bodies_and_keys:
        is_forged = key == "FORGED"
        param = make_param(
            decode_volume(params, BOOK), to_json(body), OURS if is_forged else key, {"place": 99} if is_forged else {}
        )
        params |= dict([param])
    return decode_volume(params, BOOK)


def settle(*places, **fields):
    return Settlement(**COMMON_FIELDS, places=places, **fields, why="newer schema", reason=REASON)


def policy(*, require_review):
    return PolicySet(**COMMON_FIELDS, name="p", sha="ab", text="t", require_review=require_review, reason=REASON)


ON, OFF = policy(require_review=True), policy(require_review=False)


@pytest.mark.parametrize("key", [FOREIGN, None, "FORGED"], ids=["another key", "no key", "a forged signature"])
def test_what_somebody_else_settled_is_not_settled_here(key):
    book = make_book((make_opened(), OURS), (settle(1), key))
    assert read_settlements(book, KEYS) == Settlements()
    assert read_settlements(book, trust_fingerprints([fingerprint_of(FOREIGN)])).positions == ({1: 2} if key == FOREIGN else {})


def test_what_was_settled_under_a_trusted_key_is_told_with_the_first_entry_that_did():
    book = make_book((make_opened(), OURS), (settle(1), FOREIGN), (settle(1, 7), OURS), (settle(1), OURS))
    assert read_settlements(book, KEYS).positions == {1: 3, 7: 3}
    assert read_settlements(book, NO_KEYS) == Settlements()


def test_runs_elsewhere_and_the_head_that_was_remembered_are_settled_by_their_ids():
    was = HeadRef(book="b" * 32, place=9, chain="c" * 64)
    book = make_book(
        (make_opened(), OURS), (settle(subjects=["d" * 32], was=was), OURS), (settle(was=was), FOREIGN), (settle(was=was), OURS)
    )
    settlements, ids = read_settlements(book, KEYS), {entry.position: entry.id for entry in book.entries}
    assert settlements.subjects == {"d" * 32: 2}
    assert settlements.replacements == {"b" * 32: {ids[2], ids[4]}}
    assert settlements.entry_ids == {ids[2], ids[4]}


def test_a_finding_is_settled_by_the_run_it_is_about_else_by_its_place():
    settlements = Settlements(positions={0: 5, 3: 6}, subjects={"d": 7})
    findings = [LedgerFinding(3, "void", ""), LedgerFinding(4, "void", ""), LedgerFinding(0, "stray parameter", "")]
    about_runs = [LedgerFinding(0, "copy", "", subject="d"), LedgerFinding(0, "copy", "", subject="e")]
    assert [finding.settled_by for finding in mark_settled([*findings, *about_runs], settlements)] == [6, 0, 5, 7, 0]


@pytest.mark.parametrize("key", [OURS, FOREIGN, None, "FORGED"], ids=["ours", "another key", "no key", "a forged signature"])
def test_a_closing_is_trusted_only_under_a_key_that_is(key):
    book = make_book((make_opened(), OURS), (make_closing(1), key), (make_closing(1), OURS))
    assert has_trusted_closing(book, "e1", KEYS) == (key is OURS), "the first closing counts"
    assert not has_trusted_closing(book, "e9", KEYS)
    assert not has_trusted_closing(book, "e1", NO_KEYS)


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
