"""Podium's own files: the project folder it runs from, the folder in which it keeps what belongs to no backend, and how a file there is
changed: by one process at a time, and as a whole.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lib.errors import Busy, NotWritable

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds app.py, lib and the demos."""


def podium_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> Path:
    """Podium's own folder: `PODIUM_HOME`, else .podium in the project."""
    home = environment.get("PODIUM_HOME", "").strip()
    return Path(home).expanduser().absolute() if home else project / ".podium"


@contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """One change of a file at a time, over all processes; its folder is made if it is missing. Raises Busy, NotWritable."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_name(f".{file.name}.lock"), timeout=5)
        lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise Busy(f"{file.name} is being changed by another process.", next="Try again in a moment.") from error
        raise NotWritable(
            f"{file.parent} cannot be written ({error.strerror}).", next="Set PODIUM_HOME to another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_private_file(file: Path, data: bytes, *, is_durable: bool = True) -> None:
    """Write a file that only this login can read; it appears as a whole or not at all. To be called under a lock. Raises OSError.

    A durable one outlives a power cut once this returns.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(data)
            target.flush()
            if is_durable:
                os.fsync(target.fileno())
        temporary.replace(file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
