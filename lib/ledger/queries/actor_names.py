"""How reliable the name in an entry is, and how it is shown. Pure.

A name is verified only if an entry signed by a trusted key says that the server, or a sign-in, vouched for it. Otherwise it is a claim,
because anyone with write access to the ledger can write such an entry. Without keys all such names are claims.
"""

from typing import Literal

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import SignatureStatus, TrustedKeys
from lib.ledger.entry.types import Body, Imported
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR, Actor

NameStatus = Literal["verified", "claimed", "typed", "imported", "none"]
"""Verified under a trusted key; verified only according to an untrusted entry; typed; from an imported file; Podium itself or unknown."""
NAME_STATUS_TEXTS = {
    "verified": "verified",
    "claimed": "not signed by a trusted key",
    "typed": "typed, not verified",
    "imported": "as imported",
    "none": "",
}


def actor_status(actor: Actor, signature: SignatureStatus = "none") -> NameStatus:
    """How reliable the name of an actor is, in an entry with this signature."""
    if actor in (PODIUM_ACTOR, UNKNOWN_ACTOR):
        return "none"
    if actor.how == "declared":
        return "typed"
    return "verified" if signature == "trusted" else "claimed"


def name_status(body: Body, signature: SignatureStatus = "none") -> NameStatus:
    """The same for the name in a body; an imported body names the original author."""
    return "imported" if isinstance(body, Imported) else actor_status(body.by, signature)


def writer_status(book: DecodedBook, entry: Entry, keys: TrustedKeys) -> NameStatus:
    """How reliable the name of an entry's author is. Checks the signature only if it matters."""
    status = actor_status(entry.body.by)
    return actor_status(entry.body.by, signature_status(book, entry, keys)) if status == "claimed" else status


def name_in_sentence(name: str, status: NameStatus) -> str:
    """A name as used within a sentence."""
    return f"someone who claims to be {name}" if status == "claimed" else name


def displayed_name(name: str, status: NameStatus) -> str:
    """A name for display; "claims to be ana" if no trusted key vouches for it."""
    return f"claims to be {name}" if status == "claimed" else name
