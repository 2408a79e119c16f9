"""Charts and pictures use the colours of the page around them, and the fonts are where the palette expects them."""

import tomllib

import pytest

from lib.theme import DARK, FONT_FOLDER, LIGHT
from lib.ui.app.page_links import PROJECT_ROOT

THEME = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
SAME = {
    "ink": "textColor",
    "soft": "grayColor",
    "hair": "borderColor",
    "page": "backgroundColor",
    "unknown": "secondaryBackgroundColor",
    "green": "greenColor",
    "red": "redColor",
    "orange": "orangeColor",
}


@pytest.mark.parametrize(("mode", "colors"), [("light", LIGHT), ("dark", DARK)])
def test_the_charts_have_the_colours_of_the_page(mode, colors):
    assert {role: colors[role] for role in SAME} == {role: THEME[mode][name] for role, name in SAME.items()}
    assert colors.keys() == LIGHT.keys()


def test_the_fonts_of_pictures_are_shipped():
    assert list(FONT_FOLDER.glob("*.ttf"))
