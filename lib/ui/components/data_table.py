"""What every data table needs: a widget key that follows its rows, and a height."""

from hashlib import sha256

_HEADING_PIXELS, _ROW_PIXELS, _SCROLL_BAR_PIXELS = 32, 31, 10


def digest(*values: object) -> str:
    """Return a short hash of the values' `repr`."""
    return sha256(repr(values).encode()).hexdigest()[:16]


def hashed_key(prefix: str, *content: object) -> str:
    """Return a widget key with a hash of the content, for widgets that report a choice by its position.

    With other rows it is another widget, so that a choice never applies to a row that has moved to that position.
    """
    return f"{prefix}.{digest(*content)}"


def table_height(row_count: int, max_rows: int = 1000) -> int:
    """Return the pixel height of a table with up to `max_rows` visible rows and space for a horizontal scroll bar.

    If scroll bars take up space, Streamlit's own content height is too small and the bar covers the last row.
    """
    return _HEADING_PIXELS + _ROW_PIXELS * min(max(row_count, 1), max_rows) + _SCROLL_BAR_PIXELS + 2
