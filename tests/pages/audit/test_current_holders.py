"""The Audit page under AppTest and in a browser: filters, downloads, packets, current holders, and opening entries from charts."""

import csv
import io
import json
import time
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.errors import NotWritable
from lib.ledger.entry.vocabulary import make_reason
from lib.ledger.packet.verify import verify_packet
from lib.ledger.queries.time_query import TimeQuery, parse_time_query
from lib.registry.audit_queries import AsOfQuery
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.packet_builder import build_as_of_packet, build_decision_packet
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots, read_book_state
from lib.registry.register import register
from lib.ui.pages.audit import entry_rows, entry_table
from lib.ui.pages.audit.downloads import encode_csv, encode_json
from lib.ui.pages.audit.filters import EntryFilter, matches_filter
from lib.ui.pages.audit.packet_button import packet_html, packet_json
from lib.ui.queries.registry import LoadedRegistry
from tests.support.ledger_stores import (
    DECISION,
    book_id_of,
    make_promoted_model,
    make_registered_model,
    make_trained_run,
    make_writer,
)

NBSP = "\N{NO-BREAK SPACE}"


def page_text(page):
    kinds = ("markdown", "caption", "warning", "error")
    return " ".join(str(element.value) for kind in kinds for element in getattr(page, kind)).replace(NBSP, " ")


def write_history(backend):
    """wine: v1, then v2 in Production, v3 in Staging; beer: v1 in Production."""
    for name, accuracy in (("forest-1-tree", 0.8333), ("forest-5-trees", 0.9444), ("forest-9-trees", 0.9722)):
        register(make_writer(backend, "jo"), make_trained_run(backend, name, accuracy), "wine", "Trees.")
    make_registered_model(backend, "beer")
    move_version(make_writer(backend, "ana"), MoveRequest("wine", "1", "Production"), DECISION)
    move_version(make_writer(backend, "bo"), MoveRequest("wine", "2", "Production"), DECISION)
    move_version(make_writer(backend, "bo"), MoveRequest("wine", "3", "Staging"), DECISION)
    move_version(make_writer(backend, "ana"), MoveRequest("beer", "1", "Production"), DECISION)


def all_rows(backend):
    snapshots = read_all_snapshots(backend)
    states = {snapshot.model: state for snapshot in snapshots if (state := read_book_state(backend, snapshot.model))}
    return entry_rows.audit_rows(LoadedRegistry(snapshots, states))


def find_entry(backend, type_, version, model="wine"):
    return next(e for e in read_book_state(backend, model).book.entries if (e.body.type, e.body.version) == (type_, version))


def test_filters_by_stage_version_and_day_stand_in_the_address_and_say_how_many_are_left(app, fresh_store):
    write_history(fresh_store)
    page = app("audit", fresh_store, **{"audit.stages": "Staging"})
    assert page.dataframe[0].value["model"].tolist() == ["wine v3", "wine v3"]
    assert "showing 2 of" in page_text(page)
    page = app("audit", fresh_store, **{"audit.version": "1", "audit.model": "wine"})
    assert set(page.dataframe[0].value["model"]) == {"wine v1", "wine v2"}  # v2 took its place
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    page = app("audit", fresh_store, **{"audit.days": [today, today]})
    assert len(page.dataframe[0].value) == len(all_rows(fresh_store))
    page = app("audit", fresh_store, **{"audit.days": ["2020-01-01", "2020-12-31"]})
    assert "No matching entries" in page_text(page)


def test_every_filter_leaves_exactly_the_entries_that_fit_it(fresh_store):
    write_history(fresh_store)
    client(fresh_store).set_registered_model_alias("wine", "production", "1")
    rows = all_rows(fresh_store)

    def matching_positions(**conditions):
        return {(row.model, row.entry.position) for row in rows if matches_filter(row, EntryFilter(**conditions))}

    assert matching_positions() == {(row.model, row.entry.position) for row in rows}
    assert matching_positions(model="beer") | matching_positions(model="wine") == matching_positions()
    assert matching_positions(actors=("ana",)) & matching_positions(actors=("bo",)) == set()
    assert matching_positions(text="WINE v3") == {
        (row.model, row.entry.position) for row in rows if row.history_row.version == "3" and row.model == "wine"
    }
    assert matching_positions(stages=("Production", "Staging")) >= matching_positions(stages=("Production",))
    assert matching_positions(days=(date(2100, 1, 1),)) == set()
    assert matching_positions(days=(date(2000, 1, 1),)) == matching_positions()
    assert matching_positions(kinds=("Approved",), versions=("2",)) == {
        ("wine", find_entry(fresh_store, "DECIDED", "2").position)
    }


def test_entries_leave_as_csv_that_no_spreadsheet_runs_and_as_json(fresh_store):
    make_registered_model(fresh_store)
    hostile_reason = make_reason("better", "It measured better, twice, on the rows.").model_copy(
        update={"text": '=HYPERLINK("http://evil.example")'}
    )
    move_version(make_writer(fresh_store, "@ana"), MoveRequest("wine", "1", "Production"), Decision(hostile_reason))
    rows = all_rows(fresh_store)
    text = encode_csv(rows).decode("utf-8-sig")
    assert encode_csv(rows).startswith(b"\xef\xbb\xbf")
    cells = list(csv.DictReader(io.StringIO(text)))
    assert len(cells) == len(rows)
    decided = next(row for row in cells if row["type"] == "DECIDED")
    assert (decided["by"], decided["why"]) == ("'@ana", '\'=HYPERLINK("http://evil.example")')
    assert (decided["version"], decided["to"], decided["category"]) == ("1", "Production", "better")
    assert [row["place"] for row in json.loads(encode_json(rows))] == [row.entry.position for row in rows]


def test_more_entries_than_a_page_of_the_table_are_paged_and_none_is_lost(app, fresh_store, monkeypatch):
    write_history(fresh_store)
    monkeypatch.setattr(entry_table, "MAX_TABLE_ROWS", 4)
    page = app("audit", fresh_store)
    total = len(all_rows(fresh_store))
    pager = next(box for box in page.selectbox if box.key.startswith("audit.page."))
    assert pager.options[0] == f"1 to 4 of {total}"
    listed_positions = []
    for option in pager.options:
        next(box for box in page.selectbox if box.key.startswith("audit.page.")).select(option).run()
        assert not page.exception
        listed_positions += list(zip(page.dataframe[0].value["model"], page.dataframe[0].value["place"], strict=True))
    assert len(listed_positions) == len(set(listed_positions)) == total
    oldest = all_rows(fresh_store)[-1]
    page = app("audit", fresh_store, entry=oldest.entry.id)
    assert page.subheader[-1].value == f"Entry {oldest.entry.position}"


def test_now_shows_model_by_stage_with_the_age_of_each_holding(app, fresh_store):
    write_history(fresh_store)
    make_registered_model(fresh_store, "cider")
    page = app("audit", fresh_store, **{"audit.view": "Now"})
    table = page.dataframe[0].value
    assert [(m, s[0], v) for m, s, v in zip(table["model"], table["stage"], table["version"], strict=True)] == [
        ("beer", "Production", "v1"),
        ("cider", "Production", "none"),
        ("wine", "Production", "v2"),
        ("wine", "Staging", "v3"),
    ]
    assert table["by"].tolist() == ["ana", "", "bo", "bo"]
    assert all(0 <= days < 1 for days in table["days"].dropna())
    assert table["state"].tolist() == ["", "no record yet", "", ""]


def test_versions_shows_the_metric_of_a_choice_for_the_model_that_is_asked_about(app, fresh_store):
    write_history(fresh_store)
    page = app("audit", fresh_store, **{"audit.view": "Versions", "audit.of": "wine"})
    assert page.selectbox(key="audit.metric").options == ["accuracy"]
    assert "3 versions without a known interval" in page_text(page)
    page = app("audit", fresh_store, **{"audit.view": "Versions", "audit.of": "beer"})
    assert "No metrics recorded" in page_text(page)


def test_the_decision_behind_an_answer_is_one_click_away_even_when_a_filter_hides_it(app, fresh_store):
    write_history(fresh_store)
    decided = find_entry(fresh_store, "DECIDED", "2")
    page = app("audit", fresh_store, **{"audit.of": "wine", "audit.kind": "Registered"})
    page.button(key=f"audit.why.{decided.id}").click().run()
    assert not page.exception
    assert page.subheader[-1].value == f"Entry {decided.position}"
    assert decided.id in page.query_params["entry"]
    page.run()
    assert page.subheader[-1].value == f"Entry {decided.position}"
    page.text_input(key="audit.text").set_value("no such text").run()
    assert page.subheader[-1].value == f"Entry {decided.position}"


def test_packets_from_the_page_match_themselves_and_a_failure_is_no_packet(fresh_store):
    write_history(fresh_store)
    packet_writer, at = make_writer(fresh_store), datetime.now(UTC)
    for build in (
        lambda: build_decision_packet(packet_writer, "wine", find_entry(fresh_store, "DECIDED", "2").id),
        lambda: build_as_of_packet(packet_writer, "wine", AsOfQuery("production", TimeQuery(at), at)),
    ):
        assert verify_packet(packet_html(build)).mismatches == ()
        assert verify_packet(packet_json(build)).mismatches == ()
    failure_page = packet_html(lambda: build_decision_packet(packet_writer, "<b>", "1"))
    assert verify_packet(failure_page).packet is None
    assert b"&lt;b&gt;" in failure_page
    assert verify_packet(packet_json(lambda: build_decision_packet(packet_writer, "none", "1"))).packet is None


@pytest.mark.slow
@pytest.mark.browser
def test_a_click_on_the_strip_opens_the_entry_and_its_packet_can_be_kept(window, podium, fresh_store, tmp_path):
    write_history(fresh_store)
    driver = window(podium(fresh_store)).open("/audit?audit.of=wine&audit.kind=Registered")
    applied = next(
        e for e in read_book_state(fresh_store, "wine").book.entries if e.body.type == "APPLIED" and e.body.displaced == ("1",)
    )
    strip = driver.page.locator("[class*=st-key-audit-strip] svg.marks").first
    strip.wait_for()
    box = strip.bounding_box()
    driver.page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + 50)
    driver.page.get_by_text(f"Entry {applied.position}", exact=True).wait_for()
    driver.settle()
    assert f"entry={applied.id}" in driver.page.url
    assert "audit.of=wine" in driver.page.url
    assert "audit.kind=Registered" in driver.page.url
    driver.key("audit.packet.entry").locator("button").first.click()
    time.sleep(0.5)
    for label, suffix in (("HTML for reading and printing", "html"), ("JSON", "json")):
        with driver.page.expect_download() as download:
            driver.page.get_by_role("button", name=label, exact=True).click()
        download.value.save_as(tmp_path / f"packet.{suffix}")
        verification = verify_packet((tmp_path / f"packet.{suffix}").read_bytes())
        assert verification.mismatches == ()
        assert verification.packet.subject.entry == applied.id
        assert verification.packet.book.volumes[0].run_id == book_id_of(fresh_store)


@pytest.mark.slow
@pytest.mark.browser
def test_the_day_that_was_asked_about_stays_in_the_address_after_a_click(window, podium, fresh_store):
    write_history(fresh_store)
    driver = window(podium(fresh_store)).open("/audit?audit.on=2023-04-14&audit.of=wine")
    driver.click("Verify")
    assert "audit.on=2023-04-14" in driver.page.url
    assert "audit.of=wine" in driver.page.url


def test_page_command_and_packet_give_a_reader_the_same_answer_about_an_unrecorded_move(app, fresh_store, monkeypatch):
    make_promoted_model(fresh_store)
    client(fresh_store).transition_model_version_stage("wine", "2", "Production", archive_existing_versions=True)
    client(fresh_store).set_registered_model_alias("wine", "production", "2")

    def refuse(*_):
        raise NotWritable("You may only read here.")

    monkeypatch.setattr("lib.ui.queries.registry.record_changes", refuse)
    monkeypatch.setattr("lib.ui.queries.registry.sync_model_status", refuse)
    page = app("audit", fresh_store)
    headline = (*page.header, *page.subheader)
    result = CliRunner().invoke(podium, ["asof", "wine", "--at", f"{datetime.now(UTC):%Y-%m-%d}", "--backend", fresh_store.uri])
    query = AsOfQuery(
        "production", parse_time_query(f"{datetime.now(UTC):%Y-%m-%d}", datetime.now(UTC), "UTC"), datetime.now(UTC)
    )
    assert result.exit_code == 0, result.output
    assert "moved outside Podium" in result.stdout
    (text,) = [code.value for code in page.code if "holders of Production of wine were, in turn" in code.value]
    assert "then unknown" in text
    assert "then unknown" in str([title.value for title in headline])
    assert text.partition("then unknown")[0] in result.stdout
    packet = json.dumps(build_as_of_packet(make_writer(fresh_store), "wine", query).model_dump(mode="json"))
    assert "then unknown" in packet
    assert read_book_state(fresh_store, "wine").book.entries[-1].body.type == "APPLIED"
