"""A name in a record on a page: with a tick where it is verified, as a claim where nobody who is trusted here says so. Pure."""

from lib.ledger.queries.actor_names import NAME_STATUS_TEXTS, NameStatus, displayed_name
from lib.ui.components.formatting import escape


def actor_markdown(name: str, status: NameStatus) -> str:
    """A name for a line or a cell; the tick stands for `verified` and nothing else."""
    return escape(displayed_name(name, status)) + (" :material/verified:" if status == "verified" else "")


def actor_badge_markdown(name: str, status: NameStatus) -> str:
    """A name for a card of its own, with a word on how sure it is; Podium itself and an unknown hand need none."""
    text = NAME_STATUS_TEXTS[status] if status != "imported" else NAME_STATUS_TEXTS["typed"]
    return escape(displayed_name(name, status)) + (f" :gray-badge[{text}]" if text else "")
