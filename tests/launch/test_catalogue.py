"""The available demos and the values their parameters accept."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.launch import demo_jobs
from lib.launch.catalogue import Demo, describe_cost, find_demo, list_demos, parse_values, script_arguments

SEARCH = find_demo("search")
each_demo = pytest.mark.parametrize("demo", list_demos(), ids=lambda demo: demo.key)


@each_demo
def test_the_defaults_of_every_demo_pass_its_own_check_unchanged(demo: Demo) -> None:
    assert parse_values(demo, {}) == {parameter.name: parameter.default for parameter in demo.parameters}


@each_demo
def test_every_parameter_is_an_option_of_the_script_with_the_same_default(demo: Demo) -> None:
    source = demo_jobs.read_demo_script(demo)
    assert len(demo.parameters) >= 3
    for parameter in demo.parameters:
        match = re.search(rf'"--{parameter.name.replace("_", "-")}".*?default=(\[.*?\]|".*?"|\d+)', source)
        assert match, parameter.name
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        assert match[1].strip('"') == str(default)


@each_demo
def test_the_script_is_self_contained_and_sets_its_tracking_uri_first(demo: Demo) -> None:
    source = demo_jobs.read_demo_script(demo)
    assert "from lib" not in source
    assert "import lib" not in source
    assert source.index("mlflow.set_tracking_uri") < min(source.index("set_experiment"), source.index("start_run"))


def test_the_default_search_is_the_one_of_the_guide() -> None:
    assert describe_cost(SEARCH, {}).startswith("12 trials, 60 fits")
    assert describe_cost(SEARCH, {}).endswith("Writes 13 runs, one model.")


def test_text_from_a_command_line_is_read_as_numbers() -> None:
    arguments = script_arguments(SEARCH, {"n_estimators": "1, 5,5", "max_depth": "none 3", "folds": "2"})
    assert arguments[1:8] == ("--n-estimators", "1", "5", "--max-depth", "none", "3", "--folds=2")


def test_a_name_that_looks_like_an_option_stays_a_name() -> None:
    assert script_arguments(SEARCH, {"experiment": "--help"})[0] == "--experiment=--help"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_estimators", "many", "Trees must be a whole number from 1 to 500, not 'many'"),
        ("n_estimators", [], "Trees needs one to 8 numbers, not 0"),
        ("n_estimators", list(range(1, 10)), "Trees needs one to 8 numbers, not 9"),
        ("n_estimators", [0], "not '0'"),
        ("n_estimators", "1;rm", "not '1;rm'"),
        ("max_depth", [101], "Max depth must be a whole number from 1 to 100"),
        ("folds", 1, "Folds must be a whole number from 2 to 10"),
        ("folds", True, "Folds must be a whole number"),
        ("folds", 2.5, "not '2.5'"),
        ("experiment", "  ", "Experiment is empty"),
        ("experiment", "a\nb", "cannot be displayed"),
        ("experiment", "x" * 201, "longer than 200"),
        ("experiment", "podium-ledger", "reserved for Podium's own record"),
        ("author", "", "Author is empty"),
        ("learning_rate", "1", "has no parameter 'learning_rate'"),
    ],
)
def test_a_bad_value_is_refused_in_words_that_name_it(name: str, value: object, message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        script_arguments(SEARCH, {name: value})


def test_an_experiment_id_is_a_whole_number() -> None:
    with pytest.raises(BadInput, match="Experiment id must be a whole number such as 0"):
        script_arguments(find_demo("by-id"), {"experiment_id": "Default"})


def test_an_unknown_demo_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BadInput, match="first-run, by-id, by-name, remote, autolog, search"):
        find_demo("wine")


@given(st.text(max_size=300) | st.integers() | st.lists(st.none() | st.integers(-5, 600), max_size=12))
def test_whatever_is_typed_is_refused_or_becomes_words_without_a_line_break(value: object) -> None:
    for parameter in SEARCH.parameters:
        try:
            arguments = script_arguments(SEARCH, {parameter.name: value})
        except BadInput:
            continue
        assert all(argument.isprintable() for argument in arguments)
        assert parse_values(SEARCH, {parameter.name: value}) == parse_values(
            SEARCH, parse_values(SEARCH, {parameter.name: value})
        )


def test_the_page_offers_only_choices_that_are_accepted() -> None:
    parameters = [parameter for demo in list_demos() for parameter in demo.parameters if parameter.choices]
    assert parameters
    for parameter in parameters:
        assert parameter.parse(parameter.choices) == parameter.choices


def test_help_explains_the_parameters_of_a_script() -> None:
    text = subprocess.run(
        [sys.executable, demo_jobs.demo_script_path(SEARCH), "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "Lesson: one parent run" in text
    assert all(f"--{parameter.name.replace('_', '-')}" in text for parameter in SEARCH.parameters)
