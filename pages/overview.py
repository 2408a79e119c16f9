"""Overview: who is in Production, what ran, what to do next."""

from lib.ui.cards import header

with header("Overview", "soon"):
    pass
