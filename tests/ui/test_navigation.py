"""The navigation: every page opens, with its own title and the sidebar."""

import pytest

from lib.ui.app.navigation import MENU_PAGES
from lib.ui.app.page_links import page_path


@pytest.mark.parametrize("name", [entry.name for entry in MENU_PAGES])
def test_every_page_opens_on_an_empty_store_with_one_title(app, fresh_store, name):
    page = app(name, fresh_store)
    assert [title.value for title in page.title] == [next(entry.title for entry in MENU_PAGES if entry.name == name)]


def test_every_page_of_the_menu_has_a_script_and_says_what_it_is_for():
    assert all(page_path(entry.name).is_file() and entry.help.endswith(".") for entry in MENU_PAGES)
