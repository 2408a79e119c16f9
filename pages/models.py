"""Models: not built yet."""

from lib.ui.cards import header

with header("Models", "Register, promote, archive and roll back."):
    pass
