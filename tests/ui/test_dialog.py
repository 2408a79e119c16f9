"""Dialogs: closing one leaves no trace, an error inside keeps the inputs, and there is never more than one, only on its own page."""

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from tests.support.page_driver import click_button, page_text


def dialog_script() -> None:
    """A page with two dialogs. The parameter `page` is its name, `subject` what the first dialog must be about."""
    import streamlit as st

    from lib.errors import BadInput
    from lib.ui.app.backend_selection import switch_backend
    from lib.ui.components.dialog import Dialog, dialog_scope

    first, second = Dialog[str]("first", link_parameter="link"), Dialog[str]("second")

    def clear_cache() -> None:
        st.session_state["cleared"] = st.session_state.get("cleared", 0) + 1

    def show_form(subject: str) -> None:
        text = st.text_input("Text", key="first.text")
        if first.action_row("Save", "Three characters at most." if len(text) > 3 else ""):
            with first.action("Saving…", clear_cache):
                if not text:
                    raise BadInput("Nothing was typed.")
                st.session_state["saved"] = (subject, text)

    page = st.query_params.get("page", "models")
    with dialog_scope(page):
        st.button("Open", key="open.first", on_click=first.open, args=("wine",))
        st.button("Open the second", key="open.second", on_click=second.open, args=("tea",))
        st.button("Change backend", key="change.backend", on_click=switch_backend, args=("other",))
        if st.button("Rerun", key="rerun"):
            st.rerun()
        if first.state == st.query_params.get("subject", "wine"):
            first.show(show_form, "First", icon="edit")
        if st.button("Open the second below the first", key="open.below"):
            second.open("tea")
        second.show(lambda subject: st.caption(f"Second: {subject}"), "Second", icon="edit")


@pytest.fixture
def page(clean_session):
    return AppTest.from_function(dialog_script, default_timeout=30).run()


def is_first_open(page: AppTest) -> bool:
    return any(button.key == "first.confirm" for button in page.button)


def is_second_open(page: AppTest) -> bool:
    return "Second: tea" in page_text(page)


def go_to(page: AppTest, parameter: str, value: str) -> None:
    page.query_params[parameter] = value
    page.run()
    assert not page.exception


def dismiss(page: AppTest) -> None:
    """Report to the script what the browser reports after Escape."""
    dialog = next(node for root in page._tree.children.values() for node in root if node.type == "dialog")
    states = page._tree.get_widget_states()
    states.widgets.append(WidgetState(id=dialog.proto.dialog.id, trigger_value=True))
    page._run(states)
    assert not page.exception


def cancel(page: AppTest) -> None:
    click_button(page, "first.cancel")


@pytest.mark.parametrize("close", [cancel, dismiss])
def test_closing_a_dialog_discards_it_with_everything_typed_in_it(page, close):
    click_button(page, "open.first")
    page.text_input(key="first.text").set_value("abc").run()
    page.query_params["link"] = "wine"
    close(page)
    assert not is_first_open(page)
    assert "link" not in page.query_params
    assert [key for key in ("dialog.open", "first.text", "saved", "cleared") if key in page.session_state] == []
    click_button(page, "open.first")
    assert page.text_input(key="first.text").value == ""


def test_an_error_appears_inside_and_the_inputs_stay(page):
    click_button(page, "open.first")
    click_button(page, "first.confirm")
    assert "Nothing was typed" in page.error[0].value
    assert is_first_open(page)
    page.text_input(key="first.text").set_value("abc").run()
    assert page.text_input(key="first.text").value == "abc"
    assert "saved" not in page.session_state
    assert page.session_state["cleared"] == 1


def test_a_confirmed_action_gets_the_state_of_the_opening_and_closes_the_dialog(page):
    click_button(page, "open.first")
    page.text_input(key="first.text").set_value("abc")
    click_button(page, "first.confirm")
    assert page.session_state["saved"] == ("wine", "abc")
    assert page.session_state["cleared"] == 1
    assert not is_first_open(page)
    assert not page.error


def test_what_is_missing_disables_the_button_and_is_named_beside_it(page):
    click_button(page, "open.first")
    assert not page.button(key="first.confirm").disabled
    page.text_input(key="first.text").set_value("abcd").run()
    assert page.button(key="first.confirm").disabled
    assert "Three characters at most" in page_text(page)
    assert not page.button(key="first.cancel").disabled
    page.text_input(key="first.text").set_value("abc").run()
    assert not page.button(key="first.confirm").disabled
    assert "Three characters at most" not in page_text(page)


@pytest.mark.parametrize(("parameter", "other", "back"), [("page", "audit", "models"), ("subject", "tea", "wine")])
def test_a_dialog_closes_when_another_page_or_subject_opens(page, parameter, other, back):
    click_button(page, "open.first")
    assert is_first_open(page)
    go_to(page, parameter, other)
    assert not is_first_open(page)
    go_to(page, parameter, back)
    assert not is_first_open(page)


def test_a_run_that_ends_before_the_dialog_is_drawn_keeps_it_open(page):
    click_button(page, "open.first")
    click_button(page, "rerun")
    assert is_first_open(page)


def test_a_dialog_closes_when_the_backend_changes(page):
    click_button(page, "open.first")
    click_button(page, "change.backend")
    assert not is_first_open(page)


def test_two_dialogs_are_never_open_at_once(page):
    click_button(page, "open.first")
    click_button(page, "open.second")
    assert (is_first_open(page), is_second_open(page)) == (False, True)
    click_button(page, "open.first")
    assert (is_first_open(page), is_second_open(page)) == (True, False)
    click_button(page, "open.below")  # the first is drawn already
    assert (is_first_open(page), is_second_open(page)) == (True, False)
    page.run()
    assert (is_first_open(page), is_second_open(page)) == (False, True)
