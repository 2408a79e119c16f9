"""Signatures of entries: what exactly is signed, by whose key, and whether it fits (contract §2). Pure.

Each Podium signs what it writes with an Ed25519 key of its own. A body carries `sig` {`key`, `value`}: the public key and the
signature, base64url without padding. Signed is where the entry stands, and the sha256 of its body without `sig`, so that a signature
fits in no other place, volume or book. Everything here may come from anyone: what is malformed fits nothing, and nothing raises.
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
"""By a key trusted here, by another one, not signed, or a signature that does not fit."""
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
"""The y of all points of small order (RFC 8032's curve): under such a key one signature fits every message."""


@dataclass(frozen=True)
class Signature:
    """The signature of an entry as its body carries it: public key and value, base64url without padding."""

    key: str
    value: str


@dataclass(frozen=True)
class SignedPosition:
    """Where an entry stands: the first run of its book, the run of its volume, its position and id, and the chain before it."""

    book_id: str
    run_id: str
    position: int
    entry_id: str
    previous_chain: str


@dataclass(frozen=True)
class KnownKey:
    """A public key that this Podium knows. `since` is when it was made or trusted, as a timestamp; empty when nobody noted that.

    `public_key` is its text as `sig` carries it; empty for a key that is known by its fingerprint alone.
    """

    fingerprint: str
    name: str = ""
    is_own: bool = False
    is_trusted: bool = True
    since: str = ""
    public_key: str = ""


@dataclass(frozen=True)
class TrustedKeys:
    """The keys that this Podium knows: its own, the current one first, then others by fingerprint, distrusted ones too."""

    keys: tuple[KnownKey, ...] = ()

    def find(self, fingerprint: str) -> KnownKey | None:
        """The key with this fingerprint."""
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)

    def trusts(self, fingerprint: str) -> bool:
        """Whether a name is verified that an entry under this key calls so."""
        key = self.find(fingerprint)
        return key is not None and key.is_trusted


NO_KEYS = TrustedKeys()


def trust_fingerprints(fingerprints: Iterable[str]) -> TrustedKeys:
    """Keys that somebody names by their fingerprints alone. Raises BadInput for what is no fingerprint."""
    return TrustedKeys(tuple(KnownKey(parse_fingerprint(text)) for text in dict.fromkeys(fingerprints)))


def key_fingerprint(key_text: str) -> str:
    """`SHA256:` and the base64 of the sha256 of a public key, given as `sig` carries it; empty for what is no key."""
    key = _decode_base64url(key_text, _KEY_TEXT)
    return _FINGERPRINT_PREFIX + base64.b64encode(hashlib.sha256(key).digest()).decode() if key else ""


def parse_fingerprint(text: str) -> str:
    """A fingerprint as a person typed it, with or without the padding at its end. Raises BadInput."""
    fingerprint = text.strip()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadInput(
            f"{clean_text(fingerprint)[:60] or 'Nothing'} is no fingerprint of a key.",
            next="One looks like SHA256:… and 44 letters, as keys show prints it.",
        )
    return fingerprint if fingerprint.endswith("=") else f"{fingerprint}="


def encode_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_body_text(body: Body, position: SignedPosition, private_key: "Ed25519PrivateKey") -> str:
    """The canonical text of a body with the signature of an entry at this position."""
    fields = {name: value for name, value in to_json(body).items() if name != SIGNATURE_FIELD}
    unsigned_sha256 = hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    signature = {
        "key": encode_base64url(private_key.public_key().public_bytes_raw()),
        "value": encode_base64url(private_key.sign(_statement(position, unsigned_sha256))),
    }
    return rfc8785.dumps({**fields, SIGNATURE_FIELD: signature}).decode()


def claims_signature(body: Body) -> bool:
    """Does a body carry something in the place of a signature, whatever it is?"""
    return SIGNATURE_FIELD in (body.model_extra or {})


def find_signature(body: Body) -> Signature | None:
    """The signature that a body carries; None for none, and for anything that is not written as one."""
    raw = (body.model_extra or {}).get(SIGNATURE_FIELD)
    if not isinstance(raw, dict) or set(raw) != {"key", "value"}:
        return None
    key, value = raw["key"], raw["value"]
    is_well_formed = isinstance(key, str) and isinstance(value, str) and _KEY_TEXT.fullmatch(key) and _VALUE_TEXT.fullmatch(value)
    return Signature(key, value) if is_well_formed else None


def hash_unsigned_text(text: str, body: Body) -> str:
    """The sha256 of the canonical text of a body without its signature; empty for a text that does not carry one as Podium writes it.

    Cutting the member out of the text is what writing the other members anew would give, and costs next to nothing.
    """
    signature = find_signature(body)
    member = f',"{SIGNATURE_FIELD}":{{"key":"{signature.key}","value":"{signature.value}"}}' if signature else ""
    if not member or text.count(member) != 1:
        return ""
    return hashlib.sha256(text.replace(member, "").encode("utf-8", "surrogatepass")).hexdigest()


def is_valid_signature(signature: Signature | None, position: SignedPosition, unsigned_sha256: str) -> bool:
    """Does a signature fit the body of an entry, in this very position? Says nothing about whose key it is."""
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
    """The bytes that are signed: RFC 8785."""
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
    """The bytes of a text in base64url; empty for another length, other characters, or bits at the end that mean nothing."""
    if not pattern.fullmatch(text):
        return b""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if encode_base64url(data) == text else b""


def _is_weak_key(key: bytes) -> bool:
    """A public key that is written in a second way, or a point of small order. Nobody's key generator makes one."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    return y >= _FIELD_PRIME or y in _SMALL_ORDER_Y
