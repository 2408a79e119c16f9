"""The picture in a packet: who held which stage over time, drawn for paper, as a PNG that needs no font and no program."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.packet.document import PacketPicture
from lib.ledger.state.imported_holdings import all_holdings
from lib.runs.export.chart_image import render_png
from lib.theme import FONT_FOLDER, LIGHT


def render_holdings_chart(
    entries: Sequence[Entry], model: str, now: datetime, marked_at: datetime | None
) -> PacketPicture | None:
    """Every holding of a book up to now, and those that were imported; None when nobody ever held anything. `mark` is the instant somebody asked about."""
    held = all_holdings(entries)
    if not held:
        return None
    table = bar_table([(SLOTS[one.slot], one) for one in held], now)
    marked = marked_at if marked_at and marked_at >= table.since.min() else None
    data = render_png(holdings_chart(table, LIGHT, list(SLOTS.values()), marked_at=marked), LIGHT, FONT_FOLDER)
    said = "; ".join(
        f"{SLOTS[one.slot]}: {'v' + one.version if one.version else 'unknown'} from {one.since:%-d %b %Y} "
        f"to {f'{one.until:%-d %b %Y}' if one.until else 'now'}"
        for one in held[-12:]
    )
    return PacketPicture(
        type="image/png",
        alt=f"Who held which stage of {model}{', the last 12 holdings' if len(held) > 12 else ''}: {said}",
        sha256=hashlib.sha256(data).hexdigest(),
        data=base64.b64encode(data).decode(),
    )
