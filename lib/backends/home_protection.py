"""Podium's own folder is for its login alone: what an earlier Podium left readable for others is closed when a process starts.

Job logs, addresses and what was seen of records are in it. What belongs to another login is left as it is.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER, podium_home

_OWN_NAMES = frozenset({"jobs", "servers", "keys", "backends", "mapped", "known-heads"})
"""What Podium makes in its folder, by what comes before the first dot of a name."""


def protect_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> None:
    """Take all rights of other logins from Podium's folder and what Podium made in it. Raises NotWritable as `podium_home` does.

    A folder that holds other things too keeps its own rights: somebody may have named one that is more than Podium's.
    """
    home = podium_home(environment, project)
    if os.name == "nt" or not _is_open_to_others(home):
        return
    with suppress(OSError):  # what cannot be closed is used as it is: nothing else depends on it
        entries = list(home.iterdir())
        own_entries = [entry for entry in entries if entry.name.lstrip(".").partition(".")[0] in _OWN_NAMES]
        for entry in own_entries:
            _close_to_others(entry)
        if len(own_entries) == len(entries):
            home.chmod(0o700)


def _close_to_others(path: Path) -> None:
    if not _is_open_to_others(path):  # then nobody else gets at what is in it
        return
    if path.is_dir():
        for entry in path.iterdir():
            _close_to_others(entry)
    path.chmod(0o700 if path.is_dir() else 0o600)


def _is_open_to_others(path: Path) -> bool:
    """Whether other logins have rights on a file or folder of this login. A link is not followed."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_file_or_folder = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return is_file_or_folder and status.st_uid == os.geteuid() and bool(status.st_mode & 0o077)
