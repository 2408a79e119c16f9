"""Podium's own files: the project folder it runs from, the folder in which it keeps what belongs to no backend, and how a file there is
changed: by one process at a time, and as a whole.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from lib.errors import Busy, NotWritable

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds app.py, lib and the demos."""


def podium_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> Path:
    """Podium's own folder: `PODIUM_HOME`, else .podium in the project.

    Raises NotWritable for a .podium of another login: what is in it could name any backend. `PODIUM_HOME` is a choice of this login.
    """
    if home := environment.get("PODIUM_HOME", "").strip():
        return Path(home).expanduser().absolute()
    folder = project / ".podium"
    if _belongs_to_another_login(folder):
        raise NotWritable(
            f"{folder} belongs to another login of this machine, so it is not used.",
            next="Set PODIUM_HOME to a folder of your own.",
        )
    return folder


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this login alone. One that is there stays as it is. Raises OSError."""
    missing_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing_folders):
        path.mkdir(mode=0o700, exist_ok=True)


def open_private_log(file: Path) -> BinaryIO:
    """Open a file that only this login can read, to add to its end; it is made if it is missing. Raises OSError."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


@contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """One change of a file at a time, over all processes; its folder is made if it is missing. Raises Busy, NotWritable."""
    try:
        make_private_folder(file.parent)
        lock = FileLock(file.with_name(f".{file.name}.lock"), timeout=5, mode=0o600)
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


def _belongs_to_another_login(folder: Path) -> bool:
    try:
        return os.name != "nt" and folder.lstat().st_uid != os.geteuid()
    except OSError:
        return False
