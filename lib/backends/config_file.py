"""`backends.toml` as a file: read as text and TOML, and written as a whole.

What stands in it is left to `backend_config` and `key_config`, which change its text line by line, so that people's comments stay.
"""

import stat
import tomllib
from pathlib import Path
from typing import Any

from lib.backends.app_files import write_private_file
from lib.errors import BadInput, NotWritable


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
    """Write the complete file or nothing; only this login can read it, unless its rights were others before. Raises NotWritable."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
        write_private_file(file, text.encode())
        if mode != 0o600:
            file.chmod(mode)
    except OSError as error:
        raise NotWritable(f"{file} cannot be written ({error.strerror}).", next="Check the rights of its folder.") from error
