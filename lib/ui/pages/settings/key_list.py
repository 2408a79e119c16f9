"""Read-only list of keys on Settings: this Podium's signing key and the other known keys with their trust.

Trust is changed by the commands keys trust and keys distrust, on a shared Podium by its operator in the file.
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
    """Show one row per key: fingerprint, owner, trust, and since when."""
    with card("Signing keys", "a name is verified only by a trusted key", key="settings.keys"):
        try:
            keys = read_trusted_keys(os.environ, PROJECT_ROOT).keys
        except PodiumError as error:
            show_error(error)
            return
        if keys:
            show_table([_key_cells(key) for key in keys], ["Key", "Owner", "Trusted", "Since"])
        else:
            st.caption("This Podium creates a key when it writes its first entry.")
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
        return f"This Podium is shared: its operator lists trusted keys under {escape('[keys]')} in {escape(config_path().name)}."
    return (
        "To trust the key of another Podium: python -m lib keys trust FINGERPRINT --name NAME. "
        f"In a container, {escape(KEY_FILE_VARIABLE)} sets the path of its key file."
    )
