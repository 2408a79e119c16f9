"""Parses stored bodies and publishes the schema of all types. Pure.

A body of an unknown type, shape or schema becomes `UnknownBody`: its readable parts are shown, nothing is trusted.
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
"""The types of schema 2 known to this Podium."""
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
    "description": "The signature of the entry: an Ed25519 public key and the signature, both base64url without padding.",
    "properties": {
        "key": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
        "value": {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}$"},
    },
    "required": ["key", "value"],
}
"""Only published, not enforced: any other content of the field is accepted, so that a signature never changes what an entry says."""
_MAX_EXACT_INTEGER = 2**53
"""Beyond this, JSON integers are no longer exact, only doubles without decimals."""


def _parse_integer(digits: str) -> int | float:
    """Parse a number without decimals. A large float such as 1e17 is written that way and must become a float again."""
    return int(digits) if abs(float(digits)) < _MAX_EXACT_INTEGER else float(digits)


def parse_body(text: str) -> Body:
    """Parse the body in a canonical text; `UnknownBody` if it matches no known shape. Never raises on foreign text."""
    try:
        raw = json.loads(text, parse_int=_parse_integer)
        json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair is not valid text
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
    """Does this entry require a newer Podium: a later schema, or an unknown type of schema 2?"""
    return body.schema_ > SCHEMA_2 or (body.schema_ == SCHEMA_2 and body.type not in _KNOWN_TYPES)


def entry_json_schema() -> dict[str, Any]:
    """The published JSON schema of entry bodies: one shape per type. Additional fields are allowed."""
    schema = _KNOWN_BODY.json_schema(by_alias=True)
    for definition in schema["$defs"].values():
        if "recorded_at" in definition["properties"]:
            version = definition["properties"]["schema"].get("const", SCHEMA_1)
            definition["properties"] |= {"schema": {"const": version, "type": "integer"}, "sig": _SIGNATURE_SCHEMA}
            definition["required"] = sorted({"schema", "type", *definition["required"]})
    draft, title = "https://json-schema.org/draft/2020-12/schema", "A body of Podium's ledger, schemas 1 and 2"
    return {"$schema": draft, "title": title, **schema}


def _unknown_body(raw: dict[str, Any]) -> UnknownBody:
    """The readable parts of a body with an unknown shape or schema."""
    fields: dict[str, Any] = {name: raw[name] for name in _READABLE_FIELDS if isinstance(raw.get(name), str) and raw[name]}
    for name, adapter in _READABLE_PARTS.items():
        with suppress(ValidationError):
            fields |= {name: adapter.validate_python(raw[name])} if name in raw else {}
    fields |= {"sig": raw["sig"]} if "sig" in raw else {}
    schema = raw.get("schema")
    return UnknownBody(**{"type": "?", **fields, "schema": schema if isinstance(schema, int) else 0})
