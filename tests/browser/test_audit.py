"""The auditor's journey in a browser: import a history, look up a day, correct an entry, and download files."""

import csv
import io
import os
import subprocess
import sys

import pytest

from lib.ledger.packet.verify import verify_packet
from lib.registry.reader import read_book_state
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.ledger_stores import make_registered_model

pytestmark = pytest.mark.browser
FRAUD = "docs/examples/fraud-history.csv"
CORRECTION_REASON = "The minutes of the board name 8.3 points of AUC and 13% fewer alarms: the figures were swapped."
CORRECTED_TEXT = "8.3 points more AUC on the same 24,000 transactions, and 13% fewer false alarms."


def run_podium(backend, *arguments):
    """Run the command line as a pipeline would, from the project folder."""
    env = {**os.environ, "MLFLOW_TRACKING_URI": backend.uri, "PODIUM_USER": "ines"}
    process = subprocess.run(
        [sys.executable, "-m", "lib", *arguments],
        cwd=PROJECT_ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return process.stdout


def save_download(driver, label, path):
    with driver.page.expect_download() as download:
        driver.page.get_by_role("button", name=label, exact=True).last.click()
    download.value.save_as(path)
    return path


def test_an_imported_history_is_asked_corrected_and_taken_along(window, podium, fresh_store, tmp_path):
    make_registered_model(
        fresh_store, "card-fraud", 3, {"1": "Archived", "2": "Archived", "3": "Production"}, {"production": "3"}
    )
    assert "Imported 15 entries of card-fraud" in run_podium(fresh_store, "import", "card-fraud", FRAUD)
    driver = window(podium(fresh_store)).open("/audit?audit.of=card-fraud&audit.on=2023-03-14&audit.zone=Europe%2FBerlin")
    page = driver.page
    page.get_by_role("heading", name="v2 was in Production, all day").wait_for()
    sentence = page.get_by_text("On 14 March 2023 (Europe/Berlin), all day, version 2 of card-fraud was in Production.")
    assert "31% fewer false alarms" in sentence.inner_text()

    decided = next(e for e in read_book_state(fresh_store, "card-fraud").book.entries if getattr(e.body, "of", "") == "DECIDED")
    driver.click(f"Why: entry {decided.position}")
    driver.click("Correct this entry")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason of the entry").fill(CORRECTED_TEXT)
    dialog.get_by_label("Why it needs correcting, for a reader in two years").fill(CORRECTION_REASON)
    dialog.get_by_role("textbox", name="Your name").fill("ben")
    dialog.get_by_role("textbox", name="Your name").press("Tab")
    driver.settle()
    dialog.get_by_role("button", name=f"Correct entry {decided.position}").click()
    dialog.wait_for(state="hidden")
    page.get_by_text(f"Entry {decided.position} of card-fraud was corrected.").wait_for()
    driver.settle()
    last = read_book_state(fresh_store, "card-fraud").book.entries[-1]
    assert (last.body.type, last.body.by.name, last.body.supersedes) == ("CORRECTED", "ben", (decided.id,))
    sentence = page.get_by_text("On 14 March 2023 (Europe/Berlin), all day, version 2").inner_text()
    assert "13% fewer false alarms" in sentence
    assert "31%" not in sentence
    assert f"and {last.position} of the model's record" in sentence
    assert "8.3 points more AUC" in page.locator(".st-key-audit-entry del").first.inner_text()

    rows = list(
        csv.DictReader(io.StringIO(save_download(driver, "Download as CSV", tmp_path / "all.csv").read_text("utf-8-sig")))
    )
    assert len(rows) == last.position
    (row,) = [row for row in rows if row["id"] == decided.id]
    assert (row["instead"], row["superseded_by"]) == (f"Decided: {CORRECTED_TEXT}", str(last.position))

    driver.key("audit.packet.asof").locator("button").first.click()
    page.get_by_text("This answer with the entries that prove it.").wait_for()
    packet = save_download(driver, "HTML for reading and printing", tmp_path / "answer.html")
    assert verify_packet(packet.read_bytes()).mismatches == ()
    assert ": intact, " in run_podium(fresh_store, "packet", "verify", str(packet))
    assert CORRECTED_TEXT in packet.read_text("utf-8")
    driver.shot(tmp_path / "end.png")
