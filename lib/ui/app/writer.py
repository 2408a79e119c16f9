"""Who writes from a page. Apart from `session`, because it needs MLflow and the first page should not wait for that."""

from lib.ledger.entry.vocabulary import PODIUM
from lib.ledger.storage.book import Writer
from lib.ledger.storage.identity import through_service_account
from lib.ui.app.session import backend, now, person


def writer(name: str = "") -> Writer:
    """The typed name on this backend, on a shared server through its service account; Podium itself while nobody is named."""
    here = backend()
    return Writer(here, through_service_account(here, name or person() or PODIUM.name), now)
