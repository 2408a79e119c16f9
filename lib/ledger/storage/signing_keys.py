"""The signing key of this Podium: provided by the operator, or created at the first write and stored in Podium's own folder.

    PODIUM_HOME/keys/signing.pem        the private key, 0600 in a folder of 0700
    PODIUM_HOME/keys/‹sha256›.json      the public part of this key and of each earlier one, and since when

The file is read for every signature, so that a rotation takes effect at once in all processes. It is written to a temporary file and
renamed, so that no reader sees a partial one. The private key never appears in a repr, an exception or an entry. Any problem with it raises
NotWritable: what cannot be signed is not written.
"""

import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lib.backends.app_files import PROJECT_FOLDER, make_private_folder, podium_home, write_private_file
from lib.backends.signing_secret import KEY_FILE_VARIABLE, KEY_VARIABLE, given_value
from lib.errors import ActionRefused, Busy, NotWritable
from lib.ledger.chain.signatures import encode_base64url, key_fingerprint
from lib.ledger.entry.timestamps import format_timestamp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEYS_FOLDER, KEY_FILE = "keys", "signing.pem"
_MAX_FILE_BYTES = 16_384
_LOCK_SECONDS = 10
_UNSIGNED_NOTE_PRINTED = threading.Event()


@dataclass(frozen=True)
class OwnKey:
    """The public part of a key of this Podium, in the format of `sig`. `since` is a timestamp, empty if unknown."""

    public_key: str
    since: str = ""

    @property
    def fingerprint(self) -> str:
        return key_fingerprint(self.public_key)


@dataclass(frozen=True)
class Signer:
    """Signs the entries of a process with the provided key, else with the one in its folder, created at the first signature.

    In CI without a provided key it signs nothing: a key discarded with its machine would prove nothing.
    """

    home: Path
    is_ci: bool
    clock: Callable[[], datetime] = field(compare=False, repr=False)

    def load_key(self) -> "Ed25519PrivateKey | None":
        """The private key to sign with; None if entries stay unsigned. Raises NotWritable if the key cannot be used."""
        key = read_given_key()
        if key is None and self.is_ci:
            _print_unsigned_note()
            return None
        key = key or read_key_file(self.home) or create_key(self)
        with suppress(NotWritable, Busy):  # a container may not be able to store the public part, but signs anyway
            record_public_key(self.home, _public_part(key, self))
        return key


def create_signer(environment: Mapping[str, str], clock: Callable[[], datetime], project: Path = PROJECT_FOLDER) -> Signer:
    """The signer for a process with this environment. Neither reads nor creates a key."""
    is_ci = environment.get("CI", "").strip().lower() not in ("", "0", "false")
    return Signer(podium_home(environment, project), is_ci, clock)


def read_given_key() -> "Ed25519PrivateKey | None":
    """The key from the environment or the file it names; None if neither is set. Raises NotWritable if it is not a valid key."""
    if path := given_value(KEY_FILE_VARIABLE):
        data = _read_file(Path(path), KEY_FILE_VARIABLE, is_mounted=True)
        if data is None:
            raise _key_error(f"{KEY_FILE_VARIABLE} names a file that does not exist.", "Mount the secret, or unset the variable.")
        return _parse_key(data, KEY_FILE_VARIABLE)
    text = given_value(KEY_VARIABLE).replace("\\n", "\n")
    return _parse_key(text.encode("utf-8", "surrogateescape"), KEY_VARIABLE) if text else None


def read_key_file(home: Path) -> "Ed25519PrivateKey | None":
    """The key in Podium's folder; None if there is none yet. Raises NotWritable if other users can read it, or it is not a valid key."""
    file = home / KEYS_FOLDER / KEY_FILE
    data = _read_file(file, str(file))
    return None if data is None else _parse_key(data, str(file))


def create_key(signer: Signer) -> "Ed25519PrivateKey":
    """Create the key of a folder. Of several concurrent processes, one creates it and the others read it. Raises NotWritable, Busy."""
    with _lock_folder(signer.home) as folder:
        return read_key_file(signer.home) or _write_new_key(signer, folder)


def rotate_key(signer: Signer) -> OwnKey:
    """Sign with a new key from now on. Earlier entries keep their signatures, and this Podium continues to trust them.

    Raises ActionRefused if the key comes from the environment, NotWritable, Busy.
    """
    if given_by := next((name for name in (KEY_FILE_VARIABLE, KEY_VARIABLE) if given_value(name)), ""):
        raise ActionRefused(
            f"The key of this Podium comes from {given_by}.",
            next="Put a new key into that secret. Create one with openssl genpkey -algorithm ed25519.",
        )
    with _lock_folder(signer.home) as folder:
        with suppress(NotWritable):  # an unusable key is replaced, too
            if (present_key := read_key_file(signer.home)) is not None:
                _write_record(folder, _public_part(present_key, signer))
        return _public_part(_write_new_key(signer, folder), signer)


def record_public_key(home: Path, key: OwnKey) -> None:
    """Store the public part of a key, unless already stored. Raises NotWritable, Busy."""
    if not _record_file(home / KEYS_FOLDER, key).exists():
        with _lock_folder(home) as folder:
            _write_record(folder, key)


def read_own_keys(home: Path) -> tuple[OwnKey, ...]:
    """The public parts of all keys this Podium ever had, newest first. Invalid files are skipped."""
    keys = list[OwnKey]()
    with suppress(OSError):
        for file in sorted((home / KEYS_FOLDER).glob("*.json")):
            with suppress(OSError, ValueError, AttributeError, RecursionError):
                record = json.loads(file.read_bytes()[:_MAX_FILE_BYTES])
                keys.append(OwnKey(str(record.get("key", "")), str(record.get("since", ""))))
    return tuple(sorted((key for key in keys if key.fingerprint), key=lambda key: key.since, reverse=True))


def read_current_key(home: Path) -> str:
    """The public part of the key this process signs with, in the format of `sig`; empty if it has none yet.

    Raises NotWritable if the key cannot be used.
    """
    key = read_given_key() or read_key_file(home)
    return _public_text(key) if key else ""


def _read_file(path: Path, label: str, *, is_mounted: bool = False) -> bytes | None:
    """The bytes of a key file; None if it does not exist. A mounted secret may be a link, and only its operator sets its permissions."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if is_mounted else getattr(os, "O_NOFOLLOW", 0))
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        hint = "Replace the link by a regular file." if not is_mounted and path.is_symlink() else "Check its permissions."
        raise _key_error(f"The signing key ({label}) cannot be read: {error.strerror}.", hint) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE_BYTES:
            raise _key_error(f"The signing key ({label}) is not a key file.", "Use the PEM file of an Ed25519 key.")
        excess_rights = status.st_mode & (0o022 if is_mounted else 0o077)
        if excess_rights and os.name != "nt":
            right = "changed" if is_mounted else "read"
            raise _key_error(f"The signing key ({label}) can be {right} by other users of this machine.", f"Run chmod 600 {path}")
        return os.read(descriptor, _MAX_FILE_BYTES)
    finally:
        os.close(descriptor)


def _parse_key(data: bytes, label: str) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _key_error(
            f"The signing key ({label}) is not an unencrypted Ed25519 key in PEM format.",
            "Create one with openssl genpkey -algorithm ed25519, or in Podium's folder with keys rotate.",
        )
    return key


def _write_new_key(signer: Signer, folder: Path) -> "Ed25519PrivateKey":
    """Create a key. Its public part is stored first, so that no signature is ever by an unknown key. Call this under the lock."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    _write_record(folder, _public_part(key, signer))
    _write_whole_file(folder / KEY_FILE, _to_pem(key))
    return key


def _to_pem(key: "Ed25519PrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_part(key: "Ed25519PrivateKey", signer: Signer) -> OwnKey:
    """The public part of a key, with the present time as `since`."""
    return OwnKey(_public_text(key), format_timestamp(signer.clock()))


def _public_text(key: "Ed25519PrivateKey") -> str:
    return encode_base64url(key.public_key().public_bytes_raw())


def _record_file(folder: Path, key: OwnKey) -> Path:
    return folder / f"{sha256(key.public_key.encode()).hexdigest()[:32]}.json"


def _write_record(folder: Path, key: OwnKey) -> None:
    if not (file := _record_file(folder, key)).exists():
        _write_whole_file(file, json.dumps({"key": key.public_key, "since": key.since}).encode())


def _write_whole_file(file: Path, data: bytes) -> None:
    """Write a complete file. Call this under the lock."""
    try:
        write_private_file(file, data)
    except OSError as error:
        raise _key_error(f"{file.parent} cannot be written: {error.strerror}.", "Set PODIUM_HOME to another folder.") from error


@contextmanager
def _lock_folder(home: Path) -> Iterator[Path]:
    """The key folder, created if missing, locked for one process at a time. Raises NotWritable, Busy."""
    folder = home / KEYS_FOLDER
    try:
        make_private_folder(home)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        is_safe = stat.S_ISDIR(status.st_mode) and (os.name == "nt" or not status.st_mode & 0o022)
        lock = FileLock(folder / ".lock", timeout=_LOCK_SECONDS, mode=0o600)
        if is_safe:
            lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise Busy("Another process is taking too long to create a signing key.", next="Try again.") from error
        raise _key_error(
            f"{folder} cannot be created: {error.strerror}.", f"Set PODIUM_HOME to another folder, or {KEY_FILE_VARIABLE}."
        ) from error
    if not is_safe:
        raise _key_error(f"{folder} is not a private folder of this user.", f"Run chmod 700 {folder}")
    try:
        yield folder
    finally:
        lock.release()


def _key_error(what: str, hint: str) -> NotWritable:
    return NotWritable(what, means="Without its key, Podium writes nothing to the record.", next=hint)


def _print_unsigned_note() -> None:
    """Print once per process that its entries are not signed."""
    if not _UNSIGNED_NOTE_PRINTED.is_set():
        _UNSIGNED_NOTE_PRINTED.set()
        note = f"CI is set and no signing key is given, so these entries are not signed. Set {KEY_FILE_VARIABLE} to sign them."
        print(f"podium: {note}", file=sys.stderr)
