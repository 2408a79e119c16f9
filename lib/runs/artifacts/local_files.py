"""Files of a run or model that lie in a folder of this machine: listed and read in place, never outside that folder.

`files` decides whether a location is local at all; it also checks every path first. What a link inside the folder leads to is
checked here, because only the file system knows.
"""

import stat
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lib.errors import ActionRefused, BackendError, NotFound, NotWritable


def folder_of_uri(uri: str) -> Path | None:
    """The folder of this machine that an artifact URI names; None when it names another kind of location."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # "http://[x": no address at all
        return None
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).absolute() if parts.netloc in ("", "localhost") else None
    is_drive = len(parts.scheme) == 1
    return Path(uri).absolute() if uri and (not parts.scheme or is_drive) else None


def own_root(folder: Path, owner_id: str) -> Path:
    """A folder of files with the links above what belongs to its run or model resolved, and none from there on.

    MLflow made that part, so a link in it was put there by somebody else: `list_folder` and `read_file` refuse it like one inside.
    """
    parts = folder.parts
    depth = parts.index(owner_id) if owner_id in parts else len(parts) - 1
    try:
        return Path(*parts[:depth]).resolve() / Path(*parts[depth:])
    except (OSError, RuntimeError, ValueError):  # a circle, or a name that no folder can have: reported when it is opened
        return folder


def has_link_out(root: Path) -> bool:
    """Whether a folder, as `own_root` gives it, or anything in it is a link that leads out of it."""
    try:
        paths = [root, *(path for path in root.rglob("*") if path.is_symlink())]
        return any(not path.resolve().is_relative_to(root) for path in paths)
    except (OSError, RuntimeError, ValueError):
        return True


def list_folder(root: Path, path: str) -> list[tuple[str, bool, int | None]]:
    """Name, whether it is a folder, and size of what lies in a folder; nothing when no file was ever logged.

    Raises NotFound for a folder that is not there, ActionRefused for one that a link leads out to.
    """
    folder = _resolve_inside(root, path)
    if not folder.is_dir():
        if not path and not folder.exists():
            return []
        raise NotFound(f"{path or 'The folder of files'} is no folder here.")
    try:
        return [_folder_entry(item) for item in folder.iterdir()]
    except PermissionError as error:
        raise _permission_error(path) from error


def read_file(root: Path, path: str, max_bytes: int) -> tuple[bytes, int]:
    """At most `max_bytes` of a file, and its whole size; no byte at all of a larger one."""
    file = _resolve_inside(root, path)
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise NotFound(f"{path} is a folder, not a file.")
        if not stat.S_ISREG(status.st_mode):
            raise ActionRefused(f"{path} is no plain file: reading it could wait for ever.")
        if status.st_size > max_bytes:
            return b"", status.st_size
        with file.open("rb") as source:
            data = source.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is not there.", next="It may have been removed since the list was read.") from error
    except PermissionError as error:
        raise _permission_error(path) from error
    return (data, len(data)) if len(data) <= max_bytes else (b"", len(data))


def _folder_entry(item: Path) -> tuple[str, bool, int | None]:
    try:
        status = item.stat()
    except OSError:  # a link to nowhere: it is listed, and reported when it is opened
        return item.name, False, None
    is_folder = stat.S_ISDIR(status.st_mode)
    return item.name, is_folder, None if is_folder else status.st_size


def _resolve_inside(root: Path, path: str) -> Path:
    try:
        resolved_path = (root / path).resolve()
    except (OSError, RuntimeError) as error:  # links that lead round in a circle
        raise BackendError(f"{path or 'The folder of files'} leads round in a circle.") from error
    except ValueError as error:  # a zero character in the name of the folder
        raise BackendError("The folder of files has a name that no folder can have.") from error
    if not resolved_path.is_relative_to(root):
        raise ActionRefused(
            f"{path or 'The folder of files'} leads out of the folder of this run.", next="Only files inside it are shown."
        )
    return resolved_path


def _permission_error(path: str) -> NotWritable:
    return NotWritable(f"{path or 'The folder of files'} may not be read here.", next="Check the rights of the file.")
