"""What imported entries tell of the time before the record: in turn, in windows, in contradiction, and never of the record's own time."""

import json
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
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
from lib.ui.app.routes import PROJECT_ROOT
from tests.ledger.test_replay import COMMON, book, closed, intent, now, opened

BEGINS = datetime(2026, 11, 24, 10, tzinfo=UTC)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FRAME = ImportContext("m", "UTC", NOON, BEGINS)
START = datetime(2022, 1, 1, tzinfo=UTC)


def told(*lines, name="a.csv", heads="when,version,from,to,by"):
    """The bodies of a file with these lines."""
    made = parse_import_file(name, "\n".join([heads, *lines]).encode(), FRAME).entry_fields
    return [Imported(**COMMON, **one) for one in made]


def entries(*bodies, shown=("3",)):
    return book(opened(now(shown)), *bodies).book.entries


def says(bodies, at, slot="production", shown=("3",)):
    return answer_sentence(as_of(entries(*bodies, shown=shown), slot, parse_time_query(at, NOON)))


def whys(bodies, at, shown=("3",)):
    return [one.explanation for one in as_of(entries(*bodies, shown=shown), "production", parse_time_query(at, NOON)).unknown]


THREE = (
    "2022-02-07T09:00Z,1,None,Production,ana",
    "2023-01-16T09:00Z,2,None,Production,ana",
    "2024-05-21T14:00Z,3,None,Production,ben",
)


def test_each_line_ends_what_the_line_before_said():
    bodies = told(*THREE)
    assert says(bodies, "2022-06-01") == "v1 was in Production, all day"
    assert says(bodies, "2023-01-16") == "v1 until 09:00, then v2"
    assert says(bodies, "2026-11-23") == "v3 was in Production, all day"


def test_a_displaced_version_may_or_may_not_have_a_line_of_its_own():
    archived = [*THREE, "2023-01-16T09:00Z,1,Production,Archived,ana", "2024-05-21T14:00:01Z,2,Production,Archived,ben"]
    for at in ("2022-06-01", "2023-01-16", "2024-05-21", "2025-01-01"):
        assert says(told(*archived), at) == says(told(*THREE), at)


def test_a_version_that_leaves_without_a_successor_leaves_nobody():
    bodies = told(THREE[0], "2022-08-01T00:00Z,1,Production,Archived,ana", *THREE[1:])
    assert says(bodies, "2022-09-01") == "Nothing was in Production"


def test_before_the_first_line_and_in_a_stage_without_lines_the_record_only_begins():
    assert says(told(*THREE), "2021-12-24") == "The record begins only on 7 Feb 2022, 09:00 UTC"
    assert says(told(*THREE), "2023-01-01", "staging") == "The record begins only on 24 Nov 2026, 10:00 UTC"
    assert whys(told(*THREE), "2021-12-24") == [BEFORE_RECORD]


def test_a_line_that_knows_only_the_day_leaves_the_day_unknown():
    bodies = told(THREE[0], "2023-01-16,2,None,Production,ana", THREE[2])
    assert says(bodies, "2023-01-15") == "v1 was in Production, all day"
    assert says(bodies, "2023-01-16T09:00Z").startswith("Unknown between 16 Jan, 00:00 and 17 Jan, 00:00")
    assert says(bodies, "2023-01-17") == "v2 was in Production, all day"
    assert whys(bodies, "2023-01-16") == ["moved at some time of that day"]


def test_two_versions_at_one_instant_are_unknown_until_the_next_line():
    bodies = told(THREE[0], "2023-01-16T09:00Z,2,None,Production,ana", "2023-01-16T09:00Z,4,None,Production,ana", THREE[2])
    assert whys(bodies, "2023-06-01") == ["v2 and v4 at once"]
    assert says(bodies, "2024-06-01") == "v3 was in Production, all day"


def test_a_version_that_leaves_a_stage_in_which_another_stood_contradicts_the_lines_before():
    bodies = told(THREE[0], "2023-01-16T09:00Z,2,Production,Archived,ana", THREE[2])
    assert whys(bodies, "2022-06-01") == ["v1 by line 2, v2 by line 3 of a.csv"]
    assert says(bodies, "2023-06-01") == "Nothing was in Production"


def test_two_files_that_contradict_each_other_are_unknown_for_as_long_as_they_do():
    other = told("2022-06-01T00:00Z,9,None,Production,eve", name="b.csv")
    bodies = [*told(*THREE), *other]
    assert says(bodies, "2022-03-01") == "v1 was in Production, all day"
    assert whys(bodies, "2022-09-01") == ["contradicting accounts: v1, v9"]
    assert says(bodies, "2023-06-01") == "v2 was in Production, all day"


def test_a_last_line_that_is_not_what_the_record_began_with_is_unknown_from_there_on():
    bodies = told(*THREE[:2])
    assert whys(bodies, "2024-01-01") == ["v2 by a.csv, v3 when the record began"]
    assert says(bodies, "2022-06-01") == "v1 was in Production, all day"


def test_what_was_imported_ends_where_the_record_begins_or_goes_on_in_it():
    bodies = (*told(*THREE), intent("2"), closed(5, shown=now(["2"])))
    (before,) = as_of(entries(*bodies), "production", TimeQuery(datetime(2025, 1, 1, tzinfo=UTC))).holders
    assert (before.version, before.actor.name, before.until) == ("3", "ben", BEGINS)
    told_now = as_of(entries(*told(*THREE)), "production", parse_time_query("2026-11-29", NOON))
    assert [(one.version, one.since.year, one.actor.name) for one in told_now.holders] == [("3", 2024, "ben")]


def test_a_line_that_claims_to_be_of_the_records_own_time_says_nothing():
    late = told(*THREE)[-1].model_copy(update={"effective_at": "2026-11-25T00:00:00.000Z", "version": "7"})
    assert imported_holdings(entries(late)) == ()


def test_statements_say_who_why_what_and_on_whose_word():
    answer = as_of(entries(*told(*THREE)), "production", parse_time_query("2023-03-14", NOON))
    said = answer_text("m", answer)
    assert said.startswith("On 14 March 2023 (UTC), all day, version 2 of m was in Production.")
    assert "ana put it there. No reason is recorded." in said
    assert "Not recorded: its metrics, data and code." in said
    assert "ana imported them on 24 Nov 2026, 10:00 UTC from the file a.csv" in said


@pytest.mark.parametrize(
    ("bodies", "at", "slot", "said"),
    [
        (told(*THREE), "2021-01-01", "production", "The record of m says nothing about Production before 7 Feb 2022, 09:00 UTC, so it cannot say"),
        (told(*THREE[:2]), "2025-01-01", "production", "Nobody can say which version of m was in Production on 1 January 2025 (UTC)"),
        (told(*THREE), "2023-01-16", "production", "On 16 January 2023 (UTC), Production of m was held in turn: v1 until 09:00, then v2."),
        ((), "2026-11-25", "staging", "On 25 November 2026 (UTC), no version of m was in Staging."),
        ((), "2026-11-25T09:00Z", "production", "On 25 Nov 2026, 09:00 UTC, version 3 of m was in Production."),
    ],
)  # fmt: skip
def test_every_kind_of_answer_is_a_sentence(bodies, at, slot, said):
    assert said in answer_text("m", as_of(entries(*bodies), slot, parse_time_query(at, NOON)))


MOVES = st.lists(st.tuples(st.integers(1, 1500), st.sampled_from("1234")), min_size=1, max_size=8, unique_by=lambda m: m[0])


def lines(moves):
    return [f"{START + timedelta(days=day):%Y-%m-%dT%H:%MZ},{version},,Production,ana" for day, version in moves]


@given(MOVES, st.randoms())
@settings(deadline=None)
def test_one_account_is_read_by_its_times_in_whatever_order_it_was_written(moves, random):
    ordered = sorted(moves)
    shuffled = list(moves)
    random.shuffle(shuffled)
    last = ordered[-1][1]
    bodies = told(*lines(shuffled))
    random.shuffle(bodies)
    for (day, version), after in pairwise([*ordered, (1501, "")]):
        for at in (day, (day + after[0]) / 2, after[0] - 0.001):
            told_ = as_of(entries(*bodies, shown=(last,)), "production", TimeQuery(START + timedelta(days=at)))
            assert [one.version for one in told_.holders] == [version]


@given(st.lists(MOVES, min_size=1, max_size=3), st.lists(st.sampled_from("123"), max_size=3))
@settings(deadline=None)
def test_whatever_is_imported_says_nothing_of_the_records_own_time_and_never_two_at_once(files, moves):
    own = [one for n, version in enumerate(moves) for one in (intent(version), closed(2 + 2 * n, shown=now([version])))]
    imported = [body for n, file in enumerate(files) for body in told(*lines(file), name=f"{n}.csv")]
    plain, more = entries(*own), entries(*own, *imported)
    assert [one for one in all_holdings(more) if not one.is_imported] == list(recorded_holdings(plain))
    before = imported_holdings(more)
    assert all(one.until <= BEGINS and one.since < one.until for one in before)
    assert all(a.until <= b.since for a, b in pairwise(before))


def test_the_examples_of_the_manual_can_be_read():
    frame = ImportContext("churn", "UTC", NOON, BEGINS)
    folder = PROJECT_ROOT / "docs" / "examples"
    gto = parse_import_file("gto-tags.csv", (folder / "gto-tags.csv").read_bytes(), frame).entry_fields
    assert [(one["of"], one["version"]) for one in gto][:3] == [
        ("REGISTERED", "1.0.0"),
        ("APPLIED", "1.0.0"),
        ("APPLIED", "1.0.0"),
    ]
    assert gto[-1]["now"] == {"production": {"stage": ()}}
    wandb = parse_import_file("wandb-actions.json", (folder / "wandb-actions.json").read_bytes(), frame).entry_fields
    assert [one["version"] for one in wandb] == ["0", "0", "1", "1"]
    assert wandb[0]["lineage"].metrics == {"val_auc": 0.861}
    assert wandb[-1]["window"] == ("2024-07-02T00:00:00.000Z", "2024-07-03T00:00:00.000Z")


def test_the_manuals_git_command_lists_what_gto_tags_hold(tmp_path):
    told_ = (PROJECT_ROOT / "docs" / "import.md").read_text()
    command = told_[told_.index("git for-each-ref") :].split("\n\n")[0].replace("\\\n", " ").split("\n")[0]
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ana Ruiz", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "-a", "churn@v1.0.0", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run([*git, "tag", "-a", "churn#prod#1", "-m", "signed off"], check=True)
    told_ = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split(",") for line in told_]
    assert {one[1] for one in fields} == {"churn@v1.0.0", "churn#prod#1"}
    assert {(one[2], len(one[4])) for one in fields} == {("Ana Ruiz", 40)}


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@settings(deadline=None)
def test_no_file_however_odd_makes_reading_fail_without_words(data):
    with suppress(BadInput):
        parse_import_file("x", data, FRAME)


ODD = (
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
        st.dictionaries(NAMES, ODD, max_size=13).map(
            lambda one: {"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", **one}
        ),
        max_size=3,
    )
)
@example([{"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", "metric.a": 2**53}])
@example([{"when": "2022-02-07T09:00Z", "version": "1", "to": "Staging", "metric.a": -1e17}])
@settings(deadline=None)
def test_whatever_is_read_from_odd_objects_can_be_written(objects):
    with suppress(BadInput):
        for one in parse_import_file("x", json.dumps(objects).encode(), FRAME).entry_fields:
            text = canonical_json(Imported(**COMMON, **one))
            assert canonical_json(parse_body(text)) == text
            assert parse_body(text).type == "IMPORTED"


def test_a_file_from_a_spreadsheet_with_semicolons_and_a_mark_at_its_beginning_is_read():
    data = "\ufeffwhen;version;to;by\r\n2022-02-07T09:00Z;v1;production;ana\r\n".encode()
    (one,) = parse_import_file("x.csv", data, FRAME).entry_fields
    assert (one["version"], one["to"], one["actor"].name) == ("1", "Production", "ana")


def test_lines_of_other_models_are_left_out_and_counted():
    data = b"model,when,version,to\nm,2022-02-07T09:00Z,1,Production\nother,not a time,1,Production\n"
    made = parse_import_file("x.csv", data, FRAME)
    assert (len(made.entry_fields), made.other_model_count) == (1, 1)


def test_the_strip_marks_what_only_an_imported_file_tells():
    held = all_holdings(entries(*told(*THREE)))
    table = bar_table([("Production", one) for one in held if one.slot == "production"], NOON)
    assert table["known_from"].tolist() == ["an imported file"] * 3 + ["the record"]
    assert table["kind"].tolist() == ["past"] * 3 + ["now"]


def test_a_day_of_many_moves_is_told_in_short_and_its_ends_in_full():
    moves = [
        f"2023-03-14T{hour:02d}:{minute:02d}Z,{minute // 30 + 1},None,Production,ana" for hour in range(10) for minute in (0, 30)
    ]
    answer = as_of(entries(*told(*moves), shown=("2",)), "production", parse_time_query("2023-03-14", NOON))
    assert len(answer.holders) == 20
    line, said = answer_sentence(answer), answer_text("m", answer)
    assert line.startswith("v1 until 00:30, then v2 until 01:00, then v1 until 01:30")
    assert line.endswith("then 14 more moves, then v1 until 09:30, then v2")
    assert len(line) < 200
    assert "In between there were 17 more holdings" in said
    assert "Version 2 has been there since 14 Mar 2023, 09:30" in said
    assert len(said) < 2_000
