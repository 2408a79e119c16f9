"""Heads noted elsewhere, as a line a person can copy into a mail or a file and bring back later. Pure.

A line is `17:5d9e… card-fraud`: the position, the chain up to there, and the name of the model.
"""

import re
from dataclasses import dataclass

from lib.errors import BadInput
from lib.ledger.chain.hash_chain import Anchor, DecodedBook
from lib.text import clean_text

_ANCHOR_LINE = re.compile(r"(\d{1,6}):([0-9a-f]{64})(?:\s+(\S.*))?", re.ASCII)


@dataclass(frozen=True)
class ModelAnchor:
    """A head that somebody noted. `model` is empty where the line names none."""

    model: str
    anchor: Anchor


def format_anchor(model: str, book: DecodedBook) -> str:
    """The head of a book as one line to be noted."""
    return f"{book.head}:{book.chain} {clean_text(model)}"


def parse_anchor(text: str) -> ModelAnchor:
    """A line as `format_anchor` wrote it, or a bare N:CHAIN. Raises BadInput for anything else."""
    match = _ANCHOR_LINE.fullmatch(text.strip())
    if match is None:
        raise BadInput(
            f"{clean_text(text)[:40] or 'Nothing'} is no noted head.",
            next="A head is N:CHAIN, a place and 64 hexadecimal digits.",
        )
    return ModelAnchor((match[3] or "").strip(), Anchor(int(match[1]), match[2]))


def parse_anchors(text: str) -> tuple[ModelAnchor, ...]:
    """Every noted head of a text, one a line. Raises BadInput that names the first line which is none."""
    anchors = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            anchors += [parse_anchor(line)] if line.strip() else []
        except BadInput as error:
            raise BadInput(f"Line {number}: {error.what}", next=error.next) from error
    return tuple(anchors)
