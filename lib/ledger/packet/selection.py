"""Which entries a packet has to show: those that led to a decision and came of it, or those that prove an answer. Pure.

A decision is followed through the ids that entries name each other by, so it does not matter which types of entries do so.
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
_ID = re.compile(r'"([0-9A-HJKMNP-TV-Z]{26})"')


def find_entry(entries: Sequence[Entry], id_or_position: str) -> Entry:
    """The entry with this id, or at this place. Raises NotFound when the book has none."""
    wanted = id_or_position.strip()
    for entry in entries:
        if entry.id == wanted.upper() or (wanted.isascii() and wanted.isdigit() and entry.position == int(wanted)):
            return entry
    raise NotFound(f"The record of this model has no entry {wanted[:40]}.", means="", next="history names places and ids.")


def related_positions(entries: Sequence[Entry], entry: Entry) -> tuple[int, ...]:
    """The places that belong to an entry: what it names, what names it, where its versions come from, where the record begins."""
    life = _life(entries, entry)
    linked = _linked(life, entry)
    versions = {number for one in linked for number in _versions(one.body)}
    more = (
        one.position
        for one in life
        if isinstance(one.body, Opened)
        or (isinstance(one.body, Registered) and one.body.version in versions)
        or (one.body.type in VERSION_ENTRY_TYPES and one.body.version == entry.body.version and one.body.version)
    )
    return tuple(sorted({*(one.position for one in linked), *more}))


def proof_positions(entries: Sequence[Entry], answer: AsOfAnswer) -> tuple[int, ...]:
    """The places that prove an answer: those of the holdings it speaks of, else those between which nobody held the slot."""
    held = [h for h in all_holdings(entries) if h.slot == answer.slot]
    met = [h for h in held if h.since <= answer.query.end and (h.until is None or h.until >= answer.query.at)]
    near = met or _neighbours(held, answer)
    first = [entry.position for entry in entries if isinstance(entry.body, Opened)][:1]
    named = {place for holder in answer.holders for place in holder.entry_positions}
    return tuple(sorted({*first, *named, *(place for h in near for place in (h.position, h.end_position))} - {0}))


def _neighbours(held: Sequence[Holding], answer: AsOfAnswer) -> list[Holding]:
    before = [h for h in held if h.until is not None and h.until <= answer.query.at][-1:]
    return before + [h for h in held if h.since >= answer.query.end][:1]


def _life(entries: Sequence[Entry], entry: Entry) -> list[Entry]:
    """The entries of the life of the model that this entry belongs to."""
    life = list[Entry]()
    for one in entries:
        if isinstance(one.body, Opened):
            if one.position > entry.position:
                break
            life = []
        life.append(one)
    return life


def _linked(life: Sequence[Entry], entry: Entry) -> list[Entry]:
    known = {one.id: one for one in life}
    names = {one.id: set(_ID.findall(canonical_json(one.body))) & known.keys() for one in life}
    reached, todo = {entry.id}, [entry.id]
    while todo:
        at = todo.pop()
        new = (names.get(at, set()) | {other for other, ids in names.items() if at in ids}) - reached
        reached |= new
        todo += new
    return [one for one in life if one.id in reached]


def _versions(body: Body) -> set[str]:
    named = {body.version} if body.version else set()
    if isinstance(body, Closing):
        named |= set(body.displaced)
    if isinstance(body, Decided) and body.expected:
        named |= set(body.expected.split(","))
    return {number for number in named if number}
