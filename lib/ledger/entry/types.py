"""The shapes of ledger entries, schema 1 (contract §2; published in docs/entries.schema.json). Those of schema 2: `schema_2_types`. Pure.

Podium validates what it writes. What it reads may come from anyone; `schema` determines the type.
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
    """The identity of a version, since numbers restart when a model is re-created. `created` is the store's time."""

    created: str
    run_id: str = ""


class SlotState(LedgerValue):
    """The state of one slot: the version its alias points to, and the versions in its stage."""

    alias: str | None = None
    stage: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """Every version named by the alias or in the stage, in that order."""
        return tuple(dict.fromkeys([*([self.alias] if self.alias else []), *self.stage]))


SlotStates = dict[Slot, SlotState]
EMPTY_SLOT_STATES: Mapping[Slot, SlotState] = {slot: SlotState() for slot in SLOTS}


class Lineage(LedgerValue):
    """The origin of a version, stored by value so that it outlives its run. Hashes are sha256 in hex.

    `artifact` hashes the file list of the model in the format of `sha256sum`, sorted by name.
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
    """The fields common to all entries."""

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
    """The record of this model begins, or begins again."""

    type: Literal["OPENED"] = "OPENED"
    why: Literal["first look", "re-created", "deleted"]
    created: Timestamp | None = None
    now: SlotStates
    versions: dict[str, Identity] = Field(default_factory=dict)


class Registered(Body):
    """A version was registered."""

    type: Literal["REGISTERED"] = "REGISTERED"
    version: str
    identity: Identity
    lineage: Lineage = Lineage()


class Decided(Body):
    """A person approved, rejected or asked for changes. An approving decision is the intent to move.

    `slots` are the slots concerned: the one it fills and those its version held.
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
    """The registry was changed outside Podium, at some time within the window."""

    type: Literal["OBSERVED"] = "OBSERVED"
    was: SlotStates
    now: SlotStates
    gone: tuple[str, ...] = ()
    window: tuple[Timestamp, Timestamp]

    @property
    def is_unmoved(self) -> bool:
        """Does it report an action that moved no version? Then `now` is the previously recorded state, not an observation."""
        return self.note is not None and self.was == self.now and not self.gone


class Imported(Body):
    """An entry imported from a file, from before the record began. `by` imported it, `actor` did it originally, according to the file.

    `now` are the holders afterwards, `was` those before, each only for slots the file mentions. If the file gives only a period, `window`
    is that period and `effective_at` its start.
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
    """A person requests to move a version."""

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
    """A person withdraws a request."""

    type: Literal["WITHDRAWN"] = "WITHDRAWN"
    request: str


class Frozen(Body):
    """The state of a run was committed; `dvc` maps the paths of data files to their hashes."""

    type: Literal["FROZEN"] = "FROZEN"
    run_id: str
    git_commit: str
    dvc: dict[str, str] = Field(default_factory=dict)


class Corrected(Body):
    """A correction of earlier entries (by id), which stay unchanged."""

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
    """The state of a book at the end of a volume. For comparison and information only; no decision depends on it.

    `wanted` are the desired holders, `named` the slots that any decision concerned, `open` the ids of open intents.
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
    """The book continues in another run, `next`. The last entry of its volume."""

    type: Literal["VOLUME"] = "VOLUME"
    next: str
    carry: Carry


class UnknownBody(Body):
    """An entry of a type or shape unknown to this Podium: shown, never trusted."""

    model: str = ""
    recorded_at: str = ""
    effective_at: str | None = None
    by: Actor = Actor(name="unknown")
    backend: BackendRef = BackendRef(kind="", uri="")


def canonical_json(body: Body) -> str:
    """The text from which an entry is hashed: RFC 8785, without absent fields."""
    return rfc8785.dumps(to_json(body)).decode()


def to_json(body: BaseModel) -> dict[str, Any]:
    """A body as JSON values, under the names of the contract, without absent fields."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def to_json_number(value: float) -> Number:
    """A metric as a JSON value: NaN and the infinities become strings."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
