"""Files of a run or model on a page: a tree to choose from, and beside it a harmless preview and the download.

Every page that shows files uses `browse`; Compare shows the same `preview_of` side by side. Nothing of a file reaches Markdown or HTML.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.artifacts import files
from lib.runs.artifacts.files import MOST_DOWNLOADED, MOST_SHOWN, Entry, Place, Tree
from lib.runs.artifacts.previews import Preview, preview
from lib.ui.components.error_box import calm, show
from lib.ui.components.formatting import NARROW, count, md
from lib.ui.components.layout import empty

SECONDS = 30
VISIBLE = 12
STEP = NARROW * 4
TEXT_HEIGHT = 420
MODEL_FILE = "MLmodel"


@dataclass(frozen=True)
class Shown:
    """A file as it can be shown: its preview, its whole size in bytes and the SHA-256 of its bytes."""

    preview: Preview
    size: int
    digest: str


@st.cache_data(ttl=SECONDS, max_entries=64, show_spinner=False)
def places_of(backend: Backend, run_id: str) -> tuple[Place, ...]:
    """The places of a run: its own files, then those of its models."""
    return files.places(backend, run_id)


@st.cache_data(ttl=SECONDS, max_entries=64, show_spinner=False)
def tree_of(backend: Backend, place: Place, path: str = "") -> Tree:
    """What lies in a place below a folder."""
    return files.walk(backend, place, path)


@st.cache_data(ttl=SECONDS, max_entries=32, show_spinner=False)
def preview_of(backend: Backend, place: Place, path: str) -> Shown:
    """A file to be shown. Raises Refused for one that is too large for that."""
    content = files.fetch(backend, place, path)
    return Shown(preview(path, content.data), len(content.data), content.digest)


def browse(backend: Backend, place: Place, key: str) -> None:
    """The files of a place. `key` begins with the page's name and is another one for each place on the page."""
    root = str(st.session_state.get(f"{key}.root", ""))
    try:
        tree = tree_of(backend, place, root)
    except PodiumError as error:
        show(error)
        if root:
            st.button("Back to all files", key=f"{key}.back", on_click=_open, args=(key, ""))
        return
    if not tree.entries:
        empty("folder_open", "No files", "This folder is empty." if root else "Nothing was logged here as a file.")
        return
    left, right = st.columns([2, 3], gap="small")
    with left:
        chosen = _choose(tree, root, key)
    with right:
        _look(backend, place, chosen, key)


def draw_preview(shown: Preview, name: str) -> None:
    """What of a file can be shown, in the place where this is called."""
    if shown.kind == "picture":
        st.image(shown.png, alt=f"{name}: {shown.what}")
    elif shown.kind == "table" and shown.rows is not None:
        st.dataframe(
            shown.rows,
            hide_index=True,
            height=min(TEXT_HEIGHT, 32 + 31 * max(1, len(shown.rows)) + 2),
            alt=f"{name}: {shown.what}",
        )
    elif shown.kind == "text":
        is_long = shown.text.count("\n") > 18 or len(shown.text) > 4000
        st.code(shown.text, language=shown.language, wrap_lines=True, height=TEXT_HEIGHT if is_long else "content")
    if shown.notes:
        st.caption(" ".join(map(md, shown.notes)))


def size_of(size: int | None) -> str:
    """12 B, 3.4 kB, 0.4 MB; an empty text where nobody tells."""
    if size is None:
        return ""
    if size < 1000:
        return f"{size}{NARROW}B"
    return f"{size / 1000:,.1f}{NARROW}kB" if size < 100_000 else f"{size / 1e6:,.1f}{NARROW}MB"


def download(backend: Backend, place: Place, path: str, key: str) -> None:
    """A button that fetches the file when it is pressed, and not before."""
    st.download_button(
        "Download",
        lambda: files.fetch(backend, place, path, MOST_DOWNLOADED).data,
        file_name=path.rpartition("/")[2],
        mime="application/octet-stream",
        icon=":material/download:",
        type="tertiary",
        key=key,
        on_click="ignore",
    )


def _choose(tree: Tree, root: str, key: str) -> Entry:
    """The tree as a table of one column to pick from; what is picked is kept by its path."""
    paths = [one.path for one in tree.entries]
    kept = st.session_state.get(f"{key}.path")
    at = paths.index(kept) if kept in paths else _first(tree.entries)
    models = _models(tree.entries)
    names = [f"{STEP * (one.path.count('/') - _depth(root))}{_named(one, models)}" for one in tree.entries]
    frame = pd.DataFrame({"name": names, "size": [size_of(one.size) for one in tree.entries]})
    table_key = f"{key}.tree.{hashlib.sha256(chr(0).join(paths).encode()).hexdigest()[:12]}"
    picked = st.dataframe(
        frame,
        hide_index=True,
        height=32 + 31 * min(len(frame), VISIBLE) + 2,
        column_config={"name": st.column_config.TextColumn("File"), "size": st.column_config.TextColumn("Size", width=80)},
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [at]}},
        key=table_key,
        alt=f"{len(paths)} files and folders",
    )
    if root:
        st.button(
            "Back to all files",
            icon=":material/arrow_upward:",
            key=f"{key}.back",
            type="tertiary",
            on_click=_open,
            args=(key, ""),
        )
    if tree.more:
        st.caption(
            f"Showing the first {count(len(paths), 'file or folder', 'files and folders')}. Open a folder to see what else is in it."
        )
    rows = picked["selection"]["rows"]
    chosen = tree.entries[rows[0] if rows and rows[0] < len(paths) else at]
    st.session_state[f"{key}.path"] = chosen.path
    return chosen


def _first(entries: Sequence[Entry]) -> int:
    """Where to begin: the first file that can be shown, one that lies least deep."""
    fit = [place for place, one in enumerate(entries) if not one.is_folder and (one.size or 0) <= MOST_SHOWN]
    return min(fit, key=lambda place: (entries[place].path.count("/"), place), default=0)


def _depth(root: str) -> int:
    return root.count("/") + 1 if root else 0


def _models(entries: Sequence[Entry]) -> set[str]:
    """Paths of the folders that hold a model."""
    return {one.path.rpartition("/")[0] for one in entries if one.name == MODEL_FILE and not one.is_folder}


def _named(entry: Entry, models: set[str]) -> str:
    return f"{entry.name}/ (model)" if entry.path in models else f"{entry.name}/" if entry.is_folder else entry.name


def _look(backend: Backend, place: Place, entry: Entry, key: str) -> None:
    st.code(entry.path, language=None, wrap_lines=True)
    if entry.is_folder:
        st.caption("A folder.")
        st.button("Open this folder", icon=":material/folder_open:", key=f"{key}.open", on_click=_open, args=(key, entry.path))
        return
    if entry.size is not None and entry.size > MOST_SHOWN:
        _too_large(backend, place, entry, key)
        return
    with calm():
        _preview(backend, place, entry, key)


def _preview(backend: Backend, place: Place, entry: Entry, key: str) -> None:
    shown = preview_of(backend, place, entry.path)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{md(shown.preview.what)} · {size_of(shown.size)}", width="stretch")
        download(backend, place, entry.path, f"{key}.download")
    draw_preview(shown.preview, entry.path)


def _too_large(backend: Backend, place: Place, entry: Entry, key: str) -> None:
    """It is offered for download, up to a size; beyond that the MLflow client is the way."""
    fits = entry.size is not None and entry.size <= MOST_DOWNLOADED
    way = "Download it to look at it." if fits else f"Files above {size_of(MOST_DOWNLOADED)} are fetched with the MLflow client."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{size_of(entry.size)}: not shown, because it is larger than {size_of(MOST_SHOWN)}. {way}", width="stretch")
        if fits:
            download(backend, place, entry.path, f"{key}.download")


def _open(key: str, path: str) -> None:
    st.session_state[f"{key}.root"] = path
    st.session_state.pop(f"{key}.path", None)
