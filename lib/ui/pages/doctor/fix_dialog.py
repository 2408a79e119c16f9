"""The fix dialog: inputs, a preview of every change, equivalent calls, and the verified result."""

import os
from dataclasses import dataclass

import streamlit as st

from lib.backends.app_files import podium_home
from lib.doctor import fix_runner
from lib.doctor.fix_runner import apply_fix, find_fix, preview_fix
from lib.doctor.types import CONFIRMATION_INPUT, FINGERPRINT_INPUT, FixContext, FixInput, FixOffer, FixPreview
from lib.errors import PodiumError
from lib.ui.app.backend_selection import is_shared
from lib.ui.app.session import current_backend, now
from lib.ui.components.dialog import Dialog
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_table
from lib.ui.pages.doctor.report_state import add_fix_result


@dataclass(frozen=True)
class FixDialogState:
    """State of the dialog: title, offer, inputs, and whether the fix is applied manually outside Podium."""

    title: str
    offer: FixOffer
    inputs: tuple[FixInput, ...]
    is_manual: bool

    def widget_key(self, name: str) -> str:
        """Return the widget key of an input."""
        return f"doctor.ask-{self.offer.fix_id}-{name}"


FIX_DIALOG = Dialog[FixDialogState]("doctor")


def open_fix_dialog(offer: FixOffer) -> None:
    """Open the dialog for a fix at the end of this rerun."""
    fix = find_fix(offer)
    if fix is None:
        return
    try:
        inputs = fix_runner.fix_inputs(_fix_context(), offer)
        title = fix.title if inputs else preview_fix(_fix_context(), offer).title
    except PodiumError as error:
        show_error(error)
        return
    dialog_state = FixDialogState(title, offer, inputs, fix.apply is None)
    for fix_input in dialog_state.inputs:
        st.session_state.pop(dialog_state.widget_key(fix_input.name), None)
    for name in ("confirm", "fingerprint"):
        st.session_state.pop(dialog_state.widget_key(name), None)
    FIX_DIALOG.open(dialog_state)


def show_fix_dialog() -> None:
    """Draw the open dialog, if any."""
    if dialog_state := FIX_DIALOG.state:
        FIX_DIALOG.show(_show_dialog, escape(dialog_state.title), icon="healing")


def _show_dialog(dialog_state: FixDialogState) -> None:
    progress = st.empty()
    answers = {fix_input.name: _ask_input(dialog_state, fix_input) for fix_input in dialog_state.inputs}
    offer = dialog_state.offer.with_inputs(answers)
    try:
        preview = preview_fix(_fix_context(), offer)
    except PodiumError as error:
        show_error(error)
        _leave_button()
        return
    fingerprint_key = dialog_state.widget_key("fingerprint")
    confirmed_fingerprint = st.session_state.get(
        fingerprint_key, preview.fingerprint
    )  # of the preview that was on screen at the click
    st.session_state[fingerprint_key] = preview.fingerprint
    show_table([(str(number), escape(text)) for number, text in enumerate(preview.changes, 1)])
    _show_snippets(preview, is_expanded=dialog_state.is_manual)
    st.caption(f"To undo: {escape(preview.undo)}" if preview.undo else "This cannot be undone.")
    if dialog_state.is_manual:
        _leave_button("Close")
        return
    missing = "" if _ask_confirmation(dialog_state, preview) else "Not confirmed yet."
    if FIX_DIALOG.action_row(escape(preview.title.removesuffix("?")), missing, icon="healing", name="carry_out"):
        confirmation = {CONFIRMATION_INPUT: preview.confirmation_text, FINGERPRINT_INPUT: confirmed_fingerprint}
        _apply_offer(offer.with_inputs(confirmation) if preview.confirmation_text else offer, progress)


def _ask_input(dialog_state: FixDialogState, fix_input: FixInput) -> str:
    return str(
        st.text_input(
            fix_input.label, fix_input.default, key=dialog_state.widget_key(fix_input.name), help=fix_input.help or None
        )
        or ""
    )


def _show_snippets(preview: FixPreview, *, is_expanded: bool) -> None:
    if not preview.snippets:
        return
    container = st.container(gap="small") if is_expanded else st.expander("Equivalent calls", icon=":material/code:")
    with container:
        for snippet in preview.snippets:
            if snippet.label:
                st.caption(escape(snippet.label))
            st.code(snippet.text, language=None if snippet.language == "text" else snippet.language, wrap_lines=True)


def _ask_confirmation(dialog_state: FixDialogState, preview: FixPreview) -> bool:
    if not preview.confirmation_text:
        return True
    answer = st.text_input(f"Type {escape(preview.confirmation_text)} to confirm", key=dialog_state.widget_key("confirm"))
    return str(answer or "").strip() == preview.confirmation_text


def _apply_offer(offer: FixOffer, progress: "st.delta_generator.DeltaGenerator") -> None:
    """Apply the fix and show its progress; the result appears on the page, an error in the dialog."""
    backend = current_backend()
    try:
        container = progress.container()
        with container, st.spinner("Applying the fix…"):
            status_line = container.empty()
            result = apply_fix(_fix_context(), offer, lambda text: status_line.caption(escape(text)))
    except PodiumError as error:
        with progress.container():
            show_error(error)
        return
    add_fix_result(backend, result)
    FIX_DIALOG.close_and_rerun()


def _leave_button(label: str = "Cancel") -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(label, key="doctor.leave"):
            FIX_DIALOG.close_and_rerun()


def _fix_context() -> FixContext:
    return FixContext(current_backend(), now, podium_home(os.environ), is_shared())
