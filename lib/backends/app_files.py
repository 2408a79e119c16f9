"""Where Podium's own files are: the project folder it runs from, and the folder in which it keeps what belongs to no backend."""

from collections.abc import Mapping
from pathlib import Path

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds app.py, lib and the demos."""


def podium_home(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> Path:
    """Podium's own folder: `PODIUM_HOME`, else .podium in the project."""
    home = environment.get("PODIUM_HOME", "").strip()
    return Path(home).expanduser().absolute() if home else project / ".podium"
