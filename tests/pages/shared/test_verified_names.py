"""Only names signed by a trusted key get a tick; a forged decision under another name does not."""

import pytest
from click.testing import CliRunner

from lib.cli import podium
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_book_state
from lib.ui.components.actor_name import actor_badge_markdown, actor_markdown
from lib.ui.components.formatting import escape
from tests.support.entry_signing import fingerprint_of, make_private_key
from tests.support.ledger_stores import DECISION, make_registered_model
from tests.support.page_driver import page_text
from tests.support.verified_names import make_verified_writer, plant_decision

TICK, CLAIM = ":material/verified:", "claims to be ana"


@pytest.fixture
def store(fresh_store, tmp_path, clean_session):
    """v1 was put in Production by ana, verified by the server; then mal forged a decision in her name."""
    make_registered_model(fresh_store)
    writer = make_verified_writer(fresh_store, tmp_path / "podium")
    move_version(writer, MoveRequest("wine", "1", "Production"), DECISION)
    plant_decision(fresh_store, make_private_key("mal"))
    return fresh_store


def cells(page):
    return [str(value) for table in page.table for row in table.value.itertuples(index=False) for value in row]


def test_the_history_of_a_model_has_a_tick_for_the_one_and_none_for_the_other(app, store):
    page = app("models", store, model="wine")
    page.segmented_control(key="models.of").set_value("All versions").run()
    names = [cell for cell in cells(page) if cell.endswith(("ana", TICK))]
    assert names.count(CLAIM) == 1
    assert names.count(f"ana {TICK}") >= 2


def test_the_newest_entries_of_overview_tell_the_claim(app, store):
    assert any(f"{CLAIM} ·" in cell for cell in cells(app("overview", store)))
    assert any(f"ana {TICK} ·" in cell for cell in cells(app("overview", store)))


def test_audit_shows_the_claim_in_the_table_the_entry_and_nowhere_a_tick_for_it(app, store):
    page = app("audit", store)
    who = page.dataframe[0].value["who"]
    assert (who.iloc[0], set(who.iloc[1:]) - {"Podium", "unknown"}) == (CLAIM, {"ana"})
    assert f"{CLAIM} :gray-badge[not signed by a trusted key]" in cells(page)
    assert "signed by an untrusted key" in page_text(page)
    older_page = app("audit", store, entry=read_book_state(store, "wine").book.entries[-2].id)
    assert "ana :gray-badge[verified]" in cells(older_page)
    assert "signed by this Podium" in page_text(older_page)


def test_the_answer_and_the_board_of_audit_say_who_is_meant_to_have_decided(app, store, tmp_path):
    page = app("audit", store, **{"audit.view": "Now"})
    assert "moved there by **ana**" in page_text(page)
    assert list(page.dataframe[0].value["by"]) == ["ana"]
    for file in (tmp_path / "podium" / "keys").iterdir():
        file.unlink()
    page = app("audit", store, **{"audit.view": "Now"})
    assert f"moved there by **{CLAIM}**" in page_text(page)
    assert list(page.dataframe[0].value["by"]) == [CLAIM]
    assert TICK not in " ".join(cells(app("models", store, model="wine")))


def test_a_planted_decision_that_waits_to_be_finished_claims_to_be_hers(app, store):
    """The most important case: a person who presses Finish acts with their own credentials."""
    plant_decision(store, verdict="approve")
    for page in (app("models", store, model="wine"), app("audit", store)):
        (info,) = [info.value for info in page.info if "decided by" in info.value]
        assert "decided by someone who claims to be ana" in info
    result = CliRunner().invoke(podium, ["recover"])
    assert "decided by someone who claims to be ana" in result.stdout, result.output


def test_settings_shows_the_keys_and_whose_are_trusted(app, store, tmp_path):
    mal, ben = (fingerprint_of(make_private_key(name)) for name in ("mal", "ben"))
    lines = f'[keys]\n"{ben}" = "<b>ben</b>"\n"{mal}" = {{ name = "mal", trusted = false, since = "yesterday" }}\n'
    (tmp_path / "podium" / "backends.toml").write_text(lines)
    rows = [row for table in app("settings", store).table for row in table.value.itertuples(index=False)]
    rows = [tuple(row) for row in rows if "SHA256:" in row[0]]
    assert [row[1:3] for row in rows] == [("this Podium", "yes"), (escape("<b>ben</b>"), "yes"), ("mal", "**no**")]
    assert [row[0] for row in rows[1:]] == [f"`{ben}`", f"`{mal}`"]


def test_settings_says_that_a_key_comes_with_the_first_entry_and_who_decides_on_a_shared_podium(app, fresh_store, tmp_path):
    assert "creates a key when it writes its first entry" in page_text(app("settings", fresh_store))
    (tmp_path / "podium").mkdir(exist_ok=True)
    (tmp_path / "podium" / "backends.toml").write_text("shared = true\n")
    assert "its operator lists trusted keys" in page_text(app("settings", fresh_store))


def test_a_name_stays_text_whatever_its_status():
    for status in ("verified", "claimed", "typed", "imported", "none"):
        for markdown in (actor_markdown, actor_badge_markdown):
            assert "[x](y)" not in markdown("[x](y) :material/verified:", status)
    assert actor_markdown(TICK, "typed") == escape(TICK) != TICK
