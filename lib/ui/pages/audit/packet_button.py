"""Download buttons for a packet of an entry or an as-of answer, as an HTML page or JSON.

The file is built on click in a separate thread, so it must not access Streamlit's page state.
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
    """Show the packet menu of one entry."""
    packet_writer, keys = writer(), trusted_keys()

    def build_packet() -> Packet:
        from lib.registry.packet_builder import build_decision_packet

        return build_decision_packet(packet_writer, model, entry_id, keys)

    _packet_menu("entry", build_packet, f"{model}-entry-{position}", "This entry, its history, and its outcome.")


def answer_packet_button(model: str, slot: Slot, when: TimeQuery) -> None:
    """Show the packet menu of an as-of answer."""
    packet_writer, keys, query = writer(), trusted_keys(), AsOfQuery(slot, when, now())

    def build_packet() -> Packet:
        from lib.registry.packet_builder import build_as_of_packet

        return build_as_of_packet(packet_writer, model, query, keys)

    _packet_menu("asof", build_packet, f"{model}-{slot}-{when.at:%Y-%m-%d}", "This answer with the entries that prove it.")


def packet_html(build_packet: Callable[[], Packet]) -> bytes:
    """Render the packet as HTML, or an error page if it cannot be built."""
    from lib.registry.packet_page import render_failure_page, render_packet

    try:
        return render_packet(build_packet()).encode()
    except PodiumError as error:
        return render_failure_page(error).encode()


def packet_json(build_packet: Callable[[], Packet]) -> bytes:
    """Encode the packet as JSON, or an error document (not a packet) if it cannot be built."""
    from lib.ledger.packet.document import document_to_json, hashed_document

    try:
        return document_to_json(hashed_document(build_packet())).encode()
    except PodiumError as error:
        return json.dumps({"error": str(error)}).encode()


def _packet_menu(key: str, build_packet: Callable[[], Packet], name: str, description: str) -> None:
    with st.popover("Packet", icon=":material/folder_zip:", key=f"audit.packet.{key}"):
        st.caption(f"{escape(description)} Self-contained: readable without Podium or the backend. Exporting writes nothing.")
        with st.container(horizontal=True, gap="small"):
            _packet_download_button(
                f"{key}.html",
                "HTML for reading and printing",
                lambda: packet_html(build_packet),
                safe_file_name(name, "html"),
                "text/html",
            )
            _packet_download_button(
                f"{key}.json", "JSON", lambda: packet_json(build_packet), safe_file_name(name, "json"), "application/json"
            )
        st.caption("To verify a packet later, on any machine: podium packet verify FILE")


def _packet_download_button(key: str, label: str, build_file: Callable[[], bytes], name: str, mime_type: str) -> None:
    st.download_button(
        label, build_file, name, mime_type, key=f"audit.packet.{key}.download", on_click="ignore", icon=":material/download:"
    )
