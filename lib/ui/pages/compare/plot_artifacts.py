"""Compare's artifacts: the same file of two to four runs side by side. Pictures beside each other, text and JSON as differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.analysis.text_diff import CONTEXT_LINES, Diff, diff
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.plots.style import LETTERS
from lib.runs.table.run_table import subset, top_two_runs
from lib.runs.table.types import RunTable
from lib.ui.app.session import current_backend
from lib.ui.components.artifact_browser import (
    CACHE_SECONDS,
    FilePreview,
    cached_locations,
    cached_preview,
    cached_tree,
    format_size,
    show_preview,
)
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state, show_table
from lib.ui.pages.compare.marks import flag_toggle, has_flag
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import has_best_run
from lib.ui.pages.compare.view_state import ViewState, bind_widget

MODEL_PREFIX = "models:/"
MAX_LISTED_FILES = 40
"""Files that only some runs have, up to which they are listed."""
MAX_UNFOLDED_LINES = 120
"""Lines of a difference up to which it is shown whole."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class _File:
    """A file of one run. Files of two runs belong together when they have the same key in `_files`."""

    place: ArtifactLocation
    path: str
    size: int | None


@dataclass(frozen=True)
class _Side:
    """One of the runs: its letter, its name, its files by key. With `more`, there are more files than were listed."""

    letter: str
    name: str
    files: Mapping[str, _File]
    more: bool


def draw(context: PlotContext) -> None:
    """The chosen file of the picked runs, or of the best two."""
    ids = _ids(context)
    if len(ids) < 2:
        show_empty_state(
            "folder_copy",
            "Pick two runs",
            "Tick two to four runs in the table: files with the same path stand here side by side.",
        )
        return
    sides = _sides(current_backend(), subset(context.all_runs, ids))
    shared = _shared(sides)
    if len(sides) > 1 and not shared:
        show_empty_state("folder_off", "No file in common", _no_common(sides))
    elif len(sides) > 1:
        bar = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with bar:
            key = _choose(context.view, sides, shared)
        found = _fetched([side for side in sides if key in side.files], key)
        if len(found) > 1:
            _compare(context.view, found, key, bar)
    _only_some(sides)
    _foot(context, sides)


def _ids(scene: PlotContext) -> list[str]:
    picked = [run_id for run_id in scene.view.pick if run_id in scene.all_runs.identity.index]
    if len(picked) > 1:
        return picked[: len(LETTERS)]
    best = top_two_runs(scene.runs, scene.view.color) if scene.view.color and len(scene.runs) else list(scene.runs.ids[:2])
    return list(dict.fromkeys([*picked, *best]))[:2]


def _sides(here: Backend, runs: RunTable) -> list[_Side]:
    """The runs whose files can be listed; for the others the reason is shown."""
    made = []
    for letter, (run_id, name) in zip(LETTERS, runs.identity.name.items(), strict=False):
        try:
            files, more = cached_files(here, str(run_id))
        except PodiumError as error:
            st.markdown(f":gray-badge[{letter}] {escape(name or run_id)}")
            show_error(error)
        else:
            made.append(_Side(letter, str(name or run_id), files, more))
    return made


@st.cache_data(ttl=CACHE_SECONDS, max_entries=64, show_spinner="Reading the list of files…")
def cached_files(backend: Backend, run_id: str) -> tuple[dict[str, _File], bool]:
    """The files of a run and of the models it logged. A model's files are named by the model, whose id is another one in each run."""
    found: dict[str, _File] = {}
    more, names = False, set[str]()
    for place in cached_locations(backend, run_id):
        tree = cached_tree(backend, place)
        more = more or tree.has_more
        name = f"{place.name} ({len(names) + 1})" if place.name in names else place.name
        names |= {place.name} if place.model_id else set()
        above = f"{MODEL_PREFIX}{name}/" if place.model_id else ""
        for one in tree.entries:
            if not one.is_folder:
                found.setdefault(above + one.path, _File(place, one.path, one.size))
    return found, more


def _shared(sides: Sequence[_Side]) -> list[str]:
    """Keys that at least two runs have: those of all runs first, pictures before the rest."""
    times: dict[str, int] = {}
    for side in sides:
        for key in side.files:
            times[key] = times.get(key, 0) + 1
    both = [key for key, number in times.items() if number > 1]
    return sorted(
        both, key=lambda key: (-times[key], key.startswith(MODEL_PREFIX), not key.lower().endswith(IMAGE_SUFFIXES), key)
    )


def _no_common(sides: Sequence[_Side]) -> str:
    if not any(side.files for side in sides):
        return "None of these runs logged a file or a model."
    return "These runs have no file of the same path."


def _choose(view: ViewState, sides: Sequence[_Side], shared: Sequence[str]) -> str:
    key = view.path if view.path in shared else shared[0]
    st.selectbox(
        "File",
        shared,
        format_func=lambda one: _said(one) + _who(sides, one),
        icon=":material/draft:",
        label_visibility="collapsed",
        width=430,
        **bind_widget("path", key),
    )
    if view.path and view.path != key:
        st.markdown(f":small[:orange[:material/info: {escape(view.path[:200])} is not a file that two of these runs have.]]")
    return key


def _said(key: str) -> str:
    """A key as people read it: the path, and for a model's file the model's name behind it."""
    name, _, path = key.removeprefix(MODEL_PREFIX).partition("/")
    return f"{path} · model {name}" if key.startswith(MODEL_PREFIX) else key


def _who(sides: Sequence[_Side], key: str) -> str:
    having = [side.letter for side in sides if key in side.files]
    return f" (only {' and '.join(having)})" if len(having) < len(sides) else ""


def _fetched(sides: Sequence[_Side], key: str) -> list[tuple[_Side, FilePreview]]:
    """The files of those runs where they can be fetched; for the others the reason is shown."""
    found = []
    for side in sides:
        try:
            found.append((side, cached_preview(current_backend(), side.files[key].place, side.files[key].path)))
        except PodiumError as error:
            _head(side, "")
            show_error(error)
    return found


def _compare(view: ViewState, found: Sequence[tuple[_Side, FilePreview]], key: str, bar: Any) -> None:
    """Pictures and tables stand beside each other; text is told by its differences, unless whole files are asked for."""
    if len({shown.digest for _, shown in found}) == 1:
        _the_same(found)
        return
    kinds = {shown.preview.kind for _, shown in found}
    has_lines = kinds <= {"text", "table"}
    if has_lines:
        with bar:
            flag_toggle(view, "beside", "Whole files side by side")
            if not has_flag(view, "beside"):
                flag_toggle(view, "whole", "Unchanged lines too")
    if kinds != {"text"} or has_flag(view, "beside"):
        _beside(found, key)
    if has_lines and not has_flag(view, "beside"):
        for other in found[1:]:
            _difference(view, found[0], other)


def _the_same(found: Sequence[tuple[_Side, FilePreview]]) -> None:
    letters = [side.letter for side, _ in found]
    shown = found[0][1]
    st.markdown(
        f":gray[:material/equal:] The same in {', '.join(letters[:-1])} and {letters[-1]}, byte for byte. :gray[{escape(shown.preview.description)}]"
    )
    show_preview(shown.preview, "the same in all")


def _beside(found: Sequence[tuple[_Side, FilePreview]], key: str) -> None:
    for column, (side, shown) in zip(st.columns(len(found), gap="small"), found, strict=True):
        with column:
            _head(side, f"{shown.preview.description} · {format_size(shown.size)}")
            show_preview(shown.preview, f"{key} of {side.letter}")


def _head(side: _Side, note: str) -> None:
    st.markdown(f":gray-badge[{side.letter}] {escape(side.name)}")
    if note:
        st.caption(escape(note))


def _difference(view: ViewState, first: tuple[_Side, FilePreview], second: tuple[_Side, FilePreview]) -> None:
    (a, shown_a), (b, shown_b) = first, second
    changed = _diff(shown_a.preview.text, shown_b.preview.text, whole=has_flag(view, "whole"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":gray-badge[− {a.letter}] {escape(a.name)} :gray[and] :gray-badge[+ {b.letter}] {escape(b.name)}", width="stretch"
        )
        if changed.lines:
            st.caption(
                f"{format_count(changed.removed, 'line')} only in {a.letter} (−), {changed.added:,} only in {b.letter} (+)",
                width="content",
            )
    if changed.reason:
        st.caption(changed.reason)
    elif changed.is_same:
        st.caption(_no_line_differs(shown_a, shown_b))
    else:
        _lines(view, changed, f"{a.letter}{b.letter}")


@st.cache_data(ttl=CACHE_SECONDS, max_entries=32, show_spinner="Comparing…")
def _diff(first: str, second: str, *, whole: bool) -> Diff:
    return diff(first, second, 1_000_000 if whole else CONTEXT_LINES)


def _no_line_differs(first: FilePreview, second: FilePreview) -> str:
    """The bytes differ all the same: in what was cut off, in how lines end, or in how JSON was written."""
    cut = any("Showing the first" in note for one in (first, second) for note in one.preview.notes)
    return (
        "What is shown is the same; they differ further on."
        if cut
        else "The same values; they differ in blanks or line ends only."
    )


def _lines(view: ViewState, changed: Diff, pair: str) -> None:
    """A long difference is folded until it is asked for."""
    name = f"unfold-{pair}"
    is_long = len(changed.lines) > MAX_UNFOLDED_LINES
    lines = changed.lines if has_flag(view, name) else changed.lines[:MAX_UNFOLDED_LINES]
    st.code("\n".join(lines), language="diff", wrap_lines=True)
    if is_long:
        flag_toggle(view, name, f"All {len(changed.lines):,} lines of this difference")


def _only_some(sides: Sequence[_Side]) -> None:
    """Which files only some of the runs have."""
    having: dict[str, list[str]] = {}
    for side in sides:
        for key in side.files:
            having.setdefault(key, []).append(side.letter)
    rows = [(escape(_said(key)), ", ".join(letters)) for key, letters in sorted(having.items()) if len(letters) < len(sides)]
    if not rows or len(sides) < 2:
        return
    with st.popover(f"{format_count(len(rows), 'file')} not in all", type="tertiary", icon=":material/rule:"):
        show_table(rows[:MAX_LISTED_FILES], ("File", "In"))
        if len(rows) > MAX_LISTED_FILES:
            st.caption(f"Showing {MAX_LISTED_FILES} of {len(rows):,}.")


def _foot(scene: PlotContext, sides: Sequence[_Side]) -> None:
    view, notes = scene.view, []
    if len(view.pick) < 2:
        which = f"{'the picked run and ' if view.pick else ''}the {'best' if has_best_run(scene) else 'first'}{'' if view.pick else ' two'}"
        notes.append(f"Showing {which}. Pick two to four runs in the table to choose others.")
    if len(view.pick) > len(LETTERS):
        notes.append(f"Showing {len(LETTERS)} of {len(view.pick)} picked runs.")
    if cut := [side.letter for side in sides if side.more]:
        notes.append(f"{' and '.join(cut)} logged more files than are listed here.")
    if notes:
        st.caption(" ".join(notes))
