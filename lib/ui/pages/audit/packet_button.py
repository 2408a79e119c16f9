"""The button that hands out a packet: of an entry, or of an answer about the past, as a page to read or as data.

The file is made when it is clicked, on a thread of its own, so nothing of the page may be asked for there.
"""

import json
from collections.abc import Callable

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.entry.vocabulary import Slot
from lib.ledger.packet.document import Packet
from lib.ledger.queries.time_query import When
from lib.registry.audit_queries import Question
from lib.runs.export.table_files import file_name
from lib.ui.app.session import now
from lib.ui.app.writer import writer
from lib.ui.components.formatting import md


def entry_packet(model: str, entry_id: str, place: int) -> None:
    """The packet of one entry."""
    who = writer()

    def made() -> Packet:
        from lib.registry.packet import of_decision

        return of_decision(who, model, entry_id)

    _menu("entry", made, f"{model}-entry-{place}", "This entry, what led to it and what came of it.")


def answer_packet(model: str, slot: Slot, when: When) -> None:
    """The packet of the answer who held a stage then."""
    who, question = writer(), Question(slot, when, now())

    def made() -> Packet:
        from lib.registry.packet import of_answer

        return of_answer(who, model, question)

    _menu("asof", made, f"{model}-{slot}-{when.at:%Y-%m-%d}", "This answer with the entries that prove it.")


def as_page(made: Callable[[], Packet]) -> bytes:
    """The packet as HTML; what went wrong instead, as a page that says so."""
    from lib.registry.packet_page import page, sorry

    try:
        return page(made()).encode()
    except PodiumError as error:
        return sorry(error).encode()


def as_data(made: Callable[[], Packet]) -> bytes:
    """The packet as JSON; what went wrong instead, in a document that is no packet."""
    from lib.ledger.packet.document import dumps, sealed

    try:
        return dumps(sealed(made())).encode()
    except PodiumError as error:
        return json.dumps({"error": str(error)}).encode()


def _menu(key: str, made: Callable[[], Packet], name: str, what: str) -> None:
    with st.popover("Packet", icon=":material/folder_zip:", key=f"audit.packet.{key}"):
        st.caption(f"{md(what)} It stands without Podium and without the backend; nothing is written.")
        with st.container(horizontal=True, gap="small"):
            _button(f"{key}.html", "HTML to read and print", lambda: as_page(made), file_name(name, "html"), "text/html")
            _button(f"{key}.json", "JSON", lambda: as_data(made), file_name(name, "json"), "application/json")
        st.caption("To check one later, anywhere: podium packet verify FILE")


def _button(key: str, label: str, made: Callable[[], bytes], name: str, mime: str) -> None:
    st.download_button(label, made, name, mime, key=f"audit.packet.{key}.download", on_click="ignore", icon=":material/download:")
