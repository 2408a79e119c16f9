"""The shapes of ledger entries, schema 1 (contract §2; published in docs/entries.schema.json). Those of schema 2: `schema_2_types`. Pure.

What Podium writes is checked on the way in. What it reads may come from anyone: `schema` finds out which of these it is.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import rfc8785
from pydantic import BaseModel, Field

from lib.ledger.entry.fields import Correction, Evidence, Gate, LedgerValue, Number, Policy, Source, Timestamp, Waiver
from lib.ledger.entry.vocabulary import SLOTS, Actor, Reason, Slot, Stage

SCHEMA_1 = 1


class BackendRef(LedgerValue):
    """The backend an entry was written through; the URI carries no credentials."""

    kind: str
    uri: str
    versions: dict[str, str] = Field(default_factory=dict)


class Identity(LedgerValue):
    """What makes a version itself: numbers restart when a model is made anew. `created` is a time of the store."""

    created: str
    run_id: str = ""


class SlotState(LedgerValue):
    """What one slot shows: the version its alias points to, and the versions that stand in its stage."""

    alias: str | None = None
    stage: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """Every version that the alias or the stage names, in that order."""
        return tuple(dict.fromkeys([*([self.alias] if self.alias else []), *self.stage]))


SlotStates = dict[Slot, SlotState]
EMPTY_SLOT_STATES: Mapping[Slot, SlotState] = {slot: SlotState() for slot in SLOTS}


class Lineage(LedgerValue):
    """Where a version comes from, by value, so that it outlives its run. Hashes are sha256 in hex.

    `artifact` hashes the list of files of the model as `sha256sum` prints it, sorted by name.
    """

    run_id: str = ""
    run_name: str = ""
    metrics: dict[str, Number] = Field(default_factory=dict)
    parameters: str = ""
    data: dict[str, str] = Field(default_factory=dict)
    git_commit: str = ""
    environment: str = ""
    signature: str = ""
    artifact: str = ""
    missing: str = ""


class Body(LedgerValue):
    """What every entry says."""

    schema_: int = Field(default=SCHEMA_1, alias="schema")
    type: str
    model: str
    recorded_at: Timestamp
    by: Actor
    backend: BackendRef
    version: str | None = None
    identity: Identity | None = None
    reason: Reason | None = None
    effective_at: Timestamp | None = None
    caused_by: str | None = None
    note: str | None = None


class Opened(Body):
    """The record of this model begins, or begins anew."""

    type: Literal["OPENED"] = "OPENED"
    why: Literal["first look", "re-created", "deleted"]
    created: Timestamp | None = None
    now: SlotStates
    versions: dict[str, Identity] = Field(default_factory=dict)


class Registered(Body):
    """A version came to be."""

    type: Literal["REGISTERED"] = "REGISTERED"
    version: str
    identity: Identity
    lineage: Lineage = Lineage()


class Decided(Body):
    """Somebody approved, rejected or asked for changes. An approving decision is the intent to move.

    `slots` are those it speaks of: the one it fills and those its version stood in.
    """

    type: Literal["DECIDED"] = "DECIDED"
    verdict: Literal["approve", "reject", "changes"]
    kind: Literal["promote", "archive", "roll_back", "adopt", "revert"]
    version: str
    identity: Identity
    from_: Stage = Field(alias="from")
    to: Stage
    reason: Reason
    review: str | None = None
    expected: str | None = None
    slots: tuple[Slot, ...] = ()
    aliases: tuple[str, ...] = ()
    request: str | None = None
    policy: Policy | None = None
    gates: tuple[Gate, ...] | None = None
    waivers: tuple[Waiver, ...] | None = None
    follow_up_at: Timestamp | None = None


class Closing(Body):
    """How an approving decision ended."""

    type: Literal["APPLIED", "OVERTAKEN", "FAILED"]
    intent: str
    now: SlotStates
    displaced: tuple[str, ...] = ()
    why: str | None = None


class Observed(Body):
    """The registry was moved outside, somewhere within the window."""

    type: Literal["OBSERVED"] = "OBSERVED"
    was: SlotStates
    now: SlotStates
    gone: tuple[str, ...] = ()
    window: tuple[Timestamp, Timestamp]

    @property
    def is_unmoved(self) -> bool:
        """Does it tell of a deed that moved no version? `now` is then what was recorded before, and not what was seen."""
        return self.note is not None and self.was == self.now and not self.gone


class Imported(Body):
    """What a file tells of the time before the record. `by` imported it, `actor` is who did it then, as the file says.

    `now` are the holders afterwards, `was` those before, each only for the slots that the file speaks of. Where the file knows only
    a stretch, `window` is that stretch, and `effective_at` its beginning.
    """

    type: Literal["IMPORTED"] = "IMPORTED"
    of: Literal["REGISTERED", "REQUESTED", "WITHDRAWN", "DECIDED", "APPLIED", "FAILED", "FOLLOWED_UP"]
    effective_at: Timestamp
    source: Source
    actor: Actor
    window: tuple[Timestamp, Timestamp] | None = None
    verdict: Literal["approve", "reject", "changes"] | None = None
    outcome: Literal["right", "wrong"] | None = None
    from_: Stage | None = Field(default=None, alias="from")
    to: Stage | None = None
    was: SlotStates | None = None
    now: SlotStates | None = None
    lineage: Lineage | None = None


class Requested(Body):
    """Somebody asks to move a version."""

    type: Literal["REQUESTED"] = "REQUESTED"
    version: str
    identity: Identity
    from_: Stage = Field(alias="from")
    to: Stage
    reason: Reason
    risk: str = ""
    conditions: tuple[str, ...] = ()
    evidence: Evidence | None = None
    expires_at: Timestamp | None = None


class Withdrawn(Body):
    """Somebody takes a request back."""

    type: Literal["WITHDRAWN"] = "WITHDRAWN"
    request: str


class Frozen(Body):
    """The state of a run was committed; `dvc` names the data files by path with their hash."""

    type: Literal["FROZEN"] = "FROZEN"
    run_id: str
    git_commit: str
    dvc: dict[str, str] = Field(default_factory=dict)


class Corrected(Body):
    """What earlier entries (by id) say is to be read otherwise. They stay as they are."""

    type: Literal["CORRECTED"] = "CORRECTED"
    supersedes: tuple[str, ...] = Field(min_length=1)
    instead: Correction
    reason: Reason


class FollowedUp(Body):
    """How a decision (by id) turned out."""

    type: Literal["FOLLOWED_UP"] = "FOLLOWED_UP"
    decision: str
    outcome: Literal["right", "wrong"]
    reason: Reason


class Carry(LedgerValue):
    """What a book added up to when one of its volumes ended. Nobody decides by it: it is there to be compared and to be read alone.

    `wanted` are the holders the ledger wished for, `named` the slots that a decision ever spoke of, `open` the ids of open intents.
    """

    created: Timestamp | None = None
    now: SlotStates
    wanted: dict[Slot, tuple[str, ...]]
    named: tuple[Slot, ...] = ()
    open: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    registered: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class Volume(Body):
    """The book goes on in another run, `next`; the last entry of its volume."""

    type: Literal["VOLUME"] = "VOLUME"
    next: str
    carry: Carry


class UnknownBody(Body):
    """An entry whose type or shape this Podium does not know: shown, never trusted."""

    model: str = ""
    recorded_at: str = ""
    effective_at: str | None = None
    by: Actor = Actor(name="unknown")
    backend: BackendRef = BackendRef(kind="", uri="")


def canonical_json(body: Body) -> str:
    """The text an entry is hashed from: RFC 8785, absent fields absent."""
    return rfc8785.dumps(to_json(body)).decode()


def to_json(body: BaseModel) -> dict[str, Any]:
    """A body as JSON values, under the names of the contract, absent fields absent."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def to_json_number(value: float) -> Number:
    """A metric as JSON can hold it: NaN and the infinities become words."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
