"""The shapes of ledger entries of schema 2 (contract §2, marked ²). Pure.

Bodies of these types are written with `schema: 2`, all others with schema 1. A Podium that only knows schema 1 can read a book with such
an entry, but does not write to it. Further types of schema 2 belong here and in `schema`.
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
    """A person reviewed what blocked decisions and continues. Settled are `places` of this book, `subjects` elsewhere that are not part of
    the record (runs, tagged run ids, names in the index), or the book `now` in place of the remembered one (`was`).

    Place 0 stands for the book's parameters that are not places. `why` describes the findings in the words of `verify`.
    """

    schema_: Literal[2] = Field(default=SCHEMA_2, alias="schema")
    type: Literal["SETTLED"] = "SETTLED"
    places: tuple[int, ...] = ()
    subjects: tuple[str, ...] = ()
    was: HeadRef | None = None
    now: HeadRef | None = None
    why: str
    reason: Reason


class PolicySet(Body):
    """The policy in force for this model from now on: its name, its text and the sha256 of the text."""

    schema_: Literal[2] = Field(default=SCHEMA_2, alias="schema")
    type: Literal["POLICY"] = "POLICY"
    name: str
    sha: str
    text: str
    require_review: bool
    reason: Reason
