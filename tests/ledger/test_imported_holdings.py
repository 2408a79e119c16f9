"""Imported entries about the time before the record: in sequence, with windows, with contradictions, and never within the record."""

import json
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.ledger.charts.holdings_chart import bar_table
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import Imported, canonical_json
from lib.ledger.imports.file_parser import ImportContext, parse_import_file
from lib.ledger.queries.as_of import BEFORE_RECORD, as_of
from lib.ledger.queries.as_of_text import answer_sentence, answer_text
from lib.ledger.queries.time_query import TimeQuery, parse_time_query
from lib.ledger.state.holdings import recorded_holdings
from lib.ledger.state.imported_holdings import all_holdings, imported_holdings
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.ledger_factories import (
    COMMON_FIELDS,
    make_book_state,
    make_closing,
    make_intent,
    make_opened,
    make_slot_states,
)

RECORD_BEGIN = datetime(2026, 11, 24, 10, tzinfo=UTC)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONTEXT = ImportContext("m", "UTC", NOON, RECORD_BEGIN)
START = datetime(2022, 1, 1, tzinfo=UTC)


def import_lines(*lines, name="a.csv", header="when,version,from,to,by"):
    """The bodies of a file with these lines."""
    entry_fields = parse_import_file(name, "\n".join([header, *lines]).encode(), CONTEXT).entry_fields
    return [Imported(**COMMON_FIELDS, **fields) for fields in entry_fields]


def make_entries(*bodies, holders=("3",)):
    return make_book_state(make_opened(make_slot_states(holders)), *bodies).book.entries


def sentence_on(bodies, at, slot="production", holders=("3",)):
    return answer_sentence(as_of(make_entries(*bodies, holders=holders), slot, parse_time_query(at, NOON)))


def explanations_on(bodies, at, holders=("3",)):
    return [
        interval.explanation
        for interval in as_of(make_entries(*bodies, holders=holders), "production", parse_time_query(at, NOON)).unknown
    ]


THREE_LINES = (
    "2022-02-07T09:00Z,1,None,Production,ana",
    "2023-01-16T09:00Z,2,None,Production,ana",
    "2024-05-21T14:00Z,3,None,Production,ben",
)


def test_each_line_ends_what_the_line_before_said():
    bodies = import_lines(*THREE_LINES)
    assert sentence_on(bodies, "2022-06-01") == "v1 was in Production, all day"
    assert sentence_on(bodies, "2023-01-16") == "v1 until 09:00, then v2"
    assert sentence_on(bodies, "2026-11-23") == "v3 was in Production, all day"


def test_a_displaced_version_may_or_may_not_have_a_line_of_its_own():
    lines = [*THREE_LINES, "2023-01-16T09:00Z,1,Production,Archived,ana", "2024-05-21T14:00:01Z,2,Production,Archived,ben"]
    for at in ("2022-06-01", "2023-01-16", "2024-05-21", "2025-01-01"):
        assert sentence_on(import_lines(*lines), at) == sentence_on(import_lines(*THREE_LINES), at)


def test_a_version_that_leaves_without_a_successor_leaves_nobody():
    bodies = import_lines(THREE_LINES[0], "2022-08-01T00:00Z,1,Production,Archived,ana", *THREE_LINES[1:])
    assert sentence_on(bodies, "2022-09-01") == "Nothing was in Production"


def test_before_the_first_line_and_in_a_stage_without_lines_the_record_only_begins():
    assert sentence_on(import_lines(*THREE_LINES), "2021-12-24") == "The record does not begin until 7 Feb 2022, 09:00 UTC"
    assert (
        sentence_on(import_lines(*THREE_LINES), "2023-01-01", "staging")
        == "The record does not begin until 24 Nov 2026, 10:00 UTC"
    )
    assert explanations_on(import_lines(*THREE_LINES), "2021-12-24") == [BEFORE_RECORD]


def test_a_line_that_knows_only_the_day_leaves_the_day_unknown():
    bodies = import_lines(THREE_LINES[0], "2023-01-16,2,None,Production,ana", THREE_LINES[2])
    assert sentence_on(bodies, "2023-01-15") == "v1 was in Production, all day"
    assert sentence_on(bodies, "2023-01-16T09:00Z").startswith("Unknown between 16 Jan, 00:00 and 17 Jan, 00:00")
    assert sentence_on(bodies, "2023-01-17") == "v2 was in Production, all day"
    assert explanations_on(bodies, "2023-01-16") == ["moved at some time that day"]


def test_two_versions_at_one_instant_are_unknown_until_the_next_line():
    bodies = import_lines(
        THREE_LINES[0], "2023-01-16T09:00Z,2,None,Production,ana", "2023-01-16T09:00Z,4,None,Production,ana", THREE_LINES[2]
    )
    assert explanations_on(bodies, "2023-06-01") == ["v2 and v4 at once"]
    assert sentence_on(bodies, "2024-06-01") == "v3 was in Production, all day"


def test_a_version_that_leaves_a_stage_in_which_another_stood_contradicts_the_lines_before():
    bodies = import_lines(THREE_LINES[0], "2023-01-16T09:00Z,2,Production,Archived,ana", THREE_LINES[2])
    assert explanations_on(bodies, "2022-06-01") == ["v1 by line 2, v2 by line 3 of a.csv"]
    assert sentence_on(bodies, "2023-06-01") == "Nothing was in Production"


def test_two_files_that_contradict_each_other_are_unknown_for_as_long_as_they_do():
    other_bodies = import_lines("2022-06-01T00:00Z,9,None,Production,eve", name="b.csv")
    bodies = [*import_lines(*THREE_LINES), *other_bodies]
    assert sentence_on(bodies, "2022-03-01") == "v1 was in Production, all day"
    assert explanations_on(bodies, "2022-09-01") == ["contradicting accounts: v1, v9"]
    assert sentence_on(bodies, "2023-06-01") == "v2 was in Production, all day"


def test_a_last_line_that_is_not_what_the_record_began_with_is_unknown_from_there_on():
    bodies = import_lines(*THREE_LINES[:2])
    assert explanations_on(bodies, "2024-01-01") == ["v2 by a.csv, v3 when the record began"]
    assert sentence_on(bodies, "2022-06-01") == "v1 was in Production, all day"


def test_what_was_imported_ends_where_the_record_begins_or_goes_on_in_it():
    bodies = (*import_lines(*THREE_LINES), make_intent("2"), make_closing(5, slot_states=make_slot_states(["2"])))
    (holder,) = as_of(make_entries(*bodies), "production", TimeQuery(datetime(2025, 1, 1, tzinfo=UTC))).holders
    assert (holder.version, holder.actor.name, holder.until) == ("3", "ben", RECORD_BEGIN)
    answer = as_of(make_entries(*import_lines(*THREE_LINES)), "production", parse_time_query("2026-11-29", NOON))
    assert [(holder.version, holder.since.year, holder.actor.name) for holder in answer.holders] == [("3", 2024, "ben")]


def test_a_line_that_claims_to_be_of_the_records_own_time_says_nothing():
    body = import_lines(*THREE_LINES)[-1].model_copy(update={"effective_at": "2026-11-25T00:00:00.000Z", "version": "7"})
    assert imported_holdings(make_entries(body)) == ()


def test_statements_say_who_why_what_and_on_whose_word():
    answer = as_of(make_entries(*import_lines(*THREE_LINES)), "production", parse_time_query("2023-03-14", NOON))
    text = answer_text("m", answer)
    assert text.startswith("On 14 March 2023 (UTC), all day, version 2 of m was in Production.")
    assert "ana decided this. No reason is recorded." in text
    assert "Not recorded: its metrics, data and code." in text
    assert "ana imported them on 24 Nov 2026, 10:00 UTC from the file a.csv" in text


@pytest.mark.parametrize(
    ("bodies", "at", "slot", "text"),
    [
        (import_lines(*THREE_LINES), "2021-01-01", "production", "The record of m does not cover Production before 7 Feb 2022, 09:00 UTC, so it is unknown"),
        (import_lines(*THREE_LINES[:2]), "2025-01-01", "production", "It is unknown which version of m was in Production on 1 January 2025 (UTC)"),
        (import_lines(*THREE_LINES), "2023-01-16", "production", "On 16 January 2023 (UTC), the holders of Production of m were, in turn: v1 until 09:00, then v2."),
        ((), "2026-11-25", "staging", "On 25 November 2026 (UTC), no version of m was in Staging."),
        ((), "2026-11-25T09:00Z", "production", "On 25 Nov 2026, 09:00 UTC, version 3 of m was in Production."),
    ],
)  # fmt: skip
def test_every_kind_of_answer_is_a_sentence(bodies, at, slot, text):
    assert text in answer_text("m", as_of(make_entries(*bodies), slot, parse_time_query(at, NOON)))


MOVES = st.lists(st.tuples(st.integers(1, 1500), st.sampled_from("1234")), min_size=1, max_size=8, unique_by=lambda m: m[0])


def make_lines(moves):
    return [f"{START + timedelta(days=day):%Y-%m-%dT%H:%MZ},{version},,Production,ana" for day, version in moves]


@given(MOVES, st.randoms())
@settings(deadline=None)
def test_one_account_is_read_by_its_times_in_whatever_order_it_was_written(moves, random):
    ordered_moves = sorted(moves)
    shuffled_moves = list(moves)
    random.shuffle(shuffled_moves)
    last_version = ordered_moves[-1][1]
    bodies = import_lines(*make_lines(shuffled_moves))
    random.shuffle(bodies)
    for (day, version), next_move in pairwise([*ordered_moves, (1501, "")]):
        for at in (day, (day + next_move[0]) / 2, next_move[0] - 0.001):
            answer = as_of(make_entries(*bodies, holders=(last_version,)), "production", TimeQuery(START + timedelta(days=at)))
            assert [holder.version for holder in answer.holders] == [version]


@given(st.lists(MOVES, min_size=1, max_size=3), st.lists(st.sampled_from("123"), max_size=3))
@settings(deadline=None)
def test_whatever_is_imported_says_nothing_of_the_records_own_time_and_never_two_at_once(files, moves):
    own_bodies = [
        body
        for n, version in enumerate(moves)
        for body in (make_intent(version), make_closing(2 + 2 * n, slot_states=make_slot_states([version])))
    ]
    imported_bodies = [body for n, file in enumerate(files) for body in import_lines(*make_lines(file), name=f"{n}.csv")]
    plain_entries, all_entries = make_entries(*own_bodies), make_entries(*own_bodies, *imported_bodies)
    assert [holding for holding in all_holdings(all_entries) if not holding.is_imported] == list(recorded_holdings(plain_entries))
    imported_part = imported_holdings(all_entries)
    assert all(holding.until <= RECORD_BEGIN and holding.since < holding.until for holding in imported_part)
    assert all(a.until <= b.since for a, b in pairwise(imported_part))


def test_the_examples_of_the_manual_can_be_read():
    context = ImportContext("churn", "UTC", NOON, RECORD_BEGIN)
    folder = PROJECT_ROOT / "docs" / "examples"
    gto = parse_import_file("gto-tags.csv", (folder / "gto-tags.csv").read_bytes(), context).entry_fields
    assert [(fields["of"], fields["version"]) for fields in gto][:3] == [
        ("REGISTERED", "1.0.0"),
        ("APPLIED", "1.0.0"),
        ("APPLIED", "1.0.0"),
    ]
    assert gto[-1]["now"] == {"production": {"stage": ()}}
    wandb = parse_import_file("wandb-actions.json", (folder / "wandb-actions.json").read_bytes(), context).entry_fields
    assert [fields["version"] for fields in wandb] == ["0", "0", "1", "1"]
    assert wandb[0]["lineage"].metrics == {"val_auc": 0.861}
    assert wandb[-1]["window"] == ("2024-07-02T00:00:00.000Z", "2024-07-03T00:00:00.000Z")


def test_the_manuals_git_command_lists_what_gto_tags_hold(tmp_path):
    text = (PROJECT_ROOT / "docs" / "import.md").read_text()
    command = text[text.index("git for-each-ref") :].split("\n\n")[0].replace("\\\n", " ").split("\n")[0]
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ana Ruiz", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "-a", "churn@v1.0.0", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run([*git, "tag", "-a", "churn#prod#1", "-m", "signed off"], check=True)
    text = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split(",") for line in text]
    assert {line_fields[1] for line_fields in fields} == {"churn@v1.0.0", "churn#prod#1"}
    assert {(line_fields[2], len(line_fields[4])) for line_fields in fields} == {("Ana Ruiz", 40)}


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(deadline=None)
def test_no_file_however_odd_makes_reading_fail_without_words(data):
    with suppress(BadInput):
        parse_import_file("x", data, CONTEXT)


ODD_VALUES = (
    st.text(max_size=12)
    | st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from(["2022-02-07T09:00Z", "1", "Production"])
)
NAMES = st.sampled_from(
    ["when", "version", "to", "from", "by", "entry", "reason", "category", "metric.a", "data.d", "metrics", "data", "note"]
)


@given(
    st.lists(
        st.dictionaries(NAMES, ODD_VALUES, max_size=13).map(
            lambda fields: {"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", **fields}
        ),
        max_size=3,
    )
)
@example([{"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", "metric.a": 2**53}])
@example([{"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", "metric.a": -1e17}])
@settings(deadline=None)
def test_whatever_is_read_from_odd_objects_can_be_written(objects):
    try:
        entry_fields = parse_import_file("x", json.dumps(objects).encode(), CONTEXT).entry_fields
    except BadInput:
        reject()
    assert len(entry_fields) == len(objects)
    for fields in entry_fields:
        text = canonical_json(Imported(**COMMON_FIELDS, **fields))
        assert canonical_json(parse_body(text)) == text
        assert parse_body(text).type == "IMPORTED"


def test_a_file_from_a_spreadsheet_with_semicolons_and_a_mark_at_its_beginning_is_read():
    data = "\ufeffwhen;version;to;by\r\n2022-02-07T09:00Z;v1;production;ana\r\n".encode()
    (fields,) = parse_import_file("x.csv", data, CONTEXT).entry_fields
    assert (fields["version"], fields["to"], fields["actor"].name) == ("1", "Production", "ana")


def test_lines_of_other_models_are_left_out_and_counted():
    data = b"model,when,version,to\nm,2022-02-07T09:00Z,1,Production\nother,not a time,1,Production\n"
    parsed_file = parse_import_file("x.csv", data, CONTEXT)
    assert (len(parsed_file.entry_fields), parsed_file.other_model_count) == (1, 1)


def test_the_strip_marks_what_only_an_imported_file_tells():
    holdings = all_holdings(make_entries(*import_lines(*THREE_LINES)))
    table = bar_table([("Production", holding) for holding in holdings if holding.slot == "production"], NOON)
    assert table["known_from"].tolist() == ["an imported file"] * 3 + ["the record"]
    assert table["kind"].tolist() == ["past"] * 3 + ["now"]


def test_a_day_of_many_moves_is_told_in_short_and_its_ends_in_full():
    lines = [
        f"2023-03-14T{hour:02d}:{minute:02d}Z,{minute // 30 + 1},None,Production,ana" for hour in range(10) for minute in (0, 30)
    ]
    answer = as_of(make_entries(*import_lines(*lines), holders=("2",)), "production", parse_time_query("2023-03-14", NOON))
    assert len(answer.holders) == 20
    sentence, text = answer_sentence(answer), answer_text("m", answer)
    assert sentence.startswith("v1 until 00:30, then v2 until 01:00, then v1 until 01:30")
    assert sentence.endswith("then 14 more moves, then v1 until 09:30, then v2")
    assert len(sentence) < 200
    assert "In between there were 17 more holdings" in text
    assert "Version 2 has been there since 14 Mar 2023, 09:30" in text
    assert len(text) < 2_000
