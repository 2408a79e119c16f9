"""What was done outside Podium, as one box for all models. The Models page shows each model's in full, with the ways out."""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.backends.backend import Backend
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.replay import BookState
from lib.registry.ledger_writer import ModelStatus
from lib.registry.model_survey import deleted_book_notice, find_deleted_source_runs, missing_book_notice
from lib.registry.notices import Notice, collect_notices
from lib.ui.app.routes import page_link
from lib.ui.app.session import current_backend, now
from lib.ui.components.formatting import escape, format_count, format_time
from lib.ui.queries.registry import LoadedRegistry, source_run

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


def _last(state: BookState) -> HistoryRow:
    """The newest entry: of a deleted model, the one that says so."""
    return history_rows(state)[0]


def _whats(told: Sequence[Notice]) -> str:
    return "; ".join(f"{escape(one.what)}. {escape(one.next)}" if one.severity == "broken" else escape(one.what) for one in told)
