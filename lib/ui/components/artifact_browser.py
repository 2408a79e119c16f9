"""The file browser for runs and models: a file tree with a safe preview and a download button.

Pages use `show_file_browser`; Compare shows two `cached_preview`s side by side. File content never reaches Markdown or HTML.
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lib import text as plain_text
from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.artifacts import files
from lib.runs.artifacts.files import MAX_DOWNLOAD_BYTES, MAX_PREVIEW_BYTES, ArtifactEntry, ArtifactLocation, ArtifactTree
from lib.runs.artifacts.previews import Preview
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.queries.artifacts import cached_preview, cached_tree

MAX_VISIBLE_ROWS = 12
INDENT = NBSP * 4
TEXT_HEIGHT = 420
MODEL_FILE = "MLmodel"


def show_file_browser(backend: Backend, location: ArtifactLocation, key: str) -> None:
    """Show the files of a location. `key` starts with the page name and is unique per location on the page."""
    root = str(st.session_state.get(f"{key}.root", ""))
    try:
        tree = cached_tree(backend, location, root)
    except PodiumError as error:
        show_error(error)
        if root:
            st.button("Back to all files", key=f"{key}.back", on_click=_open_folder, args=(key, ""))
        return
    if not tree.entries:
        show_empty_state("folder_open", "No files", "This folder is empty." if root else "No files were logged here.")
        return
    left, right = st.columns([2, 3], gap="small")
    with left:
        entry = _select_entry(tree, root, key)
    with right:
        _show_entry(backend, location, entry, key)


def show_preview(file_preview: Preview, name: str) -> None:
    """Show the preview of a file."""
    if file_preview.kind == "picture":
        st.image(file_preview.png, alt=f"{name}: {file_preview.description}")
    elif file_preview.kind == "table" and file_preview.rows is not None:
        st.dataframe(
            file_preview.rows,
            hide_index=True,
            height=min(TEXT_HEIGHT, table_height(len(file_preview.rows))),
            alt=f"{name}: {file_preview.description}",
        )
    elif file_preview.kind == "text":
        is_long = file_preview.text.count("\n") > 18 or len(file_preview.text) > 4000
        st.code(file_preview.text, language=file_preview.language, wrap_lines=True, height=TEXT_HEIGHT if is_long else "content")
    if file_preview.notes:
        st.caption(" ".join(map(escape, file_preview.notes)))


def format_size(size: int | None) -> str:
    """Format a size as 12 B, 3.4 kB or 0.4 MB; empty if unknown."""
    return "" if size is None else plain_text.format_size(size).replace(" ", NBSP)


def download_button(backend: Backend, location: ArtifactLocation, path: str, key: str) -> None:
    """Show a button that fetches the file only when pressed."""
    st.download_button(
        "Download",
        lambda: files.fetch_file(backend, location, path, MAX_DOWNLOAD_BYTES).data,
        file_name=path.rpartition("/")[2],
        mime="application/octet-stream",
        icon=":material/download:",
        type="tertiary",
        key=key,
        on_click="ignore",
    )


def _select_entry(tree: ArtifactTree, root: str, key: str) -> ArtifactEntry:
    """Show the tree as a selectable table and return the selected entry, which is remembered by path."""
    paths = [entry.path for entry in tree.entries]
    selected_path = st.session_state.get(f"{key}.path")
    selected_index = paths.index(selected_path) if selected_path in paths else _first_entry_index(tree.entries)
    model_folders = _model_folders(tree.entries)
    names = [f"{INDENT * (entry.path.count('/') - _depth(root))}{_entry_label(entry, model_folders)}" for entry in tree.entries]
    frame = pd.DataFrame({"name": names, "size": [format_size(entry.size) for entry in tree.entries]})
    event = st.dataframe(
        frame,
        hide_index=True,
        height=table_height(len(frame), MAX_VISIBLE_ROWS),
        column_config={"name": st.column_config.TextColumn("File"), "size": st.column_config.TextColumn("Size", width=80)},
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [selected_index]}},
        key=hashed_key(f"{key}.tree", *paths),
        alt=f"{len(paths)} files and folders",
    )
    if root:
        st.button(
            "Back to all files",
            icon=":material/arrow_upward:",
            key=f"{key}.back",
            type="tertiary",
            on_click=_open_folder,
            args=(key, ""),
        )
    if tree.has_more:
        st.caption(
            f"Showing the first {format_count(len(paths), 'file or folder', 'files and folders')}. Open a folder to see the rest of its files."
        )
    rows = event["selection"]["rows"]
    selected_entry = tree.entries[rows[0] if rows and rows[0] < len(paths) else selected_index]
    st.session_state[f"{key}.path"] = selected_entry.path
    return selected_entry


def _first_entry_index(entries: Sequence[ArtifactEntry]) -> int:
    """Return the initial selection: the first previewable file at the lowest depth."""
    candidates = [index for index, entry in enumerate(entries) if not entry.is_folder and (entry.size or 0) <= MAX_PREVIEW_BYTES]
    return min(candidates, key=lambda index: (entries[index].path.count("/"), index), default=0)


def _depth(root: str) -> int:
    return root.count("/") + 1 if root else 0


def _model_folders(entries: Sequence[ArtifactEntry]) -> set[str]:
    """Return the paths of folders that contain a model."""
    return {entry.path.rpartition("/")[0] for entry in entries if entry.name == MODEL_FILE and not entry.is_folder}


def _entry_label(entry: ArtifactEntry, model_folders: set[str]) -> str:
    return f"{entry.name}/ (model)" if entry.path in model_folders else f"{entry.name}/" if entry.is_folder else entry.name


def _show_entry(backend: Backend, location: ArtifactLocation, entry: ArtifactEntry, key: str) -> None:
    st.code(entry.path, language=None, wrap_lines=True)
    if entry.is_folder:
        st.caption("Folder")
        st.button("Open folder", icon=":material/folder_open:", key=f"{key}.open", on_click=_open_folder, args=(key, entry.path))
        return
    if entry.size is not None and entry.size > MAX_PREVIEW_BYTES:
        _show_too_large(backend, location, entry, key)
        return
    with error_boundary():
        _show_file(backend, location, entry, key)


def _show_file(backend: Backend, location: ArtifactLocation, entry: ArtifactEntry, key: str) -> None:
    file_preview = cached_preview(backend, location, entry.path)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{escape(file_preview.preview.description)} · {format_size(file_preview.size)}", width="stretch")
        download_button(backend, location, entry.path, f"{key}.download")
    show_preview(file_preview.preview, entry.path)


def _show_too_large(backend: Backend, location: ArtifactLocation, entry: ArtifactEntry, key: str) -> None:
    """Show that a file is too large to preview, with a download up to a size limit."""
    fits = entry.size is not None and entry.size <= MAX_DOWNLOAD_BYTES
    advice = "Download it to view it." if fits else f"Fetch files above {format_size(MAX_DOWNLOAD_BYTES)} with the MLflow client."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{format_size(entry.size)}: not shown because it exceeds {format_size(MAX_PREVIEW_BYTES)}. {advice}",
            width="stretch",
        )
        if fits:
            download_button(backend, location, entry.path, f"{key}.download")


def _open_folder(key: str, path: str) -> None:
    st.session_state[f"{key}.root"] = path
    st.session_state.pop(f"{key}.path", None)
