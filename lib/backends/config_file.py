"""`backends.toml` as a file: read as text and TOML, and written atomically.

Its content is left to `backend_config` and `key_config`, which edit the text line by line to preserve comments.
"""

import stat
import tomllib
from pathlib import Path
from typing import Any

from lib.backends.app_files import write_private_file
from lib.errors import BadInput, Busy, NotWritable


def read_config_text(file: Path) -> str:
    """Return the text of the file, empty if it does not exist. Raises BadInput if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file.name} cannot be read ({type(error).__name__}).", next="Check its permissions and that it is UTF-8."
        ) from error


def parse_config_text(text: str, file: Path) -> dict[str, Any]:
    """Return the document in the text of a file. Raises BadInput if it is not valid TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{file.name} is not valid TOML ({error}).", next="Fix that line, or restore an earlier copy.") from error


def is_text_of(document: dict[str, Any], text: str, file: Path) -> bool:
    """Whether a text for the file parses to this document: an edit line by line must change nothing else. No table of backends is an
    empty one."""
    try:
        return {"backends": {}, **parse_config_text(text, file)} == {"backends": {}, **document}
    except BadInput:
        return False


def replace_config_text(file: Path, previous_text: str, text: str) -> None:
    """Write the file completely or not at all; only this user can read it unless it had other permissions.

    Call it under the file's lock. An editor does not take that lock, so the file is read once more immediately before it is replaced.

    Raises Busy if it no longer has the previous text, NotWritable.
    """
    if read_config_text(file) != previous_text:
        raise Busy(f"{file.name} was changed by another program at the same moment.", next="Check the change, then try again.")
    try:
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
        write_private_file(file, text.encode())
        if mode != 0o600:
            file.chmod(mode)
    except OSError as error:
        raise NotWritable(f"{file} cannot be written ({error.strerror}).", next="Check the permissions of its folder.") from error
