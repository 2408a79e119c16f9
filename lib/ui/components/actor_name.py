"""Actor names from the ledger: verified ones with a tick, others marked as claims. Pure."""

from lib.ledger.queries.actor_names import NAME_STATUS_TEXTS, NameStatus, displayed_name
from lib.ui.components.formatting import escape


def actor_markdown(name: str, status: NameStatus) -> str:
    """Return a name for a line or cell; only `verified` names get the tick."""
    return escape(displayed_name(name, status)) + (" :material/verified:" if status == "verified" else "")


def actor_badge_markdown(name: str, status: NameStatus) -> str:
    """Return a name for a card with a badge for its status; Podium itself and unknown actors have no badge."""
    text = NAME_STATUS_TEXTS[status] if status != "imported" else NAME_STATUS_TEXTS["typed"]
    return escape(displayed_name(name, status)) + (f" :gray-badge[{text}]" if text else "")
