"""Signatures of entries: what exactly is signed, by which key, and whether the signature is valid (contract §2). Pure.

Each Podium signs its entries with its own Ed25519 key. A body carries `sig` {`key`, `value`}: the public key and the signature, base64url
without padding. The signature covers the position of the entry and the sha256 of its body without `sig`, so it is not valid at any other
place, or in any other volume or book. All input may be foreign: malformed signatures are invalid, and nothing raises.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import rfc8785

from lib.errors import BadInput
from lib.ledger.entry.types import Body, to_json
from lib.text import clean_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SignatureStatus = Literal["trusted", "unknown", "none", "invalid"]
"""Signed by a trusted key, by another key, not signed, or with an invalid signature."""
SIGNATURE_FIELD = "sig"
_STATEMENT_VERSION = "entry 1"
_KEY_TEXT, _VALUE_TEXT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII), re.compile(r"[A-Za-z0-9_-]{86}", re.ASCII)
_FINGERPRINT_PREFIX, _FINGERPRINT = "SHA256:", re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?", re.ASCII)
_CACHED_CHECKS = 20_000
_FIELD_PRIME = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)
"""The y of all points of small order (RFC 8032's curve): with such a key, one signature is valid for every message."""


@dataclass(frozen=True)
class Signature:
    """The signature of an entry as its body carries it: public key and value, base64url without padding."""

    key: str
    value: str


@dataclass(frozen=True)
class SignedPosition:
    """The location of an entry: the first run of its book, the run of its volume, its position and id, and the chain before it."""

    book_id: str
    run_id: str
    position: int
    entry_id: str
    previous_chain: str


@dataclass(frozen=True)
class KnownKey:
    """A public key known to this Podium. `since` is the timestamp when it was created or trusted; empty if unknown.

    `public_key` is its text as in `sig`; empty for a key known only by its fingerprint.
    """

    fingerprint: str
    name: str = ""
    is_own: bool = False
    is_trusted: bool = True
    since: str = ""
    public_key: str = ""


@dataclass(frozen=True)
class TrustedKeys:
    """The keys known to this Podium: its own, the current one first, then others, including distrusted ones."""

    keys: tuple[KnownKey, ...] = ()

    def find(self, fingerprint: str) -> KnownKey | None:
        """The key with this fingerprint; None if unknown."""
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)

    def trusts(self, fingerprint: str) -> bool:
        """Is a name verified if an entry signed with this key says so?"""
        key = self.find(fingerprint)
        return key is not None and key.is_trusted


NO_KEYS = TrustedKeys()


def trust_fingerprints(fingerprints: Iterable[str]) -> TrustedKeys:
    """Trusted keys given only by their fingerprints. Raises BadInput for an invalid fingerprint."""
    return TrustedKeys(tuple(KnownKey(parse_fingerprint(text)) for text in dict.fromkeys(fingerprints)))


def key_fingerprint(key_text: str) -> str:
    """`SHA256:` and the base64 of the sha256 of a public key, in the format of `sig`; empty if it is not a key."""
    key = _decode_base64url(key_text, _KEY_TEXT)
    return _FINGERPRINT_PREFIX + base64.b64encode(hashlib.sha256(key).digest()).decode() if key else ""


def parse_fingerprint(text: str) -> str:
    """A fingerprint as typed, with or without padding. Raises BadInput if it is not valid."""
    fingerprint = text.strip()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadInput(
            f"{clean_text(fingerprint)[:60] or 'Nothing'} is not a valid key fingerprint.",
            next="A fingerprint is SHA256: followed by 44 characters, as printed by keys show.",
        )
    return fingerprint if fingerprint.endswith("=") else f"{fingerprint}="


def encode_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_body_text(body: Body, position: SignedPosition, private_key: "Ed25519PrivateKey") -> str:
    """The canonical text of a body, signed for this position."""
    fields = {name: value for name, value in to_json(body).items() if name != SIGNATURE_FIELD}
    unsigned_sha256 = hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    signature = {
        "key": encode_base64url(private_key.public_key().public_bytes_raw()),
        "value": encode_base64url(private_key.sign(_statement(position, unsigned_sha256))),
    }
    return rfc8785.dumps({**fields, SIGNATURE_FIELD: signature}).decode()


def claims_signature(body: Body) -> bool:
    """Does a body have a signature field, whatever its content?"""
    return SIGNATURE_FIELD in (body.model_extra or {})


def find_signature(body: Body) -> Signature | None:
    """The signature in a body; None if it is absent or malformed."""
    raw = (body.model_extra or {}).get(SIGNATURE_FIELD)
    if not isinstance(raw, dict) or set(raw) != {"key", "value"}:
        return None
    key, value = raw["key"], raw["value"]
    is_well_formed = isinstance(key, str) and isinstance(value, str) and _KEY_TEXT.fullmatch(key) and _VALUE_TEXT.fullmatch(value)
    return Signature(key, value) if is_well_formed else None


def hash_unsigned_text(text: str, body: Body) -> str:
    """The sha256 of the canonical text of a body without its signature; empty if the text has no signature in Podium's format.

    Cutting the member out of the text gives the same result as serializing the other members again, at almost no cost.
    """
    signature = find_signature(body)
    member = f',"{SIGNATURE_FIELD}":{{"key":"{signature.key}","value":"{signature.value}"}}' if signature else ""
    if not member or text.count(member) != 1:
        return ""
    return hashlib.sha256(text.replace(member, "").encode("utf-8", "surrogatepass")).hexdigest()


def is_valid_signature(signature: Signature | None, position: SignedPosition, unsigned_sha256: str) -> bool:
    """Is a signature valid for the body of an entry at exactly this position? Does not check whose key it is."""
    return signature is not None and unsigned_sha256 != "" and _fits(signature, position, unsigned_sha256)


@lru_cache(maxsize=_CACHED_CHECKS)
def _fits(signature: Signature, position: SignedPosition, unsigned_sha256: str) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, value = _decode_base64url(signature.key, _KEY_TEXT), _decode_base64url(signature.value, _VALUE_TEXT)
    if not key or not value or _is_weak_key(key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(value, _statement(position, unsigned_sha256))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _statement(position: SignedPosition, unsigned_sha256: str) -> bytes:
    """The signed bytes: canonical JSON (RFC 8785)."""
    return rfc8785.dumps(
        {
            "podium": _STATEMENT_VERSION,
            "book": position.book_id,
            "run": position.run_id,
            "place": position.position,
            "id": position.entry_id,
            "previous": position.previous_chain,
            "body": unsigned_sha256,
        }
    )


def _decode_base64url(text: str, pattern: re.Pattern[str]) -> bytes:
    """Decode base64url; empty for a wrong length, invalid characters, or unused bits at the end."""
    if not pattern.fullmatch(text):
        return b""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if encode_base64url(data) == text else b""


def _is_weak_key(key: bytes) -> bool:
    """Is this a non-canonical encoding of a public key, or a point of small order? No key generator produces these."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    return y >= _FIELD_PRIME or y in _SMALL_ORDER_Y
