"""Restrict Podium's own folder to its user: at start, files that an earlier Podium left readable to others are closed.

The folder contains job logs, addresses and known heads of records. Files of other users are left alone.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER, podium_home

_OWN_NAMES = frozenset({"jobs", "servers", "keys", "backends", "mapped", "known-heads"})
"""Names that Podium creates in its folder, up to the first dot."""


def protect_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> None:
    """Revoke other users' access to Podium's folder and to the files Podium created in it. Raises NotWritable as `podium_home` does.

    A folder that also contains other files keeps its own permissions: `PODIUM_HOME` may point at a shared folder.
    """
    home = podium_home(environment, project)
    if os.name == "nt" or not _is_open_to_others(home):
        return
    with suppress(OSError):  # a file that cannot be closed is used as it is: nothing else depends on it
        entries = list(home.iterdir())
        own_entries = [entry for entry in entries if entry.name.lstrip(".").partition(".")[0] in _OWN_NAMES]
        for entry in own_entries:
            _close_to_others(entry)
        if len(own_entries) == len(entries):
            home.chmod(0o700)


def _close_to_others(path: Path) -> None:
    if not _is_open_to_others(path):  # then its content is out of reach for others too
        return
    if path.is_dir():
        for entry in path.iterdir():
            _close_to_others(entry)
    path.chmod(0o700 if path.is_dir() else 0o600)


def _is_open_to_others(path: Path) -> bool:
    """Whether other users have access to a file or folder of this user. Links are not followed."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_file_or_folder = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return is_file_or_folder and status.st_uid == os.geteuid() and bool(status.st_mode & 0o077)
