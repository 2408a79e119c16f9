"""Beside the four ways out: read old files from a folder here that stands in for their location. Only for reading."""

from pathlib import Path

from lib.backends.artifact_path_map import PathMapping, save_mapping
from lib.doctor import fix_ids
from lib.doctor.artifacts import folder_search
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Rows, Snippet
from lib.errors import ActionRefused, BackendError
from lib.runs.artifacts.files import ArtifactEntry, ArtifactLocation, list_folder

FOLDER_INPUT, PREFIX_INPUT = "folder", "prefix"


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """The beginning of the old places, and the folder here: where most of the runs' folders are found."""
    sample = folder_search.sample_locations(context.backend, offer)
    guess = folder_search.guess_folder(context.backend, sample)
    return (
        FixInput(PREFIX_INPUT, "Old place begins with", sample.prefix, "What follows it is looked for below the folder."),
        FixInput(FOLDER_INPUT, "Folder on this machine", str(guess or ""), "Where a copy of these files lies."),
    )


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """How many of the old places are found below the folder. Raises ActionRefused when none is."""
    sample, folder = _find_sample(context, offer)
    example_uri = sample.locations[0].uri
    return FixPreview(
        title="Read old files from this folder?",
        changes=(
            f"Podium notes in its own folder, {context.podium_home}: what belongs to {sample.prefix} is read from {folder}.",
            f"{_count_text(sample, folder)} folders of runs and models are found there.",
            f"For example, {example_uri} is read from {PathMapping('', sample.prefix, str(folder)).local_path(example_uri)}.",
            "Nothing in the database and nothing in the folder is changed.",
            "New files are not written there, and other programs do not know of it.",
        ),
        snippets=(Snippet(f"{sample.prefix} -> {folder}", "text"),),
        undo=f"Remove the line from {Path(context.podium_home, 'mapped.json')}.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Note the folder, then open the files of the first run that has some by it."""
    sample, folder = _find_sample(context, offer)
    progress("Opening the files of one run…")
    file_rows = _open_first_files(context, sample, folder)
    save_mapping(context.podium_home, PathMapping(context.backend.uri, sample.prefix, str(folder)))
    return FixResult(
        "Old files are read from the folder",
        (("Old place", sample.prefix), ("Folder", str(folder)), ("Found", _count_text(sample, folder)), *file_rows),
        "Open a run: its files are shown. New runs still need one of the other cures.",
    )


def _open_first_files(context: FixContext, sample: folder_search.LocationSample, folder: Path) -> Rows:
    for location in sample.locations:
        path = PathMapping("", sample.prefix, str(folder)).local_path(location.uri)
        if path is None or not path.is_dir():
            continue
        files: tuple[ArtifactEntry, ...] = list_folder(context.backend, ArtifactLocation(str(path), run_id=location.owner_id))
        if files:
            return ((f"Files of {location.owner_type} {location.owner_id[:8]}", ", ".join(entry.name for entry in files[:5])),)
    raise BackendError("None of the folders holds a file.", means="Nothing was noted.", next="Choose another folder.")


def _find_sample(context: FixContext, offer: FixOffer) -> tuple[folder_search.LocationSample, Path]:
    sample = folder_search.sample_locations(context.backend, offer)
    folder_text = offer[FOLDER_INPUT] or str(folder_search.guess_folder(context.backend, sample) or "")
    if not folder_text:
        raise ActionRefused("No folder was found that holds these files.", next="Type the folder in which a copy of them lies.")
    folder = folder_search.parse_folder(folder_text)
    if not sample.count_below(folder):
        raise ActionRefused(
            f"Of {len(sample.locations)} runs and models below {sample.prefix}, none has its folder below {folder}.",
            next="The folder must hold what followed the beginning of the old place, such as 4/8b3e…f1/artifacts.",
        )
    return sample, folder


def _count_text(sample: folder_search.LocationSample, folder: Path) -> str:
    return f"{sample.count_below(folder)} of {'the first ' * (sample.total > len(sample.locations))}{len(sample.locations)}"


FIXES = (
    Fix(
        fix_ids.MAP_FOLDER,
        "Only read the old files, from a folder here that stands in for their place",
        "Changes nothing in the database. New files need another cure.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
