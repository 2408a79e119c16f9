"""Banners for changes outside Podium, one box for all models. The Models page shows a model's drift in full with options to resolve it.

If a store holds a record that is in no index, an error replaces "no entry yet", because earlier entries may exist.
"""

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from lib.backends.backend import Backend
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.replay import BookState
from lib.registry.model_status import ModelStatus
from lib.registry.model_survey import deleted_book_notice, find_deleted_source_runs, missing_book_notice
from lib.registry.notices import Notice, collect_notices
from lib.ui.app.page_links import VERIFY_PARAMETER, page_link
from lib.ui.app.session import current_backend, now, trusted_keys
from lib.ui.components.formatting import escape, format_count, format_time
from lib.ui.queries.registry import LoadedRegistry, has_unexplained_record, source_run

NOTICE_ICONS = {"broken": "error", "drift": "visibility", "told": "info"}
UNEXPLAINED_TEXT = (
    "This store contains a record that is not in the index: it was renamed, replaced or copied. Earlier entries may exist, so no new "
    "record is started."
)
DELETED_TEXT = (
    "Its record is kept and still answers for the time before. MLflow cannot restore a deleted model: if this was a mistake, restore "
    "the database from a backup. A new model registered under the same name continues the same book."
)
RECENT_DELETION_PERIOD = timedelta(days=30)
"""How long the deletion of a model is announced."""
MAX_LISTED_MODELS = 5
"""Maximum models listed in a banner."""
MAX_CHECKED_MODELS = 20
"""Maximum models whose champions' source runs are checked for the banner: one call each."""


def read_notices(backend: Backend, status: ModelStatus) -> tuple[Notice, ...]:
    """Return all notices about a model, including deleted source runs."""
    return collect_notices(status, find_deleted_source_runs(backend, status.snapshot, source_run), trusted_keys())


def show_drift_summary(registry: LoadedRegistry) -> None:
    """Show one box with all models changed outside Podium or without an intact book, with a link to each; nothing if there are none."""
    backend = current_backend()
    statuses = enumerate(sorted(registry.statuses.items()))
    notices = [
        (model, notice)
        for number, (model, status) in statuses
        for notice in (
            read_notices(backend, status) if number < MAX_CHECKED_MODELS else collect_notices(status, {}, trusted_keys())
        )
    ]
    deleted_notices = [(model, deleted_book_notice(deleted_book)) for model, deleted_book in registry.deleted_books.items()]
    notices = (
        deleted_notices
        + [(model, missing_book_notice(missing_book_id)) for model, missing_book_id in registry.missing_books.items()]
        + notices
    )
    models = sorted({model for model, notice in notices if notice.severity != "told"})
    if not models:
        return
    lines = [
        f"**{escape(model)}**: {_notice_texts([notice for name, notice in notices if name == model and notice.severity != 'told'])}"
        for model in models
    ]
    more_line = (
        f"\n- and {format_count(len(models) - MAX_LISTED_MODELS, 'more model')}" if len(models) > MAX_LISTED_MODELS else ""
    )
    is_broken = any(notice.severity == "broken" for _, notice in notices)
    with st.container(border=True, key="outside.banner"):
        box = st.error if is_broken else st.warning
        box(
            "\n".join(f"- {line}" for line in lines[:MAX_LISTED_MODELS]) + more_line,
            title="A record needs attention" if is_broken else "Changed outside Podium",
            icon=f":material/{NOTICE_ICONS['broken' if is_broken else 'drift']}:",
        )
        _show_ways_on([model for model in models if model in registry.statuses], notices)


def _show_ways_on(models: Sequence[str], notices: Sequence[tuple[str, Notice]]) -> None:
    """Show a link to verification if a record is damaged, and to each model changed outside Podium."""
    drifted_models = {model for model, notice in notices if notice.severity == "drift"}
    with st.container(horizontal=True, gap="small"):
        if any(notice.severity == "broken" for _, notice in notices):
            page_link("Verify on the Audit page", "audit", icon="fingerprint", query={VERIFY_PARAMETER: "now"})
        for model in [model for model in models if model in drifted_models][:MAX_LISTED_MODELS]:
            page_link(f"Settle {escape(model)}", "models", icon="deployed_code", query={"model": model})


def show_unexplained_record() -> bool:
    """Show an error if the store has such a record, and return whether it does. Searches the entire store at most every two minutes."""
    if not has_unexplained_record(current_backend()):
        return False
    st.error(UNEXPLAINED_TEXT, title="A record needs attention", icon=":material/error:")
    page_link("Verify on the Audit page", "audit", icon="fingerprint", query={VERIFY_PARAMETER: "now"})
    return True


def show_deleted_models(registry: LoadedRegistry) -> None:
    """Show one box with recently deleted models: what is kept, and what can be done."""
    last_rows = {
        model: _last_row(status.state)
        for model, status in sorted(registry.statuses.items())
        if status.snapshot.created_at is None
    }
    recent_rows = [(model, row) for model, row in last_rows.items() if row.at and now() - row.at < RECENT_DELETION_PERIOD]
    if not recent_rows:
        return
    lines = [
        f"- **{escape(model)}**: seen on {format_time(row.at)} :gray[Entry {row.position}]"
        for model, row in recent_rows[:MAX_LISTED_MODELS]
    ]
    more_lines = (
        [f"- and {format_count(len(recent_rows) - MAX_LISTED_MODELS, 'more model')}"]
        if len(recent_rows) > MAX_LISTED_MODELS
        else []
    )
    with st.container(border=True, key="outside.deleted"):
        st.info(
            "\n".join([*lines, *more_lines, "", DELETED_TEXT]),
            title="A model was deleted" if len(recent_rows) == 1 else f"{format_count(len(recent_rows), 'model')} were deleted",
            icon=":material/delete:",
        )


def _last_row(state: BookState) -> HistoryRow:
    """Return the newest entry; for a deleted model, the one that records the deletion."""
    return history_rows(state)[0]


def _notice_texts(notices: Sequence[Notice]) -> str:
    broken_notices = [notice for notice in notices if notice.severity == "broken"]
    advice = dict.fromkeys(notice.next for notice in broken_notices)
    texts = [f"{'; '.join(escape(notice.what) for notice in broken_notices)}.", *map(escape, advice)] if broken_notices else []
    return " ".join([*texts, "; ".join(escape(notice.what) for notice in notices if notice.severity != "broken")]).strip()
