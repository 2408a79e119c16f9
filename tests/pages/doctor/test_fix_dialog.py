"""The Doctor page carries out the cures of this part: a name is typed before anything is lost, and a secret is shown nowhere."""

import json

from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.errors import NotFound
from lib.runs.reading.run_reader import read_run
from tests.doctor.test_good_practice import KEY, PASSWORD, TOKEN, leaky
from tests.support.ledger_stores import make_trained_run


def shown(page):
    """Everything a page tells its browser."""
    return "\n".join(
        [
            *(str(element.value) for kind in (page.markdown, page.caption, page.code, page.subheader) for element in kind),
            *(table.value.to_string() for table in page.table),
            *(str(element.proto) for element in page.get("download_button")),
            *(button.label for button in page.button),
        ]
    )


def pressed(page, label):
    next(button for button in page.button if button.label == label).click()
    return page.run()


def test_a_secret_is_masked_on_the_page_in_the_report_in_json_and_on_the_command_line(app, fresh_store):
    leaky(fresh_store)
    page = app("doctor", fresh_store)
    assert "2 runs seem to hold a secret" in shown(page)
    told = [shown(page), repr(page.session_state["doctor.report"])]
    told.append(shown(pressed(page, "Preview this cure")))
    for words in (["doctor"], ["doctor", "--json"], ["doctor", "--markdown"]):
        done = CliRunner().invoke(podium, [*words, "--backend", fresh_store.uri])
        assert done.exit_code == 3
        told.append(done.output)
    assert any(one["check"] == "secrets" for one in json.loads(told[-2])["findings"])
    for secret in (KEY, PASSWORD, TOKEN):
        assert [one for one in told if secret in one or secret[3:12] in one] == []


def test_a_run_is_removed_for_good_only_after_its_name_was_typed(app, fresh_store):
    run_id = make_trained_run(fresh_store, "forest-5-oops")
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    card = next(radio for radio in page.radio if any("Remove runs" in str(option) for option in radio.options))
    card.set_value(1).run()
    next(b for b in page.button if b.key == card.key.replace("choice", "preview")).click().run()
    deed = next(button for button in page.button if button.key == "doctor.carry_out")
    assert deed.disabled
    typed = next(field for field in page.text_input if "confirm" in field.key)
    typed.set_value("forest-5-oops").run()
    next(button for button in page.button if button.key == "doctor.carry_out").click().run()
    assert next(box.value for box in page.success).startswith("**Removed for good")
    try:
        read_run(fresh_store, run_id)
        raise AssertionError("the run is still there")
    except NotFound:
        pass
