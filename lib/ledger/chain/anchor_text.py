"""Heads stored elsewhere: as a line to copy into a mail or a file, and as the tag of a version. Pure.

A line is `17:5d9e… card-fraud`: the position, the chain up to there, and the name of the model. A tag is `17 5d9e… 7c1f…`; its last
part is the run id of the book.
"""

import re
from dataclasses import dataclass

from lib.errors import BadInput
from lib.ledger.chain.hash_chain import Anchor, DecodedBook
from lib.text import clean_text

_MAX_POSITION_DIGITS = 9
"""Anyone who may change a model can write its tags, and Python refuses to parse numbers with thousands of digits."""
_ANCHOR_LINE = re.compile(r"(\d{1,6}):([0-9a-f]{64})(?:\s+(\S.*))?", re.ASCII)


@dataclass(frozen=True)
class ModelAnchor:
    """A head stored elsewhere. `model` is empty if the line does not name it."""

    model: str
    anchor: Anchor


def format_anchor(model: str, book: DecodedBook) -> str:
    """The head of a book as one line to store elsewhere."""
    return f"{book.head}:{book.chain} {clean_text(model)}"


def parse_anchor(text: str) -> ModelAnchor:
    """Parse a line written by `format_anchor`, or a bare N:CHAIN. Raises BadInput for anything else."""
    match = _ANCHOR_LINE.fullmatch(text.strip())
    if match is None:
        raise BadInput(
            f"{clean_text(text)[:40] or 'Nothing'} is not a valid head.",
            next="A head is N:CHAIN, a place and 64 hexadecimal digits.",
        )
    return ModelAnchor((match[3] or "").strip(), Anchor(int(match[1]), match[2]))


def parse_anchors(text: str) -> tuple[ModelAnchor, ...]:
    """Parse all heads of a text, one per line. Raises BadInput naming the first invalid line."""
    anchors = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            anchors += [parse_anchor(line)] if line.strip() else []
        except BadInput as error:
            raise BadInput(f"Line {number}: {error.what}", next=error.next) from error
    return tuple(anchors)


@dataclass(frozen=True)
class Head:
    """The head tag of a version: the position, the chain there, and the run id of the book."""

    anchor: Anchor
    book_id: str

    @property
    def text(self) -> str:
        """The text of the tag."""
        return f"{self.anchor.position} {self.anchor.chain} {self.book_id}"


def parse_head(text: str) -> Head | None:
    """The head in "17 5d9e… 7c1f…"; None if the text is not a head."""
    position, chain, book_id = (*text.split(" "), "", "", "")[:3]
    is_position = position.isdecimal() and len(position) <= _MAX_POSITION_DIGITS
    return Head(Anchor(int(position), chain), book_id) if is_position and len(chain) == 64 else None
