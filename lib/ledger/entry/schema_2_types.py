"""The shapes of ledger entries of schema 2 (contract §2, marked ²). Pure.

A body of these types is written with `schema: 2`, every other one stays schema 1: a Podium that knows schema 1 alone reads a book with
such an entry, and writes nothing into it. A further type of schema 2 has its place here and in `schema`.
"""

from typing import Literal

from pydantic import Field

from lib.ledger.entry.fields import LedgerValue
from lib.ledger.entry.types import Body
from lib.ledger.entry.vocabulary import Reason

SCHEMA_2: Literal[2] = 2


class HeadRef(LedgerValue):
    """The head of a book: the run id of its first volume, the last place, and the chain there."""

    book: str
    place: int
    chain: str


class Settlement(Body):
    """A person looked at what stopped the decisions and goes on: at `places`, or at the book `now` in place of the one that `was`.

    `why` is what was found there, in the words of `verify`.
    """

    schema_: Literal[2] = Field(default=SCHEMA_2, alias="schema")
    type: Literal["SETTLED"] = "SETTLED"
    places: tuple[int, ...] = ()
    was: HeadRef | None = None
    now: HeadRef | None = None
    why: str
    reason: Reason


class PolicySet(Body):
    """The policy in force for this model from here on, by name, with its text and the sha256 of it."""

    schema_: Literal[2] = Field(default=SCHEMA_2, alias="schema")
    type: Literal["POLICY"] = "POLICY"
    name: str
    sha: str
    text: str
    require_review: bool
    reason: Reason
