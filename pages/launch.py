"""Launch: not built yet."""

from lib.ui.cards import header

with header("Launch", "Start a demo experiment and watch it."):
    pass
