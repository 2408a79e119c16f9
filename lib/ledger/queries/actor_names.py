"""How sure the name in an entry is, and how it is shown. Pure.

A name is verified only where a key that is trusted here says that the server, or a sign-in, vouched for it. Without that such an entry
merely claims it: anybody who may write to the ledger can write so. Whoever asks without keys gets claims, never a tick.
"""

from typing import Literal

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import SignatureStatus, TrustedKeys
from lib.ledger.entry.types import Body, Imported
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR, Actor

NameStatus = Literal["verified", "claimed", "typed", "imported", "none"]
"""Verified under a trusted key; said to be verified, by nobody who is trusted; typed; taken from a file; Podium itself or nobody."""
NAME_STATUS_TEXTS = {
    "verified": "verified",
    "claimed": "not signed by a trusted key",
    "typed": "typed, not verified",
    "imported": "as imported",
    "none": "",
}


def actor_status(actor: Actor, signature: SignatureStatus = "none") -> NameStatus:
    """How sure the name of an actor is, in an entry with this signature."""
    if actor in (PODIUM_ACTOR, UNKNOWN_ACTOR):
        return "none"
    if actor.how == "declared":
        return "typed"
    return "verified" if signature == "trusted" else "claimed"


def name_status(body: Body, signature: SignatureStatus = "none") -> NameStatus:
    """The same of whom a body names; an imported one names who did it then."""
    return "imported" if isinstance(body, Imported) else actor_status(body.by, signature)


def writer_status(book: DecodedBook, entry: Entry, keys: TrustedKeys) -> NameStatus:
    """How sure the name is of whoever wrote an entry. Checks a signature only where it matters."""
    status = actor_status(entry.body.by)
    return actor_status(entry.body.by, signature_status(book, entry, keys)) if status == "claimed" else status


def name_in_sentence(name: str, status: NameStatus) -> str:
    """The same within a sentence."""
    return f"somebody who claims to be {name}" if status == "claimed" else name


def displayed_name(name: str, status: NameStatus) -> str:
    """A name as people read it: "claims to be ana" where nobody who is trusted here says that it is she."""
    return f"claims to be {name}" if status == "claimed" else name
