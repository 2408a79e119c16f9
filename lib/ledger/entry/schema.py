"""Which shape a stored body has, and the published schema of all of them. Pure.

A body that fits no shape, of an unknown type or of another schema, becomes `UnknownBody`: what is known of it is shown, nothing is
trusted.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from lib.ledger.entry.fields import Timestamp
from lib.ledger.entry.schema_2_types import SCHEMA_2, PolicySet, Settlement
from lib.ledger.entry.types import (
    SCHEMA_1,
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
FirstSchemaBody = (
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
    | Volume
)
SecondSchemaBody = Settlement | PolicySet
"""Those of schema 2 that this Podium knows."""
_BODIES_BY_SCHEMA: Mapping[int, TypeAdapter[Any]] = {
    SCHEMA_1: TypeAdapter(Annotated[FirstSchemaBody, Field(discriminator="type")]),
    SCHEMA_2: TypeAdapter(Annotated[SecondSchemaBody, Field(discriminator="type")]),
}
_KNOWN_BODY: TypeAdapter[Any] = TypeAdapter(Annotated[FirstSchemaBody | SecondSchemaBody, Field(discriminator="type")])
_KNOWN_TYPES = frozenset(
    type_name
    for body_class in get_args(FirstSchemaBody | SecondSchemaBody)
    for type_name in get_args(body_class.model_fields["type"].annotation)
)
_READABLE_PARTS: Mapping[str, TypeAdapter[Any]] = {
    "by": TypeAdapter(Actor),
    "reason": TypeAdapter(Reason),
    "identity": TypeAdapter(Identity),
    "effective_at": TypeAdapter(Timestamp),
}
_SIGNATURE_SCHEMA = {
    "type": "object",
    "description": "Who signed the entry: an Ed25519 public key, and the signature, both base64url without padding.",
    "properties": {
        "key": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
        "value": {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}$"},
    },
    "required": ["key", "value"],
}
"""It is only published: whatever else stands in that place is read as it is, so that no signature changes what an entry says."""
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
    adapter = next((adapter for schema, adapter in _BODIES_BY_SCHEMA.items() if raw.get("schema") == schema), None)
    try:
        return adapter.validate_python(raw) if adapter else _unknown_body(raw)
    except ValidationError:
        return _unknown_body(raw)


def is_newer_body(body: Body) -> bool:
    """Is this an entry that a newer Podium knows and this one does not: of a later schema, or a further type of schema 2?"""
    return body.schema_ > SCHEMA_2 or (body.schema_ == SCHEMA_2 and body.type not in _KNOWN_TYPES)


def entry_json_schema() -> dict[str, Any]:
    """The JSON schema of an entry's body, as it is published: one shape for each type. Further fields are allowed."""
    schema = _KNOWN_BODY.json_schema(by_alias=True)
    for definition in schema["$defs"].values():
        if "recorded_at" in definition["properties"]:
            version = definition["properties"]["schema"].get("const", SCHEMA_1)
            definition["properties"] |= {"schema": {"const": version, "type": "integer"}, "sig": _SIGNATURE_SCHEMA}
            definition["required"] = sorted({"schema", "type", *definition["required"]})
    draft, title = "https://json-schema.org/draft/2020-12/schema", "A body of Podium's ledger, schemas 1 and 2"
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
