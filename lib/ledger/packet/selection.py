"""Selects the entries of a packet: those leading to and resulting from a decision, or those that prove an answer. Pure.

Related entries are found by the ids in their bodies, regardless of entry types.
"""

import re
from collections.abc import Sequence

from lib.errors import NotFound
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Body, Closing, Decided, Opened, Registered, canonical_json
from lib.ledger.queries.as_of import AsOfAnswer
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import all_holdings

VERSION_ENTRY_TYPES = ("FROZEN", "FOLLOWED_UP", "CORRECTED")
_ENTRY_ID = re.compile(r'"([0-9A-HJKMNP-TV-Z]{26})"')


def find_entry(entries: Sequence[Entry], id_or_position: str) -> Entry:
    """The entry with this id, or at this position. Raises NotFound if the book has none."""
    key = id_or_position.strip()
    for entry in entries:
        if entry.id == key.upper() or (key.isascii() and key.isdigit() and entry.position == int(key)):
            return entry
    raise NotFound(
        f"The record of this model has no entry {key[:40]}.", means="", next="Run history --json to see places and ids."
    )


def related_positions(entries: Sequence[Entry], entry: Entry) -> tuple[int, ...]:
    """The positions of entries linked to an entry in either direction, of its versions' registrations, and of the start of the record."""
    life_entries = _life_entries(entries, entry)
    linked_entries = _linked_entries(life_entries, entry)
    versions = {version for other in linked_entries for version in _mentioned_versions(other.body)}
    more_positions = (
        other.position
        for other in life_entries
        if isinstance(other.body, Opened)
        or (isinstance(other.body, Registered) and other.body.version in versions)
        or (other.body.type in VERSION_ENTRY_TYPES and other.body.version == entry.body.version and other.body.version)
    )
    return tuple(sorted({*(other.position for other in linked_entries), *more_positions}))


def proof_positions(entries: Sequence[Entry], answer: AsOfAnswer) -> tuple[int, ...]:
    """The positions that prove an answer: those of its holdings, or those around the gap if the slot was empty."""
    holdings = [h for h in all_holdings(entries) if h.slot == answer.slot]
    overlapping = [h for h in holdings if h.since <= answer.query.end and (h.until is None or h.until >= answer.query.at)]
    proof_holdings = overlapping or _adjacent_holdings(holdings, answer)
    positions = {position for h in proof_holdings for position in (h.position, h.end_position)}
    positions |= {position for holder in answer.holders for position in holder.entry_positions}
    positions |= set([entry.position for entry in entries if isinstance(entry.body, Opened)][:1])
    return tuple(sorted(positions - {0}))


def _adjacent_holdings(holdings: Sequence[Holding], answer: AsOfAnswer) -> list[Holding]:
    previous_holdings = [h for h in holdings if h.until is not None and h.until <= answer.query.at][-1:]
    return previous_holdings + [h for h in holdings if h.since >= answer.query.end][:1]


def _life_entries(entries: Sequence[Entry], entry: Entry) -> list[Entry]:
    """The entries of the model's life to which this entry belongs."""
    life_entries = list[Entry]()
    for other in entries:
        if isinstance(other.body, Opened):
            if other.position > entry.position:
                break
            life_entries = []
        life_entries.append(other)
    return life_entries


def _linked_entries(life_entries: Sequence[Entry], entry: Entry) -> list[Entry]:
    entries_by_id = {other.id: other for other in life_entries}
    mentioned_ids = {
        other.id: set(_ENTRY_ID.findall(canonical_json(other.body))) & entries_by_id.keys() for other in life_entries
    }
    reached_ids, pending_ids = {entry.id}, [entry.id]
    while pending_ids:
        entry_id = pending_ids.pop()
        mentioning_ids = {other_id for other_id, ids in mentioned_ids.items() if entry_id in ids}
        new_ids = (mentioned_ids.get(entry_id, set()) | mentioning_ids) - reached_ids
        reached_ids |= new_ids
        pending_ids += new_ids
    return [other for other in life_entries if other.id in reached_ids]


def _mentioned_versions(body: Body) -> set[str]:
    versions = {body.version} if body.version else set()
    if isinstance(body, Closing):
        versions |= set(body.displaced)
    if isinstance(body, Decided) and body.expected:
        versions |= set(body.expected.split(","))
    return {version for version in versions if version}
