"""Which shape a stored body has, and the published schema of all of them. Pure.

A body that fits no shape, of an unknown type or of another schema, becomes `UnknownBody`: what is known of it is shown, nothing is
trusted.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lib.ledger.entry.fields import Timestamp
from lib.ledger.entry.types import (
    SCHEMA_VERSION,
    Body,
    Closing,
    Corrected,
    Decided,
    FollowedUp,
    Frozen,
    Identity,
    Imported,
    Observed,
    Opened,
    Registered,
    Requested,
    UnknownBody,
    Volume,
    Withdrawn,
)
from lib.ledger.entry.vocabulary import Actor, Reason

_READABLE_FIELDS = ("type", "model", "recorded_at", "note", "version")
KnownBody = Annotated[
    Opened
    | Imported
    | Registered
    | Requested
    | Withdrawn
    | Decided
    | Closing
    | Observed
    | Frozen
    | Corrected
    | FollowedUp
    | Volume,
    Field(discriminator="type"),
]
"""Every entry of this schema, by its type."""
_KNOWN_BODY: TypeAdapter[Any] = TypeAdapter(KnownBody)
_READABLE_PARTS: Mapping[str, TypeAdapter[Any]] = {
    "by": TypeAdapter(Actor),
    "reason": TypeAdapter(Reason),
    "identity": TypeAdapter(Identity),
    "effective_at": TypeAdapter(Timestamp),
}
_MAX_EXACT_INTEGER = 2**53
"""From here on JSON knows no whole numbers, only doubles that have no decimals."""


def _parse_integer(digits: str) -> int | float:
    """A number written without decimals: a metric of 1e17 is written so, and must be one again to be written anew."""
    return int(digits) if abs(float(digits)) < _MAX_EXACT_INTEGER else float(digits)


def parse_body(text: str) -> Body:
    """The body in a canonical text; `UnknownBody` for everything that fits no shape. Never raises on foreign text."""
    try:
        raw = json.loads(text, parse_int=_parse_integer)
        json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        return UnknownBody(type="?", note="not readable")
    try:
        return _KNOWN_BODY.validate_python(raw) if raw.get("schema") == SCHEMA_VERSION else _unknown_body(raw)
    except ValidationError:
        return _unknown_body(raw)


def entry_json_schema() -> dict[str, Any]:
    """The JSON schema of an entry's body, as it is published: one shape for each type. Further fields are allowed."""
    schema = _KNOWN_BODY.json_schema(by_alias=True)
    for definition in schema["$defs"].values():
        if "recorded_at" in definition["properties"]:
            definition["properties"]["schema"] = {"const": SCHEMA_VERSION, "type": "integer"}
            definition["required"] = sorted({"schema", "type", *definition["required"]})
    draft, title = "https://json-schema.org/draft/2020-12/schema", "A body of Podium's ledger, schema 1"
    return {"$schema": draft, "title": title, **schema}


def _unknown_body(raw: dict[str, Any]) -> UnknownBody:
    """What can be read of a body that fits no shape, or belongs to another schema."""
    fields: dict[str, Any] = {name: raw[name] for name in _READABLE_FIELDS if isinstance(raw.get(name), str) and raw[name]}
    for name, adapter in _READABLE_PARTS.items():
        with suppress(ValidationError):
            fields |= {name: adapter.validate_python(raw[name])} if name in raw else {}
    fields |= {"sig": raw["sig"]} if "sig" in raw else {}
    schema = raw.get("schema")
    return UnknownBody(**{"type": "?", **fields, "schema": schema if isinstance(schema, int) else 0})
