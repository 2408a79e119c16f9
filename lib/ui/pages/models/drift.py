"""What was done to a model outside Podium, with the ways out; and what stands in place of a model that cannot be shown."""

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound, PodiumError
from lib.registry.drift import DriftResolution
from lib.registry.model_survey import missing_book_notice
from lib.registry.notices import Notice
from lib.ui.app.routes import page_link
from lib.ui.app.session import current_backend
from lib.ui.components.drift_banner import NOTICE_ICONS, read_notices
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, version_label
from lib.ui.pages.models import move_dialogs
from lib.ui.queries.registry import LoadedModelStatus, load_registry


def show_drift_banner(cached_status: LoadedModelStatus) -> None:
    """One box per thing a look found, with the ways out."""
    for number, notice in enumerate(read_notices(current_backend(), cached_status.status)):
        with st.container(border=True, key=f"models.outside.{notice.slot or number}"):
            _box(notice, f"{escape(notice.means)} {escape(notice.next)}{_recorded(notice)}")
            if notice.resolutions and cached_status.can_write:
                _ways_out(cached_status, notice)


def show_unreadable_model(backend: Backend, model: str, error: PodiumError) -> None:
    """In place of a model whose record cannot be read: why, and the way to the check."""
    gone = load_registry(backend).missing_books.get(model) if isinstance(error, NotFound) else None
    if gone:
        notice = missing_book_notice(gone)
        _box(notice, f"{escape(notice.means)} {escape(notice.next)}")
    else:
        show_error(error)
    if not isinstance(error, LedgerBroken):
        page_link("Verify on the Audit page", "audit", icon="fingerprint")


def show_unknown_model(backend: Backend, requested_model: str, shown_model: str) -> None:
    """Say that another model is shown than was asked for; the record of a deleted one is a click away."""
    st.warning(
        f"There is no registered model {escape(requested_model)}. Here is {escape(shown_model)}.", icon=":material/search_off:"
    )
    if requested_model in load_registry(backend).states:
        query: dict[str, str | list[str]] = {"audit.of": requested_model, "audit.model": requested_model}
        page_link(f"The record of {escape(requested_model)} on the Audit page", "audit", icon="history", query=query)


def _box(notice: Notice, text: str) -> None:
    box = {"broken": st.error, "drift": st.warning, "told": st.info}[notice.severity]
    box(text, title=escape(notice.what), icon=f":material/{NOTICE_ICONS[notice.severity]}:")


def _recorded(notice: Notice) -> str:
    return f" :gray[Entry {notice.position}]" if notice.position else ""


def _ways_out(sight: LoadedModelStatus, notice: Notice) -> None:
    with st.container(horizontal=True, gap="small"):
        for way in notice.resolutions:
            st.button(
                _way_said(way),
                key=f"models.{way.kind}.{notice.slot}.{way.version}.{way.to_stage}",
                on_click=move_dialogs.open_move_dialog,
                args=(sight, way.version, way.to_stage, way.kind),
            )


def _way_said(way: DriftResolution) -> str:
    fills = way.to_stage in ("Production", "Staging")
    if way.kind == "adopt":
        return f"Adopt {version_label(way.version)} with a reason" if fills else "Adopt nobody, with a reason"
    return f"Put {version_label(way.version)} back" if fills else f"Take {version_label(way.version)} out again"
