"""The shapes of ledger entries, schema 1 (contract §2). Pure.

What Podium writes is checked on the way in; what it reads may come from anyone, so a body that fits no shape becomes `Other`
and is shown, never trusted.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lib.ledger.words import SLOTS, Actor, Reason, Slot, Stage, as_time

SCHEMA = 1
Number = float | int | str
"""A JSON number, or one of the strings NaN, Infinity, -Infinity."""


def _moment(text: str) -> str:
    """A time with its zone; anything else makes the entry one that nobody can understand."""
    as_time(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A time as `words.as_text` writes it."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="allow")


class Place(_Value):
    """The backend an entry was written through; the URI carries no credentials."""

    kind: str
    uri: str
    versions: dict[str, str] = {}


class Identity(_Value):
    """What makes a version itself: numbers restart when a model is made anew. `created` is a time of the store."""

    created: str
    run_id: str = ""


class Held(_Value):
    """What one slot shows: the version its alias points to, and the versions that stand in its stage."""

    alias: str | None = None
    stage: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """Every version that the alias or the stage names, in that order."""
        return tuple(dict.fromkeys([*([self.alias] if self.alias else []), *self.stage]))


Now = dict[Slot, Held]
NOTHING: Mapping[Slot, Held] = {slot: Held() for slot in SLOTS}


class Lineage(_Value):
    """Where a version comes from, by value, so that it outlives its run. Hashes are sha256 in hex.

    `artifact` hashes the list of files of the model as `sha256sum` prints it, sorted by name.
    """

    run_id: str = ""
    run_name: str = ""
    metrics: dict[str, Number] = {}
    parameters: str = ""
    data: dict[str, str] = {}
    git_commit: str = ""
    environment: str = ""
    signature: str = ""
    artifact: str = ""
    missing: str = ""


class Body(_Value):
    """What every entry says."""

    schema_: int = Field(default=SCHEMA, alias="schema")
    type: str
    model: str
    recorded_at: Moment
    by: Actor
    backend: Place
    version: str | None = None
    identity: Identity | None = None
    reason: Reason | None = None
    effective_at: Moment | None = None
    caused_by: str | None = None
    note: str | None = None


class Opened(Body):
    """The record of this model begins, or begins anew."""

    type: Literal["OPENED"] = "OPENED"
    why: Literal["first look", "re-created", "deleted"]
    created: Moment | None = None
    now: Now
    versions: dict[str, Identity] = {}


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


class Closing(Body):
    """How an approving decision ended."""

    type: Literal["APPLIED", "OVERTAKEN", "FAILED"]
    intent: str
    now: Now
    displaced: tuple[str, ...] = ()
    why: str | None = None


class Observed(Body):
    """The registry was moved outside, somewhere within the window."""

    type: Literal["OBSERVED"] = "OBSERVED"
    was: Now
    now: Now
    gone: tuple[str, ...] = ()
    window: tuple[Moment, Moment]


class Carry(_Value):
    """What a book added up to when one of its volumes ended. Nobody decides by it: it is there to be compared and to be read alone.

    `wanted` are the holders the ledger wished for, `named` the slots that a decision ever spoke of, `open` the ids of open intents.
    """

    created: Moment | None = None
    now: Now
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


class Other(Body):
    """An entry whose type or shape this Podium does not know: shown, never trusted."""

    model: str = ""
    recorded_at: str = ""
    effective_at: str | None = None
    by: Actor = Actor(name="unknown")
    backend: Place = Place(kind="", uri="")


_SHOWN = ("type", "model", "recorded_at", "note", "version")
Known = Annotated[Opened | Registered | Decided | Closing | Observed | Volume, Field(discriminator="type")]
_KNOWN: TypeAdapter[Any] = TypeAdapter(Known)


def parse(text: str) -> Body:
    """The body in a canonical text; `Other` for everything that fits no shape. Never raises on foreign text."""
    try:
        raw = json.loads(text)
        json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        return Other(type="?", note="not readable")
    try:
        return _KNOWN.validate_python(raw) if raw.get("schema") == SCHEMA else _other(raw)
    except ValidationError:
        return _other(raw)


def canonical(body: Body) -> str:
    """The text an entry is hashed from: RFC 8785, absent fields absent."""
    return rfc8785.dumps(plain(body)).decode()


def plain(body: BaseModel) -> dict[str, Any]:
    """A body as JSON values, under the names of the contract, absent fields absent."""
    return body.model_dump(mode="json", by_alias=True, exclude_none=True)


def number(value: float) -> Number:
    """A metric as JSON can hold it: NaN and the infinities become words."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _other(raw: dict[str, Any]) -> Other:
    kept: dict[str, Any] = {name: raw[name] for name in _SHOWN if isinstance(raw.get(name), str) and raw[name]}
    schema = raw.get("schema")
    return Other(**{"type": "?", **kept, "schema": schema if isinstance(schema, int) else 0})
