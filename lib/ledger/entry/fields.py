"""The smaller values in entries: numbers and times, a gate with its answer, a waiver, evidence, a source. Pure."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import Actor, Reason

Number = float | int | str
"""A JSON number, or one of the strings NaN, Infinity, -Infinity."""


def _check_timestamp(text: str) -> str:
    """Require a time with a zone. Anything else makes the entry unreadable."""
    parse_timestamp(text)
    return text


Timestamp = Annotated[str, AfterValidator(_check_timestamp)]
"""A time in the format of `format_timestamp`."""


class LedgerValue(BaseModel):
    """A part of an entry. Fields added by a later Podium are preserved."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="allow")


class Policy(LedgerValue):
    """The named set of gates that a decision was checked against, with the sha256 of its text."""

    name: str
    sha: str = ""


class Gate(LedgerValue):
    """One rule and its answer, with the measured value and the limit set by the policy."""

    name: str
    answer: Literal["PASS", "FAIL", "INCONCLUSIVE"]
    said: str = ""
    measured: Number | None = None
    limit: Number | None = None


class Waiver(LedgerValue):
    """A reasoned exception from one gate, with an expiry time."""

    gate: str
    reason: Reason
    expires_at: Timestamp
    by: Actor | None = None


class Evidence(LedgerValue):
    """The evidence a reviewer saw: its sha256 in hex, and its path among the artifacts of the book."""

    sha: str
    path: str = ""
    metrics: dict[str, Number] = {}


class Source(LedgerValue):
    """The file an entry was imported from: its name, the sha256 of its bytes in hex, and the line (from 1)."""

    name: str
    sha256: str
    line: int = Field(default=0, ge=0)


class Correction(LedgerValue):
    """The corrected parts of an entry; absent parts stay valid. `void` withdraws an entry imported by mistake."""

    reason: Reason | None = None
    note: str | None = None
    by: Actor | None = None
    effective_at: Timestamp | None = None
    void: bool | None = None

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the replaced parts."""
        return tuple(name for name in Correction.model_fields if getattr(self, name) is not None)
