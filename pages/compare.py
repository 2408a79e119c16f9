"""Compare: not built yet."""

from lib.ui.cards import header

with header("Compare", "Search, sort and compare runs."):
    pass
