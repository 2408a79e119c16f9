"""Text for the screen: escaping of foreign text, and formats for numbers, times and names. Pure."""

import re
from datetime import UTC, datetime, timedelta

from lib import text as plain_text

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_JOINER = "\N{WORD JOINER}"
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$^=&\"'/])")


def escape(text: object) -> str:
    """Escape foreign text for Markdown: it shows the same characters and creates no link, image, badge, formula or HTML.

    Every markup character becomes a character reference; `:`, `@` and `www` get an invisible joiner, because bare URLs and
    `:material/…:` work without markup. Not for text to be copied: use `st.code` for ids.
    """
    escaped = _MARKUP.sub(lambda mark: f"&#{ord(mark[1])};", plain_text.strip_invisible(text))
    return escaped.replace(":", ":" + _JOINER).replace("@", "@" + _JOINER).replace("www", "w" + _JOINER + "ww")


def version_label(number: str) -> str:
    """Format version "3" as v3. Versions come from a backend, so only digits pass."""
    return f"v{number}" if number.isdigit() else f"v({escape(number)})"


def format_time(at: datetime | None) -> str:
    """Format a time in UTC as 16 Jan 2023, 09:00 UTC, without line breaks; empty for None."""
    if at is None:
        return ""
    utc_time = at.astimezone(UTC)
    return f"{plain_text.format_day(utc_time)}, {utc_time:%H:%M} UTC".replace(" ", NBSP)


def format_date(at: datetime | None) -> str:
    """Format a day in UTC as 16 Jan 2023."""
    return plain_text.format_day(at.astimezone(UTC)).replace(" ", NBSP) if at else ""


def format_age(at: datetime, now: datetime) -> str:
    """Format an age in one unit: "8 s ago", "3 days ago". Never used in the ledger."""
    return f"{format_duration(now - at)} ago"


def format_recent_age(at: datetime, now: datetime) -> str:
    """Format an age like `format_age`, but "a moment ago" up to a minute and a half."""
    return "a moment ago" if now - at < timedelta(seconds=90) else format_age(at, now)


def format_duration(duration: timedelta) -> str:
    """Format a duration in one unit: 12 s, 4 min, 3 h, 491 days."""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 90:
        return f"{seconds:.0f}{NBSP}s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f}{NBSP}min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f}{NBSP}h"
    return f"{seconds / 86400:,.0f}{NBSP}days"


def format_metric(value: float | None, digits: int = 4) -> str:
    """Format a metric with four decimals and a real minus sign; empty for None."""
    return "" if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def format_count(number: int, singular: str, plural: str = "") -> str:
    """Format a count: "1 run", "24,000 runs"."""
    return plain_text.format_count(number, singular, plural).replace(" ", NBSP, 1)


def short_hash(hash_: str) -> str:
    """Shorten a hash for comparison by eye: 8b3e…f1."""
    return hash_ if len(hash_) <= 10 else f"{hash_[:4]}…{hash_[-2:]}"
