"""Typed tables from runs: a parameter is numeric only if every value is a number, and no two values are merged."""

import re
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.table.frames import convert_numeric
from lib.runs.table.types import (
    DataInput,
    RegisteredVersion,
    datetime_from_millis,
    millis_from_datetime,
)
from tests.support.run_factories import START, make_run, make_run_table, text_column

DECIMAL = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")


def test_whole_numbers_become_integers_and_a_missing_one_stays_missing():
    values = convert_numeric(text_column("5", None, "-12"))
    assert str(values.dtype) == "Int64"
    assert values.tolist()[0] == 5
    assert pd.isna(values.iloc[1])


@pytest.mark.parametrize("texts", [("0.1", "1e-3"), ("1", "2.5"), (".5", "3.")])
def test_decimals_become_floats(texts):
    assert convert_numeric(text_column(*texts)).tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "odd",
    [
        "1١",
        "1.٢",
        "None",
        "007",
        "nan",
        "inf",
        "1_000",
        " 5",
        "",
        "0x10",
        "1e999",
        "٣",
        "+",
        "1" * 40,
        "e5",
        ".e5",
        ".",
        "1e",
        "-",
        "5\n",
        "\n",
        "1e5x",
    ],
)
def test_one_value_that_is_no_plain_number_keeps_the_column_text(odd):
    assert convert_numeric(text_column("5", odd)).tolist() == ["5", odd]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_integers_survive_exactly(numbers):
    assert convert_numeric(text_column(*map(str, numbers))).tolist() == numbers


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(), min_size=1))
def test_any_text_is_taken_and_no_two_texts_become_one_unless_they_are_the_same_number(texts):
    values = convert_numeric(text_column(*texts))
    if not pd.api.types.is_numeric_dtype(values):
        assert values.tolist() == texts


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), st.text(alphabet="0179.-+eE\n", max_size=4)), max_size=3))
def test_a_column_is_a_number_exactly_when_each_value_reads_as_one(texts):
    values = convert_numeric(text_column(*texts))
    present = [text for text in texts if text is not None]
    is_number_column = bool(present) and all(DECIMAL.fullmatch(text) for text in present)
    assert pd.api.types.is_numeric_dtype(values) == is_number_column
    if is_number_column:
        assert values.dropna().tolist() == [float(text) for text in present]


def test_decimals_longer_than_a_float_stay_apart():
    assert convert_numeric(text_column("0.1234567890123456781", "0.1234567890123456782")).nunique() == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_every_float_that_python_writes_is_read_as_that_float(numbers):
    texts = [repr(number) for number in [0.30000000000000004, 0.05808361216819946, *numbers]]
    assert convert_numeric(text_column(*texts)).tolist() == [float(text) for text in texts]


def test_every_table_has_the_run_ids_as_index_in_the_same_order():
    runs = make_run_table(make_run("b", params={"n": 1}, metrics={"m": 0.5}), make_run("a", tags={"who": "me"}))
    assert runs.ids == ("b", "a")
    for frame in (runs.identity, runs.metrics, runs.params, runs.tags):
        assert list(frame.index) == ["b", "a"]


def test_the_identity_knows_parent_duration_and_model():
    runs = make_run_table(make_run("kid", parent="mum", started=START, ended=START + timedelta(seconds=2.5), model_ids=()))
    assert runs.identity.loc["kid", ["parent", "seconds", "has_model"]].tolist() == ["mum", 2.5, False]


def test_a_time_that_no_calendar_knows_hides_nothing():
    assert datetime_from_millis(99_999_999_999_999_999) is None
    assert datetime_from_millis(-99_999_999_999_999_999) is None
    for at in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)):
        assert datetime_from_millis(millis_from_datetime(at)) == at
        assert make_run_table(make_run("old", started=at)).identity.started.tolist() == [at]


def test_the_identity_tells_where_artifacts_are_and_what_was_registered():
    version = RegisteredVersion("wine", "3", "None")
    runs = make_run_table(make_run("a", artifact_uri="s3://b/a", versions=(version,)), make_run("b"))
    assert runs.identity.artifact_uri.tolist() == ["s3://b/a", ""]
    assert runs.identity.versions.tolist() == [(version,), ()]


def test_a_model_in_the_way_of_mlflow_2_counts_as_a_model():
    assert make_run("old", model_ids=(), tags={"mlflow.log-model.history": "[]"}).has_model


def test_an_empty_experiment_gives_empty_tables():
    runs = make_run_table()
    assert len(runs) == 0
    assert runs.identity.empty
    assert runs.metrics.empty
    assert runs.inputs.empty


def test_inputs_have_a_row_per_run_and_dataset():
    wine = (DataInput("wine", "d1", "training"), DataInput("wine", "d2", "testing"))
    assert make_run_table(make_run("a", inputs=wine)).inputs.digest.tolist() == ["d1", "d2"]
