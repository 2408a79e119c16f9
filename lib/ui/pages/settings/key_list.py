"""The keys on Settings: which key signs what this Podium writes, and whose others are trusted here. Nothing is changed here.

Trust is given and taken away by the commands keys trust and keys distrust, on a shared Podium by its operator in the file.
"""

import os

import streamlit as st

from lib.backends.signing_secret import KEY_FILE_VARIABLE
from lib.errors import PodiumError
from lib.ledger.chain.signatures import KnownKey
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.storage.key_trust import read_trusted_keys
from lib.ui.app.backend_selection import config_path
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape, format_date
from lib.ui.components.layout import card, show_table


def show_keys(*, is_shared: bool) -> None:
    """One line per key: fingerprint, whose it is, whether it is trusted, since when."""
    with card("Keys that sign the record", "a verified name needs a trusted one", key="settings.keys"):
        try:
            keys = read_trusted_keys(os.environ, PROJECT_ROOT).keys
        except PodiumError as error:
            show_error(error)
            return
        if keys:
            show_table([_key_cells(key) for key in keys], ["Key", "Whose", "Trusted", "Since"])
        else:
            st.caption("This Podium makes a key with the first entry that it writes.")
        st.caption(_how_to_change(is_shared=is_shared))


def _key_cells(key: KnownKey) -> tuple[str, ...]:
    return (
        f"`{key.fingerprint}`",
        escape(key.name) or ":gray[no name]",
        "yes" if key.is_trusted else "**no**",
        _since_text(key),
    )


def _since_text(key: KnownKey) -> str:
    try:
        return format_date(parse_timestamp(key.since))
    except ValueError:
        return escape(key.since)


def _how_to_change(*, is_shared: bool) -> str:
    if is_shared:
        return f"This Podium is shared: its operator names trusted keys under {escape('[keys]')} in {escape(config_path().name)}."
    return (
        "To trust the key of another Podium: python -m lib keys trust FINGERPRINT --name NAME. "
        f"In a container {escape(KEY_FILE_VARIABLE)} names the file of its key."
    )
