"""The smaller values that entries carry: numbers and times, a gate with its answer, a waiver, evidence, a source. Pure."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import Actor, Reason

Number = float | int | str
"""A JSON number, or one of the strings NaN, Infinity, -Infinity."""


def _check_timestamp(text: str) -> str:
    """A time with its zone; anything else makes the entry one that nobody can understand."""
    parse_timestamp(text)
    return text


Timestamp = Annotated[str, AfterValidator(_check_timestamp)]
"""A time as `format_timestamp` writes it."""


class LedgerValue(BaseModel):
    """A part of an entry. What a later Podium adds to it is kept."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="allow")


class Policy(LedgerValue):
    """The named set of gates that a decision was held against, with the sha256 of its text."""

    name: str
    sha: str = ""


class Gate(LedgerValue):
    """One rule and its answer, with what was measured and what the policy asks for."""

    name: str
    answer: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    said: str = ""
    measured: Number | None = None
    limit: Number | None = None


class Waiver(LedgerValue):
    """A reasoned exception from one gate, which ends on its own."""

    gate: str
    reason: Reason
    expires_at: Timestamp
    by: Actor | None = None


class Evidence(LedgerValue):
    """What a reviewer saw: its sha256 in hex, and where it is kept among the artifacts of the book."""

    sha: str
    path: str = ""
    metrics: dict[str, Number] = {}


class Source(LedgerValue):
    """The file an entry was read from: its name, the sha256 of its bytes in hex, and the line (from 1)."""

    name: str
    sha256: str
    line: int = Field(default=0, ge=0)


class Correction(LedgerValue):
    """What shall be read instead of what an entry says; absent parts stand. `void` takes back what was imported by mistake."""

    reason: Reason | None = None
    note: str | None = None
    by: Actor | None = None
    effective_at: Timestamp | None = None
    void: bool | None = None

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the parts it replaces."""
        return tuple(name for name in Correction.model_fields if getattr(self, name) is not None)
