"""The alarm on every page if a record differs from the one seen before: differences per model, and links to resolve them.

If the entire store was replaced, a dialog asks for confirmation once and saves the answer in PODIUM_HOME.
"""

from collections.abc import Sequence

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.call_deadline import has_waited_in_vain
from lib.errors import BadInput, NotWritable, PodiumError
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.state.known_heads import HeadAlarm
from lib.registry.head_watch import accept_present_store
from lib.ui.app.page_links import VERIFY_PARAMETER, page_link
from lib.ui.app.session import ask_user_name, current_backend, head_memory, now, remember_user_name
from lib.ui.components.dialog import Dialog
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.reason_field import ask_reason, missing_characters
from lib.ui.queries.registry import HeadCheckResult, clear_cache, head_alarms, last_head_check

TITLE = "A record differs from the one seen before"
NOT_COMPARED = "The records could not be compared with those seen here before"
MAX_LISTED_ALARMS = 5
_ACCEPT_DIALOG = Dialog[Backend]("shell.alarms")


def show_known_alarms() -> tuple[HeadCheckResult, bool]:
    """Draw the box from the last comparison, however old; nothing if all records match. Compares first if there is none yet.

    Returns the drawn result, and whether it was just read.
    """
    backend = _find_backend()
    if backend is None:
        return HeadCheckResult(), True
    with error_boundary():
        head_memory().read(backend)  # unreadable memory is an alarm, too
    last_check = last_head_check(backend)
    is_fresh = not last_check
    result = refresh_alarms() if is_fresh else last_check[0]
    if result.failure:
        st.caption(f":material/history: {NOT_COMPARED}. {escape(result.failure)}")
    if not result.alarms:
        return result, is_fresh
    _show_box(backend, result.alarms)
    _ACCEPT_DIALOG.show(_ask_for_acceptance, "Is this another store?", icon="database")
    return result, is_fresh


def refresh_alarms() -> HeadCheckResult:
    """Return the comparison result, renewed if older than a minute. Draws nothing.

    If the records cannot be read, keeps the previous alarms and adds the reason. Does not query a backend again after an unanswered call.
    """
    backend = _find_backend()
    if backend is None:
        return HeadCheckResult()
    last_check = last_head_check(backend)
    if not (last_check and has_waited_in_vain()):
        try:
            result = HeadCheckResult(head_alarms(backend))
        except PodiumError as error:
            result = HeadCheckResult(last_check[0].alarms if last_check else (), error.what)
        last_check[:] = [result]
    return last_check[0]


def _find_backend() -> Backend | None:
    try:
        return current_backend()
    except PodiumError:
        return None


def _show_box(backend: Backend, alarms: Sequence[HeadAlarm]) -> None:
    with st.container(border=True, key="shell.alarms.box"):
        st.error("\n".join(_alarm_lines(alarms)), title=TITLE, icon=":material/error:")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if any(alarm.what == "another store" for alarm in alarms):
                if st.button("Accept the new store…", key="shell.alarms.accept"):
                    _ACCEPT_DIALOG.open(backend)
                page_link("Open Settings", "settings", icon="database")
            models = list(dict.fromkeys(alarm.known.model for alarm in alarms if alarm.known.model))[:MAX_LISTED_ALARMS]
            for model in models:
                page_link(
                    f"Settle {escape(model)}", "audit", icon="fingerprint", query={"audit.model": model, VERIFY_PARAMETER: "now"}
                )


def _alarm_lines(alarms: Sequence[HeadAlarm]) -> list[str]:
    lines = [
        f"- {f'**{escape(alarm.known.model)}**: ' if alarm.known.model else ''}{escape(alarm.what)}. {escape(alarm.means)}"
        for alarm in alarms[:MAX_LISTED_ALARMS]
    ]
    more_count = len(alarms) - MAX_LISTED_ALARMS
    more_lines = [f"- and {format_count(more_count, 'more record')}"] if more_count > 0 else []
    return [*lines, *more_lines, "", "Decisions on these models are blocked until this is resolved."]


def _ask_for_acceptance(backend: Backend) -> None:
    st.markdown(
        "This store contains none of the records that Podium saw here before. If the database was replaced on purpose, confirm it here: "
        "the records seen before stay listed under an earlier store, and the current records count as seen for the first time. "
        "Otherwise, check the address of this backend and restore the database."
    )
    reason_text = ask_reason(
        "Why, for a reader in two years", key="shell.alarms.reason", placeholder="We started over with an empty database."
    )
    name = ask_user_name()
    if _ACCEPT_DIALOG.action_row("Accept new store", missing_characters(reason_text)):
        with _ACCEPT_DIALOG.action("Saving the answer…", clear_cache):
            _accept(backend, name, reason_text)


def _accept(backend: Backend, name: str, reason_text: str) -> None:
    """Validate the input and save the answer."""
    reason = make_reason("other", reason_text)
    if not name:
        raise BadInput("Your name is required.", next="Enter your name.")
    if not accept_present_store(backend, head_memory(), now(), (name, reason.text)):
        raise NotWritable(
            "PODIUM_HOME cannot be written, so the answer cannot be saved.", next="Check the permissions of that folder."
        )
    remember_user_name(name)
