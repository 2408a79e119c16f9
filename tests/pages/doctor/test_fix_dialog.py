"""Fixes applied on the Doctor page: destructive ones require a typed confirmation, and secrets are never shown."""

import json

from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.errors import NotFound
from lib.runs.reading.run_reader import read_run
from tests.support.doctor_stores import KEY, PASSWORD, TOKEN, log_secrets
from tests.support.ledger_stores import make_trained_run


def page_content(page):
    """Return everything a page sends to its browser."""
    return "\n".join(
        [
            *(str(element.value) for kind in (page.markdown, page.caption, page.code, page.subheader) for element in kind),
            *(table.value.to_string() for table in page.table),
            *(str(element.proto) for element in page.get("download_button")),
            *(button.label for button in page.button),
        ]
    )


def click_button(page, label):
    next(button for button in page.button if button.label == label).click()
    return page.run()


def test_a_secret_is_masked_on_the_page_in_the_report_in_json_and_on_the_command_line(app, fresh_store):
    log_secrets(fresh_store)
    page = app("doctor", fresh_store)
    assert "2 runs seem to contain a secret" in page_content(page)
    outputs = [page_content(page), repr(page.session_state["doctor.report"])]
    outputs.append(page_content(click_button(page, "Preview this fix")))
    for arguments in (["doctor"], ["doctor", "--json"], ["doctor", "--markdown"]):
        result = CliRunner().invoke(podium, [*arguments, "--backend", fresh_store.uri])
        assert result.exit_code == 3
        outputs.append(result.output)
    assert any(finding["check"] == "secrets" for finding in json.loads(outputs[-2])["findings"])
    for secret in (KEY, PASSWORD, TOKEN):
        assert [output for output in outputs if secret in output or secret[3:12] in output] == []


def test_a_run_is_removed_for_good_only_after_its_name_was_typed(app, fresh_store):
    run_id = make_trained_run(fresh_store, "forest-5-oops")
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    choice = next(radio for radio in page.radio if any("Remove runs" in str(option) for option in radio.options))
    choice.set_value(1).run()
    next(button for button in page.button if button.key == choice.key.replace("choice", "preview")).click().run()
    confirm_button = next(button for button in page.button if button.key == "doctor.carry_out")
    assert confirm_button.disabled
    name_field = next(field for field in page.text_input if "confirm" in field.key)
    name_field.set_value("forest-5-oops").run()
    next(button for button in page.button if button.key == "doctor.carry_out").click().run()
    assert next(box.value for box in page.success).startswith("**Removed for good")
    try:
        read_run(fresh_store, run_id)
        raise AssertionError("the run is still there")
    except NotFound:
        pass
