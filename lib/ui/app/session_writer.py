"""Who writes from a page. Apart from `session`, because it needs MLflow and the first page should not wait for that."""

from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.storage.actor import resolve_session_actor
from lib.ledger.storage.book import Writer
from lib.ui.app.session import current_backend, now, user_name


def writer(typed_name: str = "") -> Writer:
    """The typed name on this backend, on a shared server through its service account; Podium itself while nobody is named."""
    backend = current_backend()
    return Writer(backend, resolve_session_actor(backend, typed_name or user_name() or PODIUM_ACTOR.name), now)
