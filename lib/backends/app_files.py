"""Podium's own files: the project folder it runs from, the folder for data that belongs to no backend, and atomic changes of a file
by one process at a time.
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
"""The folder with app.py, lib and the demos."""


def podium_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> Path:
    """Podium's own folder: `PODIUM_HOME`, else .podium in the project.

    Raises NotWritable if .podium belongs to another user, who could point it at any backend. `PODIUM_HOME` is this user's own choice.
    """
    if home := environment.get("PODIUM_HOME", "").strip():
        return Path(home).expanduser().absolute()
    folder = project / ".podium"
    if _belongs_to_another_login(folder):
        raise NotWritable(
            f"{folder} belongs to another user on this machine, so it is not used.",
            next="Set PODIUM_HOME to a folder of your own.",
        )
    return folder


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents with access for this user only. An existing folder is left alone. Raises OSError."""
    missing_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing_folders):
        path.mkdir(mode=0o700, exist_ok=True)


def open_private_log(file: Path) -> BinaryIO:
    """Open a file that only this user can read for appending; create it if missing. Raises OSError."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


@contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Serialise changes of a file across processes; create its folder if missing. Raises Busy, NotWritable."""
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
    """Write a file that only this user can read, completely or not at all. Call it under a lock. Raises OSError.

    A durable write survives a power cut once this returns.
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
