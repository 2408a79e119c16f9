"""Fix besides the four options: read old files from a local folder mapped to their location. Read-only."""

from pathlib import Path

from lib.backends.artifact_path_map import PathMapping, save_mapping
from lib.doctor import fix_ids
from lib.doctor.artifacts import folder_search
from lib.doctor.types import Fix, FixContext, FixInput, FixOffer, FixPreview, FixResult, ProgressCallback, Rows, Snippet
from lib.errors import ActionRefused, BackendError
from lib.runs.artifacts.files import ArtifactEntry, ArtifactLocation, list_folder

FOLDER_INPUT, PREFIX_INPUT = "folder", "prefix"


def inputs(context: FixContext, offer: FixOffer) -> tuple[FixInput, ...]:
    """Return inputs for the prefix of the old locations and the local folder, by default the one with most run folders."""
    sample = folder_search.sample_locations(context.backend, offer)
    guess = folder_search.guess_folder(context.backend, sample)
    return (
        FixInput(PREFIX_INPUT, "Original location prefix", sample.prefix, "The rest of the path is looked up below the folder."),
        FixInput(FOLDER_INPUT, "Folder on this machine", str(guess or ""), "The folder with a copy of these files."),
    )


def preview(context: FixContext, offer: FixOffer) -> FixPreview:
    """Return how many old locations are found below the folder. Raises ActionRefused if none is."""
    sample, folder = _find_sample(context, offer)
    example_uri = sample.locations[0].uri
    return FixPreview(
        title="Read old files from this folder?",
        changes=(
            f"Podium saves in its own folder, {context.podium_home}, that files at {sample.prefix} are read from {folder}.",
            f"{_count_text(sample, folder)} run and model folders are found there.",
            f"For example, {example_uri} is read from {PathMapping('', sample.prefix, str(folder)).local_path(example_uri)}.",
            "The database and the folder are not changed.",
            "New files are not written there, and other programs are not affected.",
        ),
        snippets=(Snippet(f"{sample.prefix} -> {folder}", "text"),),
        undo=f"Remove the entry from {Path(context.podium_home, 'mapped.json')}.",
    )


def apply(context: FixContext, offer: FixOffer, progress: ProgressCallback) -> FixResult:
    """Save the mapping after reading the files of one run through it."""
    sample, folder = _find_sample(context, offer)
    progress("Opening the files of one run…")
    file_rows = _open_first_files(context, sample, folder)
    save_mapping(context.podium_home, PathMapping(context.backend.uri, sample.prefix, str(folder)))
    return FixResult(
        "Old files are now read from the folder",
        (("Original location", sample.prefix), ("Folder", str(folder)), ("Found", _count_text(sample, folder)), *file_rows),
        "Open a run to see its files. New runs still need one of the other fixes.",
    )


def _open_first_files(context: FixContext, sample: folder_search.LocationSample, folder: Path) -> Rows:
    for location in sample.locations:
        path = PathMapping("", sample.prefix, str(folder)).local_path(location.uri)
        if path is None or not path.is_dir():
            continue
        files: tuple[ArtifactEntry, ...] = list_folder(context.backend, ArtifactLocation(str(path), run_id=location.owner_id))
        if files:
            return ((f"Files of {location.owner_type} {location.owner_id[:8]}", ", ".join(entry.name for entry in files[:5])),)
    raise BackendError("None of the folders contains a file.", means="Nothing was saved.", next="Choose another folder.")


def _find_sample(context: FixContext, offer: FixOffer) -> tuple[folder_search.LocationSample, Path]:
    sample = folder_search.sample_locations(context.backend, offer)
    folder_text = offer[FOLDER_INPUT] or str(folder_search.guess_folder(context.backend, sample) or "")
    if not folder_text:
        raise ActionRefused("No folder with these files was found.", next="Enter a folder with a copy of them.")
    folder = folder_search.parse_folder(folder_text)
    if not sample.count_below(folder):
        raise ActionRefused(
            f"None of the {len(sample.locations)} run and model locations below {sample.prefix} has a folder below {folder}.",
            next="The folder must contain the rest of the original paths, such as 4/8b3e…f1/artifacts.",
        )
    return sample, folder


def _count_text(sample: folder_search.LocationSample, folder: Path) -> str:
    return f"{sample.count_below(folder)} of {'the first ' * (sample.total > len(sample.locations))}{len(sample.locations)}"


FIXES = (
    Fix(
        fix_ids.MAP_FOLDER,
        "Read the old files from a local folder",
        "Does not change the database. New files need another fix.",
        preview,
        apply,
        inputs,
        needs_machine_access=True,
    ),
)
