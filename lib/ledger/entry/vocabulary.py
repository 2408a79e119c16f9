"""The vocabulary of the ledger: stages and slots, who acts and why. Pure."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lib.errors import BadInput
from lib.text import clean_text

Stage = Literal["None", "Staging", "Production", "Archived"]
Slot = Literal["production", "staging"]
STAGES: tuple[Stage, ...] = ("None", "Staging", "Production", "Archived")
SLOTS: Mapping[Slot, Stage] = {"production": "Production", "staging": "Staging"}
REASON_CATEGORIES: Mapping[str, str] = {
    "better": "Measured better",
    "needed": "Needed by the product",
    "compliance": "Safety or compliance",
    "incident": "Response to an incident",
    "housekeeping": "Tidying up",
    "other": "Something else",
}
MIN_REASON_LENGTH = 20
MAX_REASON_LENGTH = 2000
MAX_NAME_LENGTH = 60
NO_HOLDER = "none"
RESTORED_NOTE = "The book itself was deleted, and restored"
"""The note of the entry that records a restored book."""
_STAGE_SUGGESTIONS = {
    "archive": "Archived",
    "development": "None (or Staging)",
    "dev": "None (or Staging)",
    "prod": "Production",
    "stage": "Staging",
}


class Actor(BaseModel):
    """Who acts, and how the name is known: `declared` was typed, `server` and `oidc` were verified externally."""

    model_config = ConfigDict(frozen=True)
    name: str
    how: Literal["declared", "server", "oidc"] = "declared"
    via: str | None = None


PODIUM_ACTOR = Actor(name="Podium")
UNKNOWN_ACTOR = Actor(name="unknown")


class Reason(BaseModel):
    """The reason for an action: a category of REASON_CATEGORIES and a text of at least 20 characters."""

    model_config = ConfigDict(frozen=True)
    category: str
    text: str


def make_reason(category: str, text: str) -> Reason:
    """The reason as typed, cleaned. Raises BadInput for an unknown category or a text that is empty, short or too long."""
    reason_text = clean_text(text)
    if category not in REASON_CATEGORIES:
        raise BadInput(
            f"{clean_text(category) or 'Nothing'} is not a valid category.", next=f"Use one of: {', '.join(REASON_CATEGORIES)}."
        )
    if len(reason_text) < MIN_REASON_LENGTH:
        missing = MIN_REASON_LENGTH - len(reason_text)
        raise BadInput(
            f"The reason has {len(reason_text)} characters.",
            next=f"Add at least {missing} more: what will a reader in two years need to know?",
        )
    if len(reason_text) > MAX_REASON_LENGTH:
        raise BadInput(
            f"The reason has {len(reason_text):,} characters; the limit is {MAX_REASON_LENGTH:,}.",
            next="Shorten it and link to the details.",
        )
    return Reason(category=category, text=reason_text)


def declared_actor(name: str, via: str | None = None) -> Actor:
    """An actor from a typed name. Raises BadInput if no readable characters remain, or if it is too long."""
    actor_name = clean_text(name)
    if not actor_name:
        raise BadInput("Your name is required.", next="Enter your name.")
    if len(actor_name) > MAX_NAME_LENGTH:
        raise BadInput(
            f"The name has {len(actor_name)} characters; the limit is {MAX_NAME_LENGTH}.",
            next="Use the name your team knows you by.",
        )
    return Actor(name=actor_name, via=via)


def parse_stage(text: str) -> Stage:
    """Parse a stage, ignoring case. Raises BadInput with a suggestion for common mistakes."""
    for stage in STAGES:
        if stage.lower() == text.strip().lower():
            return stage
    suggestion = _STAGE_SUGGESTIONS.get(text.strip().lower())
    raise BadInput(
        f"{clean_text(text)[:40] or 'Nothing'} is not a valid stage.",
        next=f"Did you mean {suggestion}?" if suggestion else f"The stages are {', '.join(STAGES)}.",
    )


def slot_of(stage: str) -> Slot | None:
    """The alias that belongs to a stage; None for stages without a holder."""
    return next((slot for slot, name in SLOTS.items() if name == stage), None)
