"""`backends.toml` as a file: read as text and TOML, changed by one process at a time, and written as a whole.

What stands in it is left to `backend_config` and `key_config`, which change its text line by line, so that people's comments stay.
"""

import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib.errors import BadInput, Busy, NotWritable


def read_config_text(file: Path) -> str:
    """The text of the file, empty when it is not there. Raises BadInput for one that cannot be read."""
    try:
        return file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file.name} cannot be read ({type(error).__name__}).", next="Check its rights and that it is UTF-8."
        ) from error


def parse_config_text(text: str, file: Path) -> dict[str, Any]:
    """The document in the text of a file. Raises BadInput for what is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{file.name} is not TOML ({error}).", next="Mend that line, or restore an earlier copy.") from error


def replace_config_text(file: Path, text: str) -> None:
    """Write the complete file or nothing. Raises NotWritable."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise NotWritable(f"{file} cannot be written ({error.strerror}).", next="Check the rights of its folder.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def lock_config_file(file: Path) -> Iterator[None]:
    """One change at a time, over all processes. Raises Busy, NotWritable."""
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
