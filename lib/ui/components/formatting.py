"""Text for the screen: foreign text made harmless, numbers, times and names as people read them. Pure."""

import re
from datetime import UTC, datetime, timedelta

NARROW = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_JOINER = "\N{WORD JOINER}"
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$^=&\"'/])")


def md(text: object) -> str:
    """Foreign text for a Markdown slot: shows the same characters, makes no link, picture, badge, formula or HTML.

    Every mark becomes a character reference; `:`, `@` and `www` get an invisible joiner, because bare addresses and
    `:material/…:` fire without any mark. Not for text that people copy: use `st.code` for ids.
    """
    quiet = _MARKUP.sub(lambda mark: f"&#{ord(mark[1])};", plain(text))
    return quiet.replace(":", ":" + _JOINER).replace("@", "@" + _JOINER).replace("www", "w" + _JOINER + "ww")


def plain(text: object) -> str:
    """Text without control characters and without invisible marks that turn or hide what follows."""
    return _INVISIBLE.sub(" ", str(text))


def version(number: str) -> str:
    """ "3" as people say it: v3. Versions come from a backend, so only digits pass."""
    return f"v{number}" if number.isdigit() else f"v({md(number)})"


def moment(at: datetime | None) -> str:
    """A time in UTC: 16 Jan 2023, 09:00 UTC; an empty text for no time. Does not break across lines."""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC".replace(" ", NARROW) if at else ""


def day(at: datetime | None) -> str:
    """A day in UTC: 16 Jan 2023."""
    return f"{at.astimezone(UTC):%-d %b %Y}".replace(" ", NARROW) if at else ""


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in one unit: "8 s ago", "3 days ago". Never used in a record."""
    return f"{span(now - at)} ago"


def lately(at: datetime, now: datetime) -> str:
    """The same for things that matter only while they are new: "a moment ago" up to a minute and a half."""
    return "a moment ago" if now - at < timedelta(seconds=90) else ago(at, now)


def span(length: timedelta) -> str:
    """A length of time in one unit: 12 s, 4 min, 3 h, 491 days."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 90:
        return f"{seconds:.0f}{NARROW}s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f}{NARROW}min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f}{NARROW}h"
    return f"{seconds / 86400:,.0f}{NARROW}days"


def score(value: float | None, digits: int = 4) -> str:
    """A metric: four decimals, a real minus, an empty text where there is none."""
    return "" if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign: +0.0278, −0.016."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def count(number: int, one: str, many: str = "") -> str:
    """ "1 run", "24,000 runs"."""
    return f"{number:,}{NARROW}{one if number == 1 else many or one + 's'}"


def short(hash_: str) -> str:
    """A hash as people compare it: 8b3e…f1."""
    return hash_ if len(hash_) <= 10 else f"{hash_[:4]}…{hash_[-2:]}"
