"""Compare's Artifacts plot: the same file of two to four runs, images side by side, text and JSON as diffs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.analysis.text_diff import CONTEXT_LINES, Diff, diff
from lib.runs.plots.style import LETTERS
from lib.runs.table.run_table import subset, top_two_runs
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.app.session import current_backend
from lib.ui.components.artifact_browser import format_size, show_preview
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state, show_table
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import has_best_run
from lib.ui.pages.compare.view_state import bind_widget, flag_toggle, has_flag
from lib.ui.queries.artifacts import CACHE_SECONDS, MODEL_PREFIX, FilePreview, RunFile, cached_files, cached_preview

MAX_LISTED_FILES = 40
"""Maximum listed files that only some runs have."""
MAX_UNFOLDED_LINES = 120
"""Maximum lines of a diff that are shown unfolded."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class _Side:
    """One run: its letter, name and files by key. `has_more` means that the file list is truncated."""

    letter: str
    name: str
    files: Mapping[str, RunFile]
    has_more: bool


def draw(context: PlotContext) -> None:
    """Draw the chosen file of the picked runs, or of the best two."""
    run_ids = _run_ids_to_compare(context)
    if len(run_ids) < 2:
        show_empty_state(
            "folder_copy",
            "Pick two runs",
            "Select two to four runs in the table to compare files with the same path.",
        )
        return
    sides = _load_sides(current_backend(), subset(context.all_runs, run_ids))
    shared_keys = _shared_keys(sides)
    if len(sides) > 1 and not shared_keys:
        has_files = any(side.files for side in sides)
        text = "These runs have no file with the same path." if has_files else "None of these runs logged a file or a model."
        show_empty_state("folder_off", "No common file", text)
    elif len(sides) > 1:
        bar = st.container(horizontal=True, vertical_alignment="center", gap="small")
        with bar:
            key = _select_file(context.view, sides, shared_keys)
        previews = _load_previews([side for side in sides if key in side.files], key)
        if len(previews) > 1:
            _show_comparison(context.view, previews, key, bar)
    _show_files_not_in_all(sides)
    _show_notes(context, sides)


def _run_ids_to_compare(context: PlotContext) -> list[str]:
    selected_run_ids = [run_id for run_id in context.view.pick if run_id in context.all_runs.identity.index]
    if len(selected_run_ids) > 1:
        return selected_run_ids[: len(LETTERS)]
    best_run_ids = (
        top_two_runs(context.runs, context.view.color) if context.view.color and len(context.runs) else list(context.runs.ids[:2])
    )
    return list(dict.fromkeys([*selected_run_ids, *best_run_ids]))[:2]


def _load_sides(backend: Backend, runs: RunTable) -> list[_Side]:
    """Return the runs whose files can be listed; shows the reason for the others."""
    sides = []
    for letter, (run_id, name) in zip(LETTERS, runs.identity.name.items(), strict=False):
        try:
            files, has_more = cached_files(backend, str(run_id))
        except PodiumError as error:
            st.markdown(f":gray-badge[{letter}] {escape(name or run_id)}")
            show_error(error)
        else:
            sides.append(_Side(letter, str(name or run_id), files, has_more))
    return sides


def _shared_keys(sides: Sequence[_Side]) -> list[str]:
    """Return keys that at least two runs share: those in all runs first, images before other files."""
    counts: dict[str, int] = {}
    for side in sides:
        for key in side.files:
            counts[key] = counts.get(key, 0) + 1
    shared_keys = [key for key, number in counts.items() if number > 1]
    return sorted(
        shared_keys, key=lambda key: (-counts[key], key.startswith(MODEL_PREFIX), not key.lower().endswith(IMAGE_SUFFIXES), key)
    )


def _select_file(view: ViewState, sides: Sequence[_Side], shared_keys: Sequence[str]) -> str:
    key = view.path if view.path in shared_keys else shared_keys[0]
    st.selectbox(
        "File",
        shared_keys,
        format_func=lambda option: _file_label(option) + _letters_note(sides, option),
        icon=":material/draft:",
        label_visibility="collapsed",
        width=430,
        **bind_widget("path", key),
    )
    if view.path and view.path != key:
        st.markdown(f":small[:orange[:material/info: No two of these runs have the file {escape(view.path[:200])}.]]")
    return key


def _file_label(key: str) -> str:
    """Return the label of a file key: its path, followed by the model name for a model's file."""
    name, _, path = key.removeprefix(MODEL_PREFIX).partition("/")
    return f"{path} · model {name}" if key.startswith(MODEL_PREFIX) else key


def _letters_note(sides: Sequence[_Side], key: str) -> str:
    letters = [side.letter for side in sides if key in side.files]
    return f" (only {' and '.join(letters)})" if len(letters) < len(sides) else ""


def _load_previews(sides: Sequence[_Side], key: str) -> list[tuple[_Side, FilePreview]]:
    """Return the files that can be fetched; shows the reason for the others."""
    previews = []
    for side in sides:
        try:
            previews.append((side, cached_preview(current_backend(), side.files[key].location, side.files[key].path)))
        except PodiumError as error:
            _show_side_heading(side, "")
            show_error(error)
    return previews


def _show_comparison(view: ViewState, previews: Sequence[tuple[_Side, FilePreview]], key: str, bar: Any) -> None:
    """Show images and tables side by side; text as diffs, unless full files are requested."""
    if len({file_preview.digest for _, file_preview in previews}) == 1:
        _show_identical(previews)
        return
    kinds = {file_preview.preview.kind for _, file_preview in previews}
    has_lines = kinds <= {"text", "table"}
    if has_lines:
        with bar:
            flag_toggle(view, "beside", "Full files side by side")
            if not has_flag(view, "beside"):
                flag_toggle(view, "whole", "Show unchanged lines")
    if kinds != {"text"} or has_flag(view, "beside"):
        _show_side_by_side(previews, key)
    if has_lines and not has_flag(view, "beside"):
        for other in previews[1:]:
            _show_difference(view, previews[0], other)


def _show_identical(previews: Sequence[tuple[_Side, FilePreview]]) -> None:
    letters = [side.letter for side, _ in previews]
    file_preview = previews[0][1]
    st.markdown(
        f":gray[:material/equal:] Identical in {', '.join(letters[:-1])} and {letters[-1]}, byte for byte. :gray[{escape(file_preview.preview.description)}]"
    )
    show_preview(file_preview.preview, "identical in all")


def _show_side_by_side(previews: Sequence[tuple[_Side, FilePreview]], key: str) -> None:
    for column, (side, file_preview) in zip(st.columns(len(previews), gap="small"), previews, strict=True):
        with column:
            _show_side_heading(side, f"{file_preview.preview.description} · {format_size(file_preview.size)}")
            show_preview(file_preview.preview, f"{key} of {side.letter}")


def _show_side_heading(side: _Side, note: str) -> None:
    st.markdown(f":gray-badge[{side.letter}] {escape(side.name)}")
    if note:
        st.caption(escape(note))


def _show_difference(view: ViewState, first: tuple[_Side, FilePreview], second: tuple[_Side, FilePreview]) -> None:
    (a, preview_a), (b, preview_b) = first, second
    difference = _cached_diff(preview_a.preview.text, preview_b.preview.text, all_lines=has_flag(view, "whole"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":gray-badge[− {a.letter}] {escape(a.name)} :gray[and] :gray-badge[+ {b.letter}] {escape(b.name)}", width="stretch"
        )
        if difference.lines:
            st.caption(
                f"{format_count(difference.removed, 'line')} only in {a.letter} (−), {difference.added:,} only in {b.letter} (+)",
                width="content",
            )
    if difference.reason:
        st.caption(difference.reason)
    elif difference.is_same:
        st.caption(_same_lines_text(preview_a, preview_b))
    else:
        _show_lines(view, difference, f"{a.letter}{b.letter}")


@st.cache_data(ttl=CACHE_SECONDS, max_entries=32, show_spinner="Comparing…")
def _cached_diff(first: str, second: str, *, all_lines: bool) -> Diff:
    return diff(first, second, 1_000_000 if all_lines else CONTEXT_LINES)


def _same_lines_text(first: FilePreview, second: FilePreview) -> str:
    """Explain why the bytes differ although the shown content is equal: truncated part, line endings or JSON formatting."""
    is_truncated = any("Showing the first" in note for file_preview in (first, second) for note in file_preview.preview.notes)
    return (
        "The shown part is identical; the files differ after it."
        if is_truncated
        else "Identical content; only whitespace or line endings differ."
    )


def _show_lines(view: ViewState, difference: Diff, pair: str) -> None:
    """Show a diff, folded if it is long."""
    name = f"unfold-{pair}"
    is_long = len(difference.lines) > MAX_UNFOLDED_LINES
    lines = difference.lines if has_flag(view, name) else difference.lines[:MAX_UNFOLDED_LINES]
    st.code("\n".join(lines), language="diff", wrap_lines=True)
    if is_long:
        flag_toggle(view, name, f"Show all {len(difference.lines):,} lines of this diff")


def _show_files_not_in_all(sides: Sequence[_Side]) -> None:
    """Show the files that only some of the runs have."""
    letters_by_key: dict[str, list[str]] = {}
    for side in sides:
        for key in side.files:
            letters_by_key.setdefault(key, []).append(side.letter)
    rows = [
        (escape(_file_label(key)), ", ".join(letters))
        for key, letters in sorted(letters_by_key.items())
        if len(letters) < len(sides)
    ]
    if not rows or len(sides) < 2:
        return
    with st.popover(f"{format_count(len(rows), 'file')} not in all runs", type="tertiary", icon=":material/rule:"):
        show_table(rows[:MAX_LISTED_FILES], ("File", "In"))
        if len(rows) > MAX_LISTED_FILES:
            st.caption(f"Showing {MAX_LISTED_FILES} of {len(rows):,}.")


def _show_notes(context: PlotContext, sides: Sequence[_Side]) -> None:
    view, notes = context.view, []
    if len(view.pick) < 2:
        which_runs = f"{'the picked run and ' if view.pick else ''}the {'best' if has_best_run(context) else 'first'}{'' if view.pick else ' two'}"
        notes.append(f"Showing {which_runs}. Select two to four runs in the table to compare others.")
    if len(view.pick) > len(LETTERS):
        notes.append(f"Showing {len(LETTERS)} of {len(view.pick)} picked runs.")
    if truncated_letters := [side.letter for side in sides if side.has_more]:
        notes.append(f"{' and '.join(truncated_letters)} logged more files than listed here.")
    if notes:
        st.caption(" ".join(notes))
