"""Who writes from a page. Apart from `session`, because it needs MLflow and the first page should not wait for that."""

from lib.ledger.book import Writer
from lib.ledger.people import through_service_account
from lib.ledger.words import PODIUM
from lib.ui.session import backend, now, person


def writer(name: str = "") -> Writer:
    """The typed name on this backend, on a shared server through its service account; Podium itself while nobody is named."""
    here = backend()
    return Writer(here, through_service_account(here, name or person() or PODIUM.name), now)
