"""The words of the ledger: stages and slots, who acts and why. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lib.errors import BadInput

Stage = Literal["None", "Staging", "Production", "Archived"]
Slot = Literal["production", "staging"]
STAGES: tuple[Stage, ...] = ("None", "Staging", "Production", "Archived")
SLOTS: Mapping[Slot, Stage] = {"production": "Production", "staging": "Staging"}
REASON_CATEGORIES: Mapping[str, str] = {
    "better": "Measured better",
    "needed": "The product needs it",
    "compliance": "Safety or compliance",
    "incident": "Answer to an incident",
    "housekeeping": "Tidying up",
    "other": "Something else",
}
MIN_REASON_LENGTH = 20
MAX_REASON_LENGTH = 2000
MAX_NAME_LENGTH = 60
NO_HOLDER = "none"
RESTORED_NOTE = "The book itself was deleted, and restored"
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


PODIUM_ACTOR = Actor(name="Podium")
UNKNOWN_ACTOR = Actor(name="unknown")


class Reason(BaseModel):
    """Why somebody acts: a category of CATEGORIES and a text of at least 20 characters."""

    model_config = ConfigDict(frozen=True)
    category: str
    text: str


def make_reason(category: str, text: str) -> Reason:
    """The reason as typed, cleaned. Raises BadInput for an unknown category or a text that is empty, short or too long."""
    said = clean_text(text)
    if category not in REASON_CATEGORIES:
        raise BadInput(
            f"{clean_text(category) or 'Nothing'} is no category of reasons.", next=f"Use one of: {', '.join(REASON_CATEGORIES)}."
        )
    if len(said) < MIN_REASON_LENGTH:
        missing = MIN_REASON_LENGTH - len(said)
        raise BadInput(
            f"The reason has {len(said)} characters.", next=f"Say in {missing} more what a reader in two years needs to know."
        )
    if len(said) > MAX_REASON_LENGTH:
        raise BadInput(
            f"The reason has {len(said):,} characters; {MAX_REASON_LENGTH:,} fit.", next="Say it shorter and link to the rest."
        )
    return Reason(category=category, text=said)


def declared_actor(name: str, via: str | None = None) -> Actor:
    """An actor from a typed name. Raises BadInput when nothing readable is left of it."""
    said = clean_text(name)
    if not said:
        raise BadInput("Nobody is named as the one who does this.", next="Say your name.")
    if len(said) > MAX_NAME_LENGTH:
        raise BadInput(
            f"The name has {len(said)} characters; {MAX_NAME_LENGTH} fit.", next="Use the name your team knows you by."
        )
    return Actor(name=said, via=via)


def parse_stage(text: str) -> Stage:
    """The stage a person means; capitals do not matter. Raises BadInput with the right word for the usual wrong ones."""
    for known in STAGES:
        if known.lower() == text.strip().lower():
            return known
    right = _WRONG_STAGES.get(text.strip().lower())
    raise BadInput(
        f"{clean_text(text)[:40] or 'Nothing'} is no stage.",
        next=f"You probably mean {right}." if right else f"The stages are {', '.join(STAGES)}.",
    )


def slot_of(stage: str) -> Slot | None:
    """The alias that goes with a stage; None for stages that nobody holds."""
    return next((slot for slot, name in SLOTS.items() if name == stage), None)


def version_list(versions: Iterable[str]) -> str:
    """Versions for people: `v1 and v2`, or `nobody`."""
    return " and ".join(f"v{version}" for version in versions) or "nobody"


def clean_text(text: str) -> str:
    """What a person typed, without control or invisible characters; runs of them become one space."""
    return _CONTROL.sub(" ", text).strip()
