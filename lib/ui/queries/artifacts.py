"""Cached reads of run and model files: locations, file lists and previews."""

from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.artifacts import files
from lib.runs.artifacts.files import ArtifactLocation, ArtifactTree
from lib.runs.artifacts.previews import Preview, build_preview

CACHE_SECONDS = 30
MODEL_PREFIX = "models:/"


@dataclass(frozen=True)
class FilePreview:
    """A file's preview, full size in bytes, and SHA-256."""

    preview: Preview
    size: int
    digest: str


@dataclass(frozen=True)
class RunFile:
    """A file of one run. Files of two runs correspond if they have the same key in `cached_files`."""

    location: ArtifactLocation
    path: str
    size: int | None


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner=False)
def cached_locations(backend: Backend, run_id: str) -> tuple[ArtifactLocation, ...]:
    """Return the artifact locations of a run: its own files, then those of its models."""
    return files.read_locations(backend, run_id)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner=False)
def cached_tree(backend: Backend, location: ArtifactLocation, path: str = "") -> ArtifactTree:
    """Return the files and folders of a location below a folder."""
    return files.walk_tree(backend, location, path)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=32, show_spinner=False)
def cached_preview(backend: Backend, location: ArtifactLocation, path: str) -> FilePreview:
    """Return the preview of a file. Raises Refused if it is too large to show."""
    content = files.fetch_file(backend, location, path)
    return FilePreview(build_preview(path, content.data), len(content.data), content.digest)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner="Reading file list…")
def cached_files(backend: Backend, run_id: str) -> tuple[dict[str, RunFile], bool]:
    """Return the files of a run and its models, and whether there are more. Keys contain model names, since ids differ by run."""
    run_files: dict[str, RunFile] = {}
    has_more, model_names = False, set[str]()
    for location in cached_locations(backend, run_id):
        tree = cached_tree(backend, location)
        has_more = has_more or tree.has_more
        name = f"{location.name} ({len(model_names) + 1})" if location.name in model_names else location.name
        model_names |= {location.name} if location.model_id else set()
        prefix = f"{MODEL_PREFIX}{name}/" if location.model_id else ""
        for entry in tree.entries:
            if not entry.is_folder:
                run_files.setdefault(prefix + entry.path, RunFile(location, entry.path, entry.size))
    return run_files, has_more
