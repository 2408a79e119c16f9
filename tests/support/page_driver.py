"""What page tests do with a page under AppTest: read what it shows, press its buttons, fill in its dialogs."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from lib.backends.credentials import Credential
from lib.ui.app.page_links import page_path

TEXT_KINDS = ("markdown", "caption", "success", "error", "warning")


def page_text(page: AppTest, kinds: Sequence[str] = TEXT_KINDS) -> str:
    """The texts of these kinds of elements, one after the other."""
    return " ".join(str(element.value) for kind in kinds for element in getattr(page, kind))


def browser_content(page: AppTest) -> str:
    """Everything a page sends to the browser, without the marks of the escaping."""
    nodes = [node for root in (page.main, page.sidebar) for node in root]
    content = "\n".join(str(getattr(node, "proto", "")) for node in nodes) + str(
        {key: page.query_params[key] for key in page.query_params}
    )
    assert len(content) > 500  # an empty answer would prove nothing
    return re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), content).replace("\\342\\201\\240", "")


def visit(page: AppTest, name: str) -> AppTest:
    """Go to another page by its name."""
    page.switch_page(str(page_path(name))).run()
    assert not page.exception
    return page


def find_button(page: AppTest, label: str) -> Button:
    """The first button with this label."""
    return next(button for button in page.button if button.label == label)


def click_button(page: AppTest, key: str) -> AppTest:
    """Press the button with this key."""
    page.button(key=key).click().run()
    assert not page.exception
    return page


def submit_form(page: AppTest, label: str) -> AppTest:
    """Press the button with this label."""
    find_button(page, label).click().run()
    assert not page.exception
    return page


def confirm_move(
    page: AppTest, reason: str = "Five trees get seventeen of eighteen right.", version: str | None = "v1", name: str = "ana"
) -> AppTest:
    """Fill in the open move dialog and confirm it; `version` is what is typed to confirm, None where nothing is asked."""
    page.text_area(key="models.reason").set_value(reason)
    if version is not None:
        page.text_input(key="models.typed").set_value(version)
    if any(field.key == "session.name" for field in page.text_input):
        page.text_input(key="session.name").set_value(name)
    return page.button(key="models.confirm").click().run()


def entries_table(page: AppTest) -> pd.DataFrame:
    """The entries that the Audit page lists."""
    return page.dataframe[0].value


def compare_anchors(page: AppTest, text: str) -> AppTest:
    """Type noted heads on the Audit page and compare them with the books."""
    page.text_area(key="audit.heads.text").set_value(text)
    return next(button for button in page.button if button.key == "audit.heads.compare").click().run()


def write_config(tmp_path: Path, text: str) -> Path:
    """Write the `backends.toml` that pages under test read."""
    file = tmp_path / "podium" / "backends.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def session_credential(page: AppTest) -> Credential:
    """The credential that the browser session of a page holds."""
    return next(iter(page.session_state["session.signed"].values()))
