"""Signing entries in tests by the words of the contract alone, with none of Podium's own code, and signers with keys of their own."""

import base64
import hashlib
from datetime import UTC, datetime

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ulid import ULID

from lib.ledger.storage.signing_keys import Signer


def make_private_key(name):
    """A key that is the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def fingerprint_of(private_key):
    return f"SHA256:{base64.b64encode(hashlib.sha256(private_key.public_key().public_bytes_raw()).digest()).decode()}"


def key_text_of(private_key):
    return to_base64url(private_key.public_key().public_bytes_raw())


def to_base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def make_signer(folder, is_ci=False):
    """The signer of a Podium whose folder is this one."""
    return Signer(folder, is_ci, lambda: datetime.now(UTC))


def sign_fields(fields, private_key, statement):
    """The members of a body with their signature. `statement` is what is signed besides the body's hash."""
    body = {name: value for name, value in fields.items() if name != "sig"}
    signed = {"podium": "entry 1", **statement, "body": hashlib.sha256(rfc8785.dumps(body)).hexdigest()}
    return {**body, "sig": {"key": key_text_of(private_key), "value": to_base64url(private_key.sign(rfc8785.dumps(signed)))}}


def next_statement(book, entry_id):
    """What is signed of the next entry of a book, besides its body's hash."""
    return {
        "book": book.volumes[0].run_id,
        "run": book.volumes[-1].run_id,
        "place": book.head + 1,
        "id": entry_id,
        "previous": book.tip,
    }


def make_param(book, fields, private_key=None, changes=None):
    """Key and value of the next place of a book, signed if there is a key; `changes` of what is signed make it not fit."""
    entry_id = str(ULID())
    if private_key:
        fields = sign_fields(fields, private_key, next_statement(book, entry_id) | (changes or {}))
    text = rfc8785.dumps(fields).decode()
    return make_text_param(book, text, entry_id)


def make_text_param(book, text, entry_id=""):
    """Key and value of the next place of a book with this text as its body, well chained."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    chain = hashlib.sha256(f"{book.tip}{sha256}".encode()).hexdigest()
    return f"{book.head + 1:06d}", f"{entry_id or ULID()} {sha256} {chain} {text}"
