"""What was done outside Podium, shown where people look: in full with the ways out on Models, as one line per model elsewhere."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, NotFound, PodiumError
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.replay import BookState
from lib.registry.drift import DriftResolution
from lib.registry.ledger_writer import ModelStatus
from lib.registry.model_survey import deleted_book_notice, find_deleted_source_runs, missing_book_notice
from lib.registry.notices import Notice, collect_notices
from lib.ui.app.routes import page_link
from lib.ui.app.session import current_backend, now
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_count, format_time, version_label
from lib.ui.pages.models import move_dialogs
from lib.ui.queries.registry import LoadedModelStatus, LoadedRegistry, load_registry, source_run

NOTICE_ICONS = {"broken": "error", "drift": "visibility", "told": "info"}
DELETED_TEXT = (
    "Its record stays, and answers for the time before. MLflow cannot restore a deleted model: if nobody meant it, bring the database "
    "back from a backup. A model that is registered anew under the same name goes on in the same book."
)
RECENT_DELETION_PERIOD = timedelta(days=30)
"""For how long a deleted model is told without being asked for."""
MAX_LISTED_MODELS = 5
"""How many models the short banner names."""
MAX_CHECKED_MODELS = 20
"""Of how many models the short banner asks whether the runs of their champions are still there: that is a call each."""


def read_notices(backend: Backend, status: ModelStatus) -> tuple[Notice, ...]:
    """Everything a look found, deleted source runs included."""
    return collect_notices(status, find_deleted_source_runs(backend, status.snapshot, source_run))


def show_drift_banner(cached_status: LoadedModelStatus) -> None:
    """One box per thing a look found, with the ways out."""
    for number, notice in enumerate(read_notices(current_backend(), cached_status.status)):
        with st.container(border=True, key=f"models.outside.{notice.slot or number}"):
            _box(notice, f"{escape(notice.means)} {escape(notice.next)}{_recorded(notice)}")
            if notice.resolutions and cached_status.can_write:
                _ways_out(cached_status, notice)


def show_drift_summary(registry: LoadedRegistry) -> None:
    """One box for all models: which were moved outside, or have no sound book, with a link to each. Nothing when all is well."""
    here = current_backend()
    looks = enumerate(sorted(registry.statuses.items()))
    told = [
        (model, notice)
        for number, (model, look) in looks
        for notice in (read_notices(here, look) if number < MAX_CHECKED_MODELS else collect_notices(look, {}))
    ]
    broken_off = [(model, deleted_book_notice(lost)) for model, lost in registry.deleted_books.items()]
    told = broken_off + [(model, missing_book_notice(book)) for model, book in registry.missing_books.items()] + told
    due = sorted({model for model, notice in told if notice.severity != "told"})
    if not due:
        return
    lines = [
        f"**{escape(model)}**: {_whats([one for name, one in told if name == model and one.severity != 'told'])}" for model in due
    ]
    more = f"\n- and {format_count(len(due) - MAX_LISTED_MODELS, 'more model')}" if len(due) > MAX_LISTED_MODELS else ""
    broken = any(notice.severity == "broken" for _, notice in told)
    with st.container(border=True, key="outside.banner"):
        box = st.error if broken else st.warning
        box(
            "\n".join(f"- {line}" for line in lines[:MAX_LISTED_MODELS]) + more,
            title="A record needs attention" if broken else "Moved outside Podium",
            icon=f":material/{NOTICE_ICONS['broken' if broken else 'drift']}:",
        )
        with st.container(horizontal=True, gap="small"):
            for model in [one for one in due if one in registry.statuses][:MAX_LISTED_MODELS]:
                page_link(f"Settle {escape(model)}", "models", icon="deployed_code", query={"model": model})


def show_deleted_models(registry: LoadedRegistry) -> None:
    """One box for the models that were deleted lately: what stays of them, and what can be done."""
    deleted = {model: _last(look.state) for model, look in sorted(registry.statuses.items()) if look.snapshot.created_at is None}
    late = [(model, line) for model, line in deleted.items() if line.at and now() - line.at < RECENT_DELETION_PERIOD]
    if not late:
        return
    named = [
        f"- **{escape(model)}**: seen on {format_time(line.at)} :gray[Entry {line.position}]"
        for model, line in late[:MAX_LISTED_MODELS]
    ]
    more = [f"- and {format_count(len(late) - MAX_LISTED_MODELS, 'more model')}"] if len(late) > MAX_LISTED_MODELS else []
    with st.container(border=True, key="outside.deleted"):
        st.info(
            "\n".join([*named, *more, "", DELETED_TEXT]),
            title="A model was deleted" if len(late) == 1 else f"{format_count(len(late), 'model')} were deleted",
            icon=":material/delete:",
        )


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


def _last(state: BookState) -> HistoryRow:
    """The newest entry: of a deleted model, the one that says so."""
    return history_rows(state)[0]


def _whats(told: Sequence[Notice]) -> str:
    return "; ".join(f"{escape(one.what)}. {escape(one.next)}" if one.severity == "broken" else escape(one.what) for one in told)


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
