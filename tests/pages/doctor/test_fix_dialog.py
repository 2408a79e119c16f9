"""Fixes applied on the Doctor page: destructive ones require a typed confirmation, and secrets are never shown."""

import json
import threading
from dataclasses import replace

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.doctor import fix_runner
from lib.doctor.fixes import mlflow_gc
from lib.doctor.types import FixContext, offer_fix
from lib.errors import NotFound
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.support.doctor_stores import KEY, PASSWORD, TOKEN, insert_stale_runs, log_secrets, make_run, run_gc_here
from tests.support.hostile_text import HOSTILE, active_texts


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


def button_of(page, key):
    return next(button for button in page.button if button.key == key)


def open_removal(page, runs=""):
    """Choose the removal of runs and type its confirmation; the button is then enabled."""
    choice = next(radio for radio in page.radio if any("Remove runs" in str(option) for option in radio.options))
    choice.set_value(1).run()
    button_of(page, choice.key.replace("choice", "preview")).click().run()
    if runs:
        next(field for field in page.text_input if field.label == "Runs").set_value(runs).run()
    assert button_of(page, "doctor.carry_out").disabled
    return next(field for field in page.text_input if "confirm" in field.key)


@pytest.fixture
def quick_gc(monkeypatch):
    """MLflow's gc in this process; `tests/doctor/test_deleted_items.py` runs it as a process."""
    monkeypatch.setattr(mlflow_gc, "_run_gc", run_gc_here)


def run_exists(store, run_id):
    try:
        return bool(read_run(store, run_id))
    except NotFound:
        return False


def test_a_run_is_removed_for_good_only_after_its_name_was_typed(app, fresh_store, quick_gc):
    run_id = make_run(fresh_store, "forest-5-oops")
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    open_removal(page).set_value("forest-5-oops").run()
    button_of(page, "doctor.carry_out").click().run()
    assert next(box.value for box in page.success).startswith("**Removed for good")
    assert not run_exists(fresh_store, run_id)


def test_a_wrong_name_keeps_the_button_disabled_and_cancel_removes_nothing(app, fresh_store, quick_gc):
    run_id = make_run(fresh_store, "forest-5-oops")
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    open_removal(page).set_value("forest-5").run()
    assert button_of(page, "doctor.carry_out").disabled
    button_of(page, "doctor.cancel").click().run()
    assert "doctor.carry_out" not in [button.key for button in page.button]
    assert run_exists(fresh_store, run_id)


def test_what_another_user_deleted_after_the_preview_is_shown_before_it_is_removed(app, fresh_store, quick_gc):
    """The number of runs, which was typed, is still right."""
    first, second, third = (make_run(fresh_store, name) for name in ("first", "second", "third"))
    for run_id in (first, second):
        client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    open_removal(page, runs="all").set_value("2 runs").run()
    client(fresh_store).restore_run(first)
    client(fresh_store).delete_run(third)
    button_of(page, "doctor.carry_out").click().run()
    assert "has changed since the preview" in page.error[0].value
    assert "third" in page.table[-1].value.to_string()
    assert all(run_exists(fresh_store, run_id) for run_id in (first, second, third))
    button_of(page, "doctor.carry_out").click().run()
    assert [run_exists(fresh_store, run_id) for run_id in (first, second, third)] == [True, False, False]


def test_a_removal_that_mlflow_stops_is_reported_in_the_dialog_which_stays(app, fresh_store, monkeypatch):
    run_id = make_run(fresh_store, "forest-5-oops")
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    open_removal(page).set_value("forest-5-oops").run()
    monkeypatch.setattr(mlflow_gc, "_run_gc", lambda _: "it was ended by SIGKILL before it had finished")
    button_of(page, "doctor.carry_out").click().run()
    assert not page.exception
    text = page.error[0].value.replace("\u2060", "")
    assert "MLflow stopped: it was ended by SIGKILL before it had finished" in text
    assert "0 of 1 runs were removed for good" in text
    assert button_of(page, "doctor.carry_out").label.startswith("Remove 1 run for good")
    assert run_exists(fresh_store, run_id)


def test_while_another_session_applies_a_fix_this_one_is_asked_to_wait(app, fresh_store, tmp_path):
    (stale_id,) = insert_stale_runs(fresh_store, 1)
    page = app("doctor", fresh_store)
    click_button(page, "Preview this fix")
    context = FixContext(fresh_store, now, tmp_path / "podium")
    is_running, may_end = threading.Event(), threading.Event()

    def wait(_):
        is_running.set()
        may_end.wait(30)

    offer = offer_fix("fresh_experiment", experiment="0")
    thread = threading.Thread(target=fix_runner.apply_fix, args=(context, offer, wait))
    thread.start()
    try:
        assert is_running.wait(30)
        button_of(page, "doctor.carry_out").click().run()
        assert "Another fix is being applied to this backend" in page.error[0].value
        assert read_run(fresh_store, stale_id).status == "RUNNING"
    finally:
        may_end.set()
        thread.join()
    button_of(page, "doctor.carry_out").click().run()
    assert read_run(fresh_store, stale_id).status == "FAILED"


def test_a_finding_that_no_longer_applies_is_reported_when_its_fix_is_opened_or_applied(app, fresh_store):
    (stale_id,) = insert_stale_runs(fresh_store, 1)
    page = app("doctor", fresh_store)
    click_button(page, "Preview this fix")
    client(fresh_store).set_terminated(stale_id, "FINISHED")
    button_of(page, "doctor.carry_out").click().run()
    assert "No run is stale any longer" in page.error[0].value
    assert [button.key for button in page.button if button.key == "doctor.carry_out"] == []
    button_of(page, "doctor.leave").click().run()
    assert not page.error
    assert read_run(fresh_store, stale_id).status == "FINISHED"


def test_hostile_names_stay_text_in_cards_and_dialogs(app, fresh_store):
    run_id = make_run(fresh_store, HOSTILE[:240], experiment=HOSTILE[:200])
    client(fresh_store).delete_run(run_id)
    page = app("doctor", fresh_store)
    assert active_texts(page) == []
    open_removal(page)
    assert active_texts(page) == []
    assert any("evil&#46;invalid" in str(cell) for cell in page.table[-1].value.to_numpy().ravel())


def test_a_shared_podium_refuses_a_fix_that_was_opened_before_it_was_shared(app, fresh_store, tmp_path):
    context = FixContext(fresh_store, now, tmp_path / "podium", is_shared=True)
    for fix_id in ("local_server", "local_store", "mapped_folder", "migrate_file_store"):
        with pytest.raises(Exception, match="This Podium is shared"):
            fix_runner.apply_fix(context, offer_fix(fix_id), lambda _: None)
    assert fix_runner.fix_inputs(replace(context, is_shared=False), offer_fix("local_store"))
