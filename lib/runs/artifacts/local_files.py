"""Files of a run or model in a folder on this machine: listed and read in place, never outside that folder.

`files` decides whether a location is local and checks every path first. The targets of links inside the folder are checked here
because only the file system knows them.
"""

import stat
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lib.errors import ActionRefused, BackendError, NotFound, NotWritable


def folder_of_uri(uri: str) -> Path | None:
    """Return the local folder of an artifact URI; None for any other kind of location."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # "http://[x": not an address
        return None
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).absolute() if parts.netloc in ("", "localhost") else None
    is_drive = len(parts.scheme) == 1
    return Path(uri).absolute() if uri and (not parts.scheme or is_drive) else None


def own_root(folder: Path, owner_id: str) -> Path:
    """Return an artifact folder with links resolved above the run's or model's own part, and not below.

    MLflow created that part, so a link in it comes from elsewhere: `list_folder` and `read_file` refuse it like one inside.
    """
    parts = folder.parts
    depth = parts.index(owner_id) if owner_id in parts else len(parts) - 1
    try:
        return Path(*parts[:depth]).resolve() / Path(*parts[depth:])
    except (OSError, RuntimeError, ValueError):  # a loop, or an invalid folder name: reported on opening
        return folder


def has_link_out(root: Path) -> bool:
    """Whether a folder from `own_root`, or anything in it, is a link that leads out of it."""
    try:
        paths = [root, *(path for path in root.rglob("*") if path.is_symlink())]
        return any(not path.resolve().is_relative_to(root) for path in paths)
    except (OSError, RuntimeError, ValueError):
        return True


def list_folder(root: Path, path: str) -> list[tuple[str, bool, int | None]]:
    """List name, whether it is a folder, and size of the entries of a folder; empty if no file was ever logged.

    Raises NotFound if the folder does not exist, ActionRefused if a link leads out.
    """
    folder = _resolve_inside(root, path)
    if not folder.is_dir():
        if not path and not folder.exists():
            return []
        raise NotFound(f"{path or 'The artifact folder'} is not a folder on this machine.")
    try:
        return [_folder_entry(item) for item in folder.iterdir()]
    except PermissionError as error:
        raise _permission_error(path) from error


def read_file(root: Path, path: str, max_bytes: int) -> tuple[bytes, int]:
    """Return a file's bytes and size; no bytes if it exceeds `max_bytes`."""
    file = _resolve_inside(root, path)
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise NotFound(f"{path} is a folder, not a file.")
        if not stat.S_ISREG(status.st_mode):
            raise ActionRefused(f"{path} is not a regular file: reading it could block forever.")
        if status.st_size > max_bytes:
            return b"", status.st_size
        with file.open("rb") as source:
            data = source.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist.", next="It may have been removed since the list was read.") from error
    except PermissionError as error:
        raise _permission_error(path) from error
    return (data, len(data)) if len(data) <= max_bytes else (b"", len(data))


def _folder_entry(item: Path) -> tuple[str, bool, int | None]:
    try:
        status = item.stat()
    except OSError:  # a dangling link: listed here, reported on opening
        return item.name, False, None
    is_folder = stat.S_ISDIR(status.st_mode)
    return item.name, is_folder, None if is_folder else status.st_size


def _resolve_inside(root: Path, path: str) -> Path:
    try:
        resolved_path = (root / path).resolve()
    except (OSError, RuntimeError) as error:  # links form a loop
        raise BackendError(f"{path or 'The artifact folder'} is a loop of links.") from error
    except ValueError as error:  # a NUL character in the folder's name
        raise BackendError("The artifact folder has an invalid name.") from error
    if not resolved_path.is_relative_to(root):
        raise ActionRefused(
            f"{path or 'The artifact folder'} leads outside this run's folder.", next="Only files inside it are shown."
        )
    return resolved_path


def _permission_error(path: str) -> NotWritable:
    return NotWritable(f"{path or 'The artifact folder'} cannot be read.", next="Check its permissions.")
