"""Plain text for all layers: counts, sizes, lists, and invisible characters. Pure.

Formatting for pages (no-break spaces, Markdown) is in `ui.components.formatting`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date

CONTROLS = r"\x00-\x1f\x7f"
"""ASCII control characters, including tabs and line breaks."""
CONTROLS_IN_LINES = r"\x00-\x08\x0b-\x1f\x7f"
"""The same without tab and line feed, for multi-line text."""
C1_CONTROLS = r"\x80-\x9f"
ZERO_WIDTH = r"\u200b-\u200f"
"""Zero-width spaces and joiners, and directional marks."""
LINE_SEPARATORS = r"\u2028\u2029"
DIRECTION_OVERRIDES = r"\u202a-\u202e\u2066-\u2069"
"""They reverse the following text, so that it reads as something else."""
BYTE_ORDER_MARK = r"\ufeff"

LONE_SURROGATES = r"\ud800-\udfff"
"""Halves of surrogate pairs, which no encoding can write."""

_UNSEEN = re.compile(f"[{CONTROLS}{ZERO_WIDTH}{DIRECTION_OVERRIDES}]")
_UNTYPED = re.compile(f"[{CONTROLS}{C1_CONTROLS}{ZERO_WIDTH}{LINE_SEPARATORS}{DIRECTION_OVERRIDES}{BYTE_ORDER_MARK}]+")
_UNPRINTABLE = re.compile(
    f"[{CONTROLS}{C1_CONTROLS}{ZERO_WIDTH}{LINE_SEPARATORS}{DIRECTION_OVERRIDES}{BYTE_ORDER_MARK}{LONE_SURROGATES}]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def strip_invisible(text: object) -> str:
    """Text for one line on screen: each control, zero-width or direction-changing character becomes a space."""
    return _UNSEEN.sub(" ", str(text))


def escape_unprintable(text: str) -> str:
    r"""Text for one line of a terminal: control and invisible characters as escapes such as \n and \u001b. JSON stays valid JSON."""
    return _UNPRINTABLE.sub(lambda match: _SHORT_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text)


def clean_text(text: str) -> str:
    """User input without control or invisible characters; each sequence of them becomes one space."""
    return _UNTYPED.sub(" ", text).strip()


def format_count(number: int, singular: str, plural: str = "") -> str:
    """ "1 run", "24,000 runs"; the plural defaults to the singular plus s."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def format_day(at: date) -> str:
    """A readable date: 16 Jan 2023. Avoids %-d, which Windows does not support."""
    return f"{at.day} {at:%b %Y}"


def format_size(size: int) -> str:
    """A size in bytes as text: 12 B, 3.4 kB, 0.4 MB."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:,.1f} kB" if size < 100_000 else f"{size / 1e6:,.1f} MB"


def format_large_size(size: int) -> str:
    """A typically large size in bytes as text: 0.4 MB, 3.2 GB."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


def join_words(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; an empty string for no words."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def version_list(versions: Iterable[str]) -> str:
    """Versions as readable text, "v1 and v2"; "no version" for none."""
    return " and ".join(f"v{version}" for version in versions) or "no version"
