"""The picture in a packet: who held which stage over time, drawn for paper, as a PNG that needs no font and no program."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.charts.holdings_chart import bars, strip
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.packet.document import Picture
from lib.ledger.state.imported_holdings import every_holding
from lib.runs.export.chart_image import png
from lib.theme import FONTS, LIGHT


def strip_picture(entries: Sequence[Entry], model: str, now: datetime, mark: datetime | None) -> Picture | None:
    """Every holding of a book up to now, and those that were imported; None when nobody ever held anything. `mark` is the instant somebody asked about."""
    held = every_holding(entries)
    if not held:
        return None
    table = bars([(SLOTS[one.slot], one) for one in held], now)
    marked = mark if mark and mark >= table.since.min() else None
    data = png(strip(table, LIGHT, list(SLOTS.values()), mark=marked), LIGHT, FONTS)
    said = "; ".join(
        f"{SLOTS[one.slot]}: {'v' + one.version if one.version else 'unknown'} from {one.since:%-d %b %Y} "
        f"to {f'{one.until:%-d %b %Y}' if one.until else 'now'}"
        for one in held[-12:]
    )
    return Picture(
        type="image/png",
        alt=f"Who held which stage of {model}{', the last 12 holdings' if len(held) > 12 else ''}: {said}",
        sha256=hashlib.sha256(data).hexdigest(),
        data=base64.b64encode(data).decode(),
    )
