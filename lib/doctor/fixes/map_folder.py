"""Beside the four ways out: read old files from a folder here that stands in for the place they belong to. Only for reading."""

from pathlib import Path

from lib.backends.artifact_path_map import Mapped, note
from lib.doctor.artifacts import folder_search as folders
from lib.doctor.artifacts.problem_texts import MAPPED
from lib.doctor.types import Ask, Call, Cure, Done, Room, Rows, Snippet, Told, Treatment
from lib.errors import BackendError, Refused
from lib.runs.artifacts.files import Entry, Place, listing

FOLDER, PREFIX = "folder", "prefix"


def asks(room: Room, call: Call) -> tuple[Ask, ...]:
    """The beginning of the old places, and the folder here: where most of the runs' folders are found."""
    found = folders.searched(room.backend, call)
    guess = folders.guess(room.backend, found)
    return (
        Ask(PREFIX, "Old place begins with", found.prefix, "What follows it is looked for below the folder."),
        Ask(FOLDER, "Folder on this machine", str(guess or ""), "Where a copy of these files lies."),
    )


def preview(room: Room, call: Call) -> Cure:
    """How many of the old places are found below the folder. Raises Refused when none is."""
    found, folder = _found(room, call)
    first = found.places[0].uri
    return Cure(
        title="Read old files from this folder?",
        changes=(
            f"Podium notes in its own folder, {room.home}: what belongs to {found.prefix} is read from {folder}.",
            f"{_many(found, folder)} folders of runs and models are found there.",
            f"For example, {first} is read from {Mapped('', found.prefix, str(folder)).leads(first)}.",
            "Nothing in the database and nothing in the folder is changed.",
            "New files are not written there, and other programs do not know of it.",
        ),
        code=(Snippet(f"{found.prefix} -> {folder}", "text"),),
        undo=f"Remove the line from {Path(room.home, 'mapped.json')}.",
    )


def carry_out(room: Room, call: Call, told: Told) -> Done:
    """Note the folder, then open the files of the first run that has some by it."""
    found, folder = _found(room, call)
    told("Opening the files of one run…")
    seen = _opened(room, found, folder)
    note(room.home, Mapped(room.backend.uri, found.prefix, str(folder)))
    return Done(
        "Old files are read from the folder",
        (("Old place", found.prefix), ("Folder", str(folder)), ("Found", _many(found, folder)), *seen),
        "Open a run: its files are shown. New runs still need one of the other cures.",
    )


def _opened(room: Room, found: folders.Searched, folder: Path) -> Rows:
    for place in found.places:
        path = Mapped("", found.prefix, str(folder)).leads(place.uri)
        if path is None or not path.is_dir():
            continue
        files: tuple[Entry, ...] = listing(room.backend, Place(str(path), run_id=place.id))
        if files:
            return ((f"Files of {place.owner} {place.id[:8]}", ", ".join(one.name for one in files[:5])),)
    raise BackendError("None of the folders holds a file.", means="Nothing was noted.", next="Choose another folder.")


def _found(room: Room, call: Call) -> tuple[folders.Searched, Path]:
    found = folders.searched(room.backend, call)
    typed = call[FOLDER] or str(folders.guess(room.backend, found) or "")
    if not typed:
        raise Refused("No folder was found that holds these files.", next="Type the folder in which a copy of them lies.")
    folder = folders.folder_typed(typed)
    if not found.below(folder):
        raise Refused(
            f"Of {len(found.places)} runs and models below {found.prefix}, none has its folder below {folder}.",
            next="The folder must hold what followed the beginning of the old place, such as 4/8b3e…f1/artifacts.",
        )
    return found, folder


def _many(found: folders.Searched, folder: Path) -> str:
    return f"{found.below(folder)} of {'the first ' * (found.total > len(found.places))}{len(found.places)}"


TREATMENTS = (
    Treatment(
        MAPPED,
        "Only read the old files, from a folder here that stands in for their place",
        "Changes nothing in the database. New files need another cure.",
        preview,
        carry_out,
        asks,
        on_machine=True,
    ),
)
