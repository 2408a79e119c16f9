"""The demos' scripts as files: where they are and what they say. What they mean is left to `catalogue`."""

from pathlib import Path

from lib.errors import NotFound
from lib.launch.catalogue import Demo

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "demo_experiments"


def path(demo: Demo) -> Path:
    """The script of a demo, absolute. Raises NotFound when the file is gone."""
    script = FOLDER / demo.script
    if not script.is_file():
        raise NotFound(f"The script {demo.script} is missing.", next="Restore the folder demo_experiments from the project.")
    return script


def source(demo: Demo) -> str:
    """The text of the script, to be read beside its parameters."""
    return path(demo).read_text(encoding="utf-8")
