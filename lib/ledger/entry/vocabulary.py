"""The words of the ledger: stages and slots, who acts and why, times as text. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lib.errors import BadInput

Stage = Literal["None", "Staging", "Production", "Archived"]
Slot = Literal["production", "staging"]
STAGES: tuple[Stage, ...] = ("None", "Staging", "Production", "Archived")
SLOTS: Mapping[Slot, Stage] = {"production": "Production", "staging": "Staging"}
CATEGORIES: Mapping[str, str] = {
    "better": "Measured better",
    "needed": "The product needs it",
    "compliance": "Safety or compliance",
    "incident": "Answer to an incident",
    "housekeeping": "Tidying up",
    "other": "Something else",
}
SHORTEST_REASON = 20
LONGEST_REASON = 2000
LONGEST_NAME = 60
NOBODY = "none"
RESTORED = "The book itself was deleted, and restored"
"""What the entry that says so says."""
_WRONG_STAGES = {
    "archive": "Archived",
    "development": "None (or Staging)",
    "dev": "None (or Staging)",
    "prod": "Production",
    "stage": "Staging",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


class Actor(BaseModel):
    """Who acts, and how sure the name is: `declared` was typed, `server` and `oidc` were verified by somebody else."""

    model_config = ConfigDict(frozen=True)
    name: str
    how: Literal["declared", "server", "oidc"] = "declared"
    via: str | None = None


PODIUM = Actor(name="Podium")
UNKNOWN = Actor(name="unknown")


class Reason(BaseModel):
    """Why somebody acts: a category of CATEGORIES and a text of at least 20 characters."""

    model_config = ConfigDict(frozen=True)
    category: str
    text: str


def reason(category: str, text: str) -> Reason:
    """The reason as typed, cleaned. Raises BadInput for an unknown category or a text that is empty, short or too long."""
    said = typed(text)
    if category not in CATEGORIES:
        raise BadInput(f"{typed(category) or 'Nothing'} is no category of reasons.", next=f"Use one of: {', '.join(CATEGORIES)}.")
    if len(said) < SHORTEST_REASON:
        missing = SHORTEST_REASON - len(said)
        raise BadInput(
            f"The reason has {len(said)} characters.", next=f"Say in {missing} more what a reader in two years needs to know."
        )
    if len(said) > LONGEST_REASON:
        raise BadInput(
            f"The reason has {len(said):,} characters; {LONGEST_REASON:,} fit.", next="Say it shorter and link to the rest."
        )
    return Reason(category=category, text=said)


def declared(name: str, via: str | None = None) -> Actor:
    """An actor from a typed name. Raises BadInput when nothing readable is left of it."""
    said = typed(name)
    if not said:
        raise BadInput("Nobody is named as the one who does this.", next="Say your name.")
    if len(said) > LONGEST_NAME:
        raise BadInput(f"The name has {len(said)} characters; {LONGEST_NAME} fit.", next="Use the name your team knows you by.")
    return Actor(name=said, via=via)


def stage(word: str) -> Stage:
    """The stage a person means; capitals do not matter. Raises BadInput with the right word for the usual wrong ones."""
    for known in STAGES:
        if known.lower() == word.strip().lower():
            return known
    right = _WRONG_STAGES.get(word.strip().lower())
    raise BadInput(
        f"{typed(word)[:40] or 'Nothing'} is no stage.",
        next=f"You probably mean {right}." if right else f"The stages are {', '.join(STAGES)}.",
    )


def slot_of(stage_: str) -> Slot | None:
    """The alias that goes with a stage; None for stages that nobody holds."""
    return next((slot for slot, name in SLOTS.items() if name == stage_), None)


def typed(text: str) -> str:
    """What a person typed, without control or invisible characters; runs of them become one space."""
    return _CONTROL.sub(" ", text).strip()


def as_text(at: datetime) -> str:
    """A time as the ledger writes it: ISO 8601, UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_time(text: str) -> datetime:
    """The time that `as_text` wrote. Raises ValueError for anything that is no time with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def from_millis(millis: int) -> str:
    """MLflow's milliseconds since 1970 as the ledger writes a time."""
    return as_text(datetime.fromtimestamp(millis / 1000, UTC))
