"""Changes made outside Podium and how to resolve them, and the views of unreadable or unknown models."""

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound, PodiumError
from lib.registry.model_survey import missing_book_notice
from lib.registry.move_plan import MoveRequest
from lib.registry.notices import Notice
from lib.ui.app.page_links import VERIFY_PARAMETER, page_link
from lib.ui.app.session import current_backend
from lib.ui.components.drift_banner import NOTICE_ICONS, read_notices
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, version_label
from lib.ui.pages.models import move_dialogs
from lib.ui.queries.registry import LoadedModelStatus, load_registry


def show_drift_banner(cached_status: LoadedModelStatus) -> None:
    """Show one box per notice, with the options to resolve it."""
    for number, notice in enumerate(read_notices(current_backend(), cached_status.status)):
        with st.container(border=True, key=f"models.outside.{notice.slot or number}"):
            position = f" :gray[Entry {notice.position}]" if notice.position else ""
            _show_notice(notice, f"{escape(notice.means)} {escape(notice.next)}{position}")
            if notice.resolutions and cached_status.can_write:
                _show_resolutions(cached_status, notice)


def show_unreadable_model(backend: Backend, model: str, error: PodiumError) -> None:
    """Explain why the model's record cannot be read and link to the verification."""
    missing_book_id = load_registry(backend).missing_books.get(model) if isinstance(error, NotFound) else None
    if missing_book_id:
        notice = missing_book_notice(missing_book_id)
        _show_notice(notice, f"{escape(notice.means)} {escape(notice.next)}")
    else:
        show_error(error)
    if not isinstance(error, LedgerBroken):
        page_link("Verify on the Audit page", "audit", icon="fingerprint", query={VERIFY_PARAMETER: "now"})


def show_unknown_model(backend: Backend, requested_model: str, shown_model: str) -> None:
    """Warn that the requested model does not exist and another is shown; link to the record of a deleted model."""
    st.warning(
        f"No registered model is called {escape(requested_model)}. Showing {escape(shown_model)} instead.",
        icon=":material/search_off:",
    )
    if requested_model in load_registry(backend).states:
        query: dict[str, str | list[str]] = {"audit.of": requested_model, "audit.model": requested_model}
        page_link(f"Open the record of {escape(requested_model)} on the Audit page", "audit", icon="history", query=query)


def _show_notice(notice: Notice, text: str) -> None:
    box = {"broken": st.error, "drift": st.warning, "told": st.info}[notice.severity]
    box(text, title=escape(notice.what), icon=f":material/{NOTICE_ICONS[notice.severity]}:")


def _show_resolutions(cached_status: LoadedModelStatus, notice: Notice) -> None:
    with st.container(horizontal=True, gap="small"):
        for resolution in notice.resolutions:
            st.button(
                _resolution_label(resolution),
                key=f"models.{resolution.kind}.{notice.slot}.{resolution.version}.{resolution.to_stage}",
                on_click=move_dialogs.open_move_dialog,
                args=(cached_status, resolution),
            )


def _resolution_label(resolution: MoveRequest) -> str:
    fills_stage = resolution.to_stage in ("Production", "Staging")
    if resolution.kind == "adopt":
        return (
            f"Accept {version_label(resolution.version)}, with a reason"
            if fills_stage
            else "Accept the empty stage, with a reason"
        )
    return (
        f"Restore {version_label(resolution.version)}"
        if fills_stage
        else f"Remove {version_label(resolution.version)} from the stage"
    )
