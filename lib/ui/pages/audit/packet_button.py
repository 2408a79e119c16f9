"""The button that hands out a packet: of an entry, or of an answer about the past, as a page to read or as data.

The file is made when it is clicked, on a thread of its own, so nothing of the page may be asked for there.
"""

import json
from collections.abc import Callable

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.entry.vocabulary import Slot
from lib.ledger.packet.document import Packet
from lib.ledger.queries.time_query import TimeQuery
from lib.registry.audit_queries import AsOfQuery
from lib.runs.export.table_files import safe_file_name
from lib.ui.app.session import now, trusted_keys, writer
from lib.ui.components.formatting import escape


def entry_packet_button(model: str, entry_id: str, position: int) -> None:
    """The packet of one entry."""
    packet_writer, keys = writer(), trusted_keys()

    def build_packet() -> Packet:
        from lib.registry.packet_builder import build_decision_packet

        return build_decision_packet(packet_writer, model, entry_id, keys)

    _packet_menu("entry", build_packet, f"{model}-entry-{position}", "This entry, what led to it and what came of it.")


def answer_packet_button(model: str, slot: Slot, when: TimeQuery) -> None:
    """The packet of the answer who held a stage then."""
    packet_writer, keys, query = writer(), trusted_keys(), AsOfQuery(slot, when, now())

    def build_packet() -> Packet:
        from lib.registry.packet_builder import build_as_of_packet

        return build_as_of_packet(packet_writer, model, query, keys)

    _packet_menu("asof", build_packet, f"{model}-{slot}-{when.at:%Y-%m-%d}", "This answer with the entries that prove it.")


def packet_html(build_packet: Callable[[], Packet]) -> bytes:
    """The packet as HTML; what went wrong instead, as a page that says so."""
    from lib.registry.packet_page import render_failure_page, render_packet

    try:
        return render_packet(build_packet()).encode()
    except PodiumError as error:
        return render_failure_page(error).encode()


def packet_json(build_packet: Callable[[], Packet]) -> bytes:
    """The packet as JSON; what went wrong instead, in a document that is no packet."""
    from lib.ledger.packet.document import document_to_json, hashed_document

    try:
        return document_to_json(hashed_document(build_packet())).encode()
    except PodiumError as error:
        return json.dumps({"error": str(error)}).encode()


def _packet_menu(key: str, build_packet: Callable[[], Packet], name: str, description: str) -> None:
    with st.popover("Packet", icon=":material/folder_zip:", key=f"audit.packet.{key}"):
        st.caption(f"{escape(description)} It stands without Podium and without the backend; nothing is written.")
        with st.container(horizontal=True, gap="small"):
            _packet_download_button(
                f"{key}.html",
                "HTML to read and print",
                lambda: packet_html(build_packet),
                safe_file_name(name, "html"),
                "text/html",
            )
            _packet_download_button(
                f"{key}.json", "JSON", lambda: packet_json(build_packet), safe_file_name(name, "json"), "application/json"
            )
        st.caption("To check one later, anywhere: podium packet verify FILE")


def _packet_download_button(key: str, label: str, build_file: Callable[[], bytes], name: str, mime_type: str) -> None:
    st.download_button(
        label, build_file, name, mime_type, key=f"audit.packet.{key}.download", on_click="ignore", icon=":material/download:"
    )
